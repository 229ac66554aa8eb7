// What /health says: little to everyone, everything to who holds the token or the private socket.
// Format: health+json (draft-inadarei-api-health-check-06).
import { monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 20
const LAG_WINDOW_MS = 30_000
const lag = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
lag.enable()
setInterval(() => lag.reset(), LAG_WINDOW_MS).unref()

/** The answer with the bare or the full health; cheap: of its dependencies it tells what was seen last. */
export function healthAnswer({ config: { release, worker }, clients, draining, stopping, store, bus }, isFull) {
  const details = {
    worker,
    connections: clients.size,
    draining: draining || stopping,
    event_loop_lag_ms: Math.max(0, (lag.percentile(99) || 0) / 1e6 - RESOLUTION_MS),
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
