// What /health says: little to everyone, everything to who holds the token or the private socket.
// Format: health+json (draft-inadarei-api-health-check-06).
import { monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 20
const LAG_WINDOW_MS = 30_000

/** Returns a function that answers with the bare or the full health; cheap: it tells what was seen last. */
export function createHealth(chat) {
  const { config: { release, worker }, clients, store, bus } = chat
  const lag = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  lag.enable()
  setInterval(() => lag.reset(), LAG_WINDOW_MS).unref()
  const status = () => {
    if (chat.stopping || !store.dependency.up) return 'fail'
    return [store, bus].some((part) => part && part.dependency.status !== 'pass') ? 'warn' : 'pass'
  }
  const details = () => ({
    worker,
    connections: clients.size,
    draining: chat.draining || chat.stopping,
    event_loop_lag_ms: Math.max(0, (lag.percentile(99) || 0) / 1e6 - RESOLUTION_MS),
    checks: { ...check(store.dependency, 'fail'), ...(bus && check(bus.dependency, 'warn')) },
  })
  return (isFull) => ({ status: status(), release, ...(isFull && details()) })
}

/** `worst`: how bad it is for the chat when this one is away. */
function check({ name, kind, status, milliseconds, output, time }, worst) {
  const seen = { status: status === 'fail' ? worst : status, observedValue: milliseconds, observedUnit: 'ms', output, time }
  return { [`${name}:responseTime`]: [{ componentId: kind, componentType: 'datastore', ...seen }] }
}
