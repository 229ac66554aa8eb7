// What /health says: little to everyone, everything to who holds the token or the private socket.
// Format: health+json (draft-inadarei-api-health-check-06).
import { monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 20
const LAG_WINDOW_MS = 30_000

/** Returns a function that answers with the bare or the full health; cheap: it tells what the probes have seen last. */
export function createHealth(chat) {
  const { config: { release, worker }, clients, rooms, dependencies } = chat
  const lag = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  lag.enable()
  setInterval(() => lag.reset(), LAG_WINDOW_MS).unref()
  const bare = () => ({ status: status(chat), release })
  const full = () => ({
    ...bare(),
    releaseId: release,
    serviceId: 'chat',
    worker,
    pid: process.pid,
    uptime_seconds: process.uptime(),
    connections: clients.size,
    rooms: rooms.size,
    draining: chat.draining || chat.stopping,
    memory_bytes: process.memoryUsage.rss(),
    event_loop_lag_ms: Math.max(0, (lag.percentile(99) || 0) / 1e6 - RESOLUTION_MS),
    checks: Object.fromEntries(Object.values(dependencies.states).map(check)),
  })
  return (isFull) => (isFull ? full() : bare())
}

function status({ stopping, dependencies }) {
  if (stopping || !dependencies.isUp('store')) return 'fail'
  return dependencies.isUp('redis') ? 'pass' : 'warn'
}

function check({ name, kind, up, milliseconds, output, time }) {
  const status = up ? 'pass' : name === 'store' ? 'fail' : 'warn'
  const observed = { observedValue: milliseconds, observedUnit: 'ms' }
  return [`${name}:responseTime`, [{ componentId: kind, componentType: 'datastore', ...observed, status, output, time }]]
}
