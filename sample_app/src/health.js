// What /health says: little to everyone, everything to who holds the token or the private socket.
// Format: health+json (draft-inadarei-api-health-check-06).
import { monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 20
const LAG_WINDOW_MS = 30_000

/** Returns a function that answers with the bare or the full health; cheap: it tells what the probes have seen last. */
export function createHealth(chat) {
  const lag = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  lag.enable()
  setInterval(() => lag.reset(), LAG_WINDOW_MS).unref()
  return (full) => {
    const bare = { status: status(chat), release: chat.config.release }
    const lagMs = Math.max(0, (lag.percentile(99) || 0) / 1e6 - RESOLUTION_MS)
    return full ? { ...bare, ...details(chat), event_loop_lag_ms: Number(lagMs.toFixed(2)) } : bare
  }
}

function status({ stopping, dependencies }) {
  if (stopping || !dependencies.isUp('store')) return 'fail'
  return dependencies.isUp('redis') ? 'pass' : 'warn'
}

function details({ config, clients, draining, stopping, rooms, dependencies }) {
  return {
    releaseId: config.release,
    serviceId: 'chat',
    worker: config.worker,
    pid: process.pid,
    uptime_seconds: process.uptime(),
    connections: clients.size,
    rooms: rooms.size,
    draining: draining || stopping,
    memory_bytes: process.memoryUsage.rss(),
    checks: Object.fromEntries(dependencies.states.map((state) => [`${state.name}:responseTime`, [check(state)]])),
  }
}

function check({ name, kind, up, milliseconds, output, time }) {
  const status = up ? 'pass' : name === 'store' ? 'fail' : 'warn'
  const observed = { observedValue: milliseconds, observedUnit: 'ms' }
  return { componentId: kind, componentType: 'datastore', ...observed, status, output, time }
}
