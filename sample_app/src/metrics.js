// Every metric of the server, in base units; labels are bounded (never a user or a room).
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
// Gauges of prom-client that carry a counter's suffix; `promtool check metrics` refuses them.
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']
const CLOSE_CODES = new Set([1000, 1001, 1005, 1006, 1007, 1008, 1009, 1011, 1012, 1013])

/** The registry of one process; every series carries its `worker` label. */
export function createMetrics({ worker, release }) {
  const registry = new Registry()
  registry.setDefaultLabels({ worker })
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
  const make = (Kind, name, help, labelNames = [], extra = {}) =>
    new Kind({ name, help, labelNames, registers: [registry], ...extra })
  const seconds = (name, help, labels) => make(Histogram, name, help, labels, { buckets: LATENCY_BUCKETS })
  make(Gauge, 'chat_build_info', 'Always 1; the labels say what runs.', ['version', 'node'])
    .set({ version: release, node: process.version }, 1)
  return {
    registry,
    connections: make(Gauge, 'chat_connections', 'Open WebSocket connections.'),
    opened: make(Counter, 'chat_connections_opened_total', 'WebSocket connections accepted.'),
    closed: make(Counter, 'chat_connections_closed_total', 'WebSocket connections ended, by close code.', ['code']),
    rejected: make(Counter, 'chat_handshakes_rejected_total', 'Upgrades refused before the handshake.', ['reason']),
    received: make(Counter, 'chat_messages_received_total', 'Messages sent by clients, by outcome.', ['result']),
    deliveries: make(Counter, 'chat_deliveries_total', 'Frames written to room members.'),
    dropped: make(Counter, 'chat_deliveries_dropped_total', 'Frames not written to room members.', ['reason']),
    ackSeconds: seconds('chat_send_ack_seconds', 'From receiving a message to its committed acknowledgement.'),
    fanoutSeconds: seconds('chat_fanout_seconds', 'From commit to the write to the sockets, across workers.'),
    storeSeconds: seconds('chat_db_seconds', 'Duration of store calls.', ['op']),
    redisSeconds: seconds('chat_redis_seconds', 'Duration of Redis calls.', ['op']),
    dependencyUp: make(Gauge, 'chat_dependency_up', 'Whether a dependency answers.', ['name']),
    resumes: make(Counter, 'chat_resumes_total', 'Rooms joined, by what was replayed.', ['outcome']),
    resumeMessages: make(Counter, 'chat_resume_messages_total', 'Messages replayed to joining clients.'),
    slowConsumers: make(Counter, 'chat_slow_consumers_total', 'Clients cut because they did not read.'),
    sendBuffer: make(Gauge, 'chat_send_buffer_bytes', 'Bytes waiting in all client sockets.'),
    draining: make(Gauge, 'chat_draining', 'Whether the process hands its clients over.'),
  }
}

/** A close code as a label value; codes that clients make up share one. */
export function closeLabel(code) {
  return CLOSE_CODES.has(code) ? String(code) : 'other'
}

/** Run `call`, observing its seconds in `histogram` under `op`. */
export async function timed(histogram, op, call) {
  const end = histogram.startTimer({ op })
  try {
    return await call()
  } finally {
    end()
  }
}
