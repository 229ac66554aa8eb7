// What /health says: little to everyone, everything to who holds the token or the private socket.
// Format: health+json (draft-inadarei-api-health-check-06).
import { monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 20
const LAG_WINDOW_MS = 30_000

const lag = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
lag.enable()
setInterval(() => lag.reset(), LAG_WINDOW_MS).unref()

/** The bare or the full health; cheap: it tells what was seen last. */
export function health({ config: { release, worker }, clients, draining, stopping, store, bus }, isFull) {
  const isWell = store.status === 'pass' && (!bus || bus.status === 'pass')
  const status = stopping || !store.up ? 'fail' : isWell ? 'pass' : 'warn'
  const details = {
    worker,
    connections: clients.size,
    draining: draining || stopping,
    event_loop_lag_ms: Math.max(0, (lag.percentile(99) || 0) / 1e6 - RESOLUTION_MS),
    checks: { ...check(store, 'fail'), ...(bus && check(bus, 'warn')) },
  }
  return { status, release, ...(isFull && details) }
}

/** `worst`: how bad it is for the chat when this one is away. */
function check({ name, kind, status, milliseconds, output, time }, worst) {
  const seen = { status: status === 'fail' ? worst : status, observedValue: milliseconds, observedUnit: 'ms', output, time }
  return { [`${name}:responseTime`]: [{ componentId: kind, componentType: 'datastore', ...seen }] }
}
