// What /health says: little to everyone, everything to who holds the token or the private socket.
// Format: health+json (draft-inadarei-api-health-check-06).
import { setImmediate as nextTick } from 'node:timers/promises'

/** The answer with the bare or the full health; cheap: of its dependencies it tells what was seen last. */
export async function healthAnswer({ config: { release, worker }, clients, draining, stopping, store, bus }, isFull) {
  const asked = performance.now()
  await nextTick()
  const details = {
    worker,
    connections: clients.size,
    draining: draining || stopping,
    event_loop_lag_ms: performance.now() - asked,
    checks: { ...check(store, 'fail'), ...(bus && check(bus, 'warn')) },
  }
  const isWell = !store.slow && (!bus || (bus.up && !bus.slow))
  const status = stopping || !store.up ? 'fail' : isWell ? 'pass' : 'warn'
  const body = { status, release, ...(isFull && details) }
  return { status: status === 'fail' ? 503 : 200, body, type: 'application/health+json' }
}

/** `worst`: how bad it is for the chat when this one is away. */
function check({ name, kind, up, slow, milliseconds, output, time }, worst) {
  const status = !up ? worst : slow ? 'warn' : 'pass'
  const seen = { status, observedValue: milliseconds, observedUnit: 'ms', output, time }
  return { [`${name}:responseTime`]: [{ componentId: kind, componentType: 'datastore', ...seen }] }
}
