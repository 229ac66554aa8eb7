// The public server as it is made: the limits of its connections.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { createServers } from '../src/http.js'

const none = { inc() {} }

function serverOf(parts) {
  const config = { port: 0, maxConnections: 20, messagesPerSecond: 10 }
  const metrics = { opened: none, closed: none, rejected: none }
  const [server] = createServers({ config, clients: new Set(), metrics, log: { info() {} }, ...parts }).keys()
  return server
}

/** The HTTP status of a refused upgrade, or `open`. */
function refusal(server, path) {
  const socket = new WebSocket(`ws://127.0.0.1:${server.address().port}${path}`).on('error', () => {})
  return new Promise((resolve) => {
    socket.on('open', () => resolve('open')).on('unexpected-response', (request, { statusCode }) => resolve(statusCode))
  }).finally(() => socket.terminate())
}

test('an upgrade is refused, and that is logged, where it is for nothing or the process stops', async (t) => {
  const lines = []
  const warn = ({ event, reason }, text) => lines.push([event, reason, text])
  const server = serverOf({ stopping: true, log: { warn } })
  t.after(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  assert.deepEqual([await refusal(server, '/echo'), await refusal(server, '/ws')], [404, 503])
  assert.deepEqual(lines, [['rejected', 'path', 'handshake rejected'], ['rejected', 'capacity', 'handshake rejected']])
})

test('a connection has a limit in every state, and there is one to their number', () => {
  const { timeout, headersTimeout, requestTimeout, keepAliveTimeout, maxConnections } = serverOf({})
  assert.deepEqual([timeout, headersTimeout, requestTimeout, keepAliveTimeout], [30_000, 20_000, 30_000, 95_000])
  assert.equal(maxConnections, 1020)
})

test('who takes nothing of an answer is cut, but neither a WebSocket nor who waits for the next request', async (t) => {
  const rows = Array.from({ length: 500 }, (_, seq) => ({ room: 'lobby', seq, text: 'x'.repeat(50_000) }))
  const server = serverOf({ store: { read: async () => rows } })
  t.after(() => server.close())
  await once(server.setTimeout(100).listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address()
  const waiting = net.connect(port, '127.0.0.1')
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`)
  t.after(() => waiting.destroy())
  await once(socket, 'open')
  waiting.write('GET /live HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(waiting, 'data')
  const accepted = once(server, 'connection')
  const stalled = net.connect(port, '127.0.0.1').pause()
  t.after(() => stalled.destroy())
  stalled.write('GET /api/rooms/lobby/messages?limit=500 HTTP/1.1\r\nHost: x\r\n\r\n')
  const [connection] = await accepted
  await once(connection, 'close')
  assert.deepEqual([socket.readyState, waiting.closed], [WebSocket.OPEN, false])
  socket.close()
  await once(socket, 'close')
})
