// Every metric of the server, in base units; labels are bounded (never a user or a room).
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
// Gauges of prom-client that carry a counter's suffix; `promtool check metrics` refuses them.
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

/** The registry of one process; every series carries its `worker` label. Gauges ask `chat` when they are read. */
export function createMetrics({ worker, release, commit = '' }, chat) {
  const registry = new Registry()
  registry.setDefaultLabels({ worker })
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
  const make = (Kind, more) => (name, help, ...labelNames) =>
    new Kind({ name: `chat_${name}`, help, labelNames, registers: [registry], ...more })
  const [counter, gauge, histogram] = [make(Counter), make(Gauge), make(Histogram, { buckets: BUCKETS })]
  const asking = (name, help, ask) => make(Gauge, { collect() { this.set(ask(chat)) } })(name, help)
  asking('connections', 'Open WebSocket connections.', ({ clients }) => clients.size)
  asking('draining', 'Whether the process hands its clients over.', ({ draining }) => Number(draining))
  asking('send_buffer_bytes', 'Bytes waiting in all client sockets.', ({ clients }) =>
    clients.values().reduce((sum, { socket }) => sum + socket.writableLength, 0))
  const build = { version: release, commit, node: process.version }
  gauge('build_info', 'Always 1; the labels say what runs.', ...Object.keys(build)).set(build, 1)
  return {
    registry,
    opened: counter('connections_opened_total', 'WebSocket connections accepted.'),
    closed: counter('connections_closed_total', 'WebSocket connections ended, by close code.', 'code'),
    rejected: counter('handshakes_rejected_total', 'Upgrades refused before the handshake.', 'reason'),
    received: counter('messages_received_total', 'Messages sent by clients, by outcome.', 'result'),
    deliveries: counter('deliveries_total', 'Frames written to room members.'),
    dropped: counter('deliveries_dropped_total', 'Frames not written to room members.', 'reason'),
    ackSeconds: histogram('send_ack_seconds', 'From receiving a message to its committed acknowledgement.'),
    fanoutSeconds: histogram('fanout_seconds', 'From commit to the write to the sockets, across workers.'),
    storeSeconds: histogram('db_seconds', 'Duration of store calls.', 'op'),
    redisSeconds: histogram('redis_seconds', 'Duration of Redis calls.', 'op'),
    dependencyUp: gauge('dependency_up', 'Whether a dependency answers.', 'name'),
    resumes: counter('resumes_total', 'Pages of history given, by what was replayed.', 'outcome'),
    resumeMessages: counter('resume_messages_total', 'Messages replayed to joining clients.'),
    slowConsumers: counter('slow_consumers_total', 'Clients cut because they did not read.'),
  }
}
