// What /health says: little to everyone, everything to who holds the token or the private socket.
// Format: health+json (draft-inadarei-api-health-check-06).
import { monitorEventLoopDelay } from 'node:perf_hooks'

const NANOSECONDS_PER_MS = 1e6
const LAG_WINDOW_MS = 30_000

/** Returns {bare(), full()}, both cheap: they tell what the background probes have seen last. */
export function createHealth(chat) {
  const lag = monitorEventLoopDelay({ resolution: 20 })
  lag.enable()
  setInterval(() => lag.reset(), LAG_WINDOW_MS).unref()
  const lagMs = () => Math.max(0, (lag.percentile(99) || 0) / NANOSECONDS_PER_MS - 20)
  const bare = () => ({ status: status(chat), release: chat.config.release })
  return { bare, full: () => ({ ...bare(), ...details(chat, lagMs()) }) }
}

function status({ stopping, dependencies }) {
  if (stopping || !dependencies.isUp('store')) return 'fail'
  return dependencies.isUp('redis') ? 'pass' : 'warn'
}

function details(chat, lagMs) {
  const { config, clients, draining, rooms, dependencies } = chat
  return {
    releaseId: config.release,
    serviceId: 'chat',
    worker: config.worker,
    pid: process.pid,
    uptime_seconds: process.uptime(),
    connections: clients.size,
    rooms: rooms.size,
    draining: draining || chat.stopping,
    event_loop_lag_ms: Number(lagMs.toFixed(2)),
    memory_bytes: process.memoryUsage.rss(),
    checks: {
      ...Object.fromEntries(dependencies.all().map((state) => [`${state.name}:responseTime`, [dependencyCheck(state)]])),
      'worker:eventLoopLag': [systemCheck(lagMs, 'ms')],
      'worker:connections': [systemCheck(clients.size, 'connections')],
      'worker:memory': [systemCheck(process.memoryUsage.rss(), 'bytes')],
    },
  }
}

function dependencyCheck({ name, kind, up, milliseconds, output, time }) {
  const status = up ? 'pass' : name === 'store' ? 'fail' : 'warn'
  return { componentId: kind, componentType: 'datastore', observedValue: milliseconds, observedUnit: 'ms', status, output, time }
}

function systemCheck(observedValue, observedUnit) {
  return { componentType: 'system', observedValue, observedUnit, status: 'pass', time: new Date().toISOString() }
}
