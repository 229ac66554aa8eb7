// The gate before the WebSocket handshake: path, origin and capacity, refused with real HTTP answers.
import { STATUS_CODES } from 'node:http'
import { WebSocketServer } from 'ws'
import { Client } from './client.js'

const REFUSALS = { path: 404, origin: 403, rate: 429, capacity: 503 }

const KIND = { noServer: true, clientTracking: false }
const chats = new WebSocketServer({ ...KIND, maxPayload: 32 * 1024 })
// Protocol tests send 16 MiB, a byte or a fragment at a time.
const echoes = new WebSocketServer({ ...KIND, maxPayload: 16 * 1024 * 1024, maxFragments: 2e5, maxBufferedChunks: 2e6 })
/** How many connections an address has. */
const addresses = new Map()

/** What the public server does with an upgrade. */
export function receive(chat, request, socket, head) {
  const { config, metrics, log } = chat
  const path = request.url.split('?')[0]
  if (path === '/echo' && config.echoPath) return echoes.handleUpgrade(request, socket, head, echo)
  const from = { origin: request.headers.origin, address: clientAddress(request, config) }
  const reason = path === '/ws' ? refusal(chat, request.headers, from.address) : 'path'
  if (!reason) return chats.handleUpgrade(request, socket, head, (ws) => admit(chat, ws, socket, from))
  metrics.rejected.inc({ reason })
  log.warn({ event: 'rejected', reason, ...from }, 'handshake rejected')
  socket.on('error', () => {}).once('finish', socket.destroy)
  const status = REFUSALS[reason]
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

/** Why a connection must be refused, or undefined. */
function refusal({ config, clients, stopping }, headers, address) {
  if (!originAllowed(headers, config.allowedOrigins)) return 'origin'
  if (stopping || clients.size >= config.maxConnections) return 'capacity'
  // Connections without an address count in all only.
  return address && addresses.get(address) >= config.maxConnectionsPerAddress ? 'rate' : undefined
}

/** Browsers always send an Origin, and it must be ours; other clients send none. */
export function originAllowed({ origin, host }, allowed) {
  if (origin === undefined) return true
  if (allowed) return allowed.includes(origin.toLowerCase())
  return host !== undefined && URL.parse(origin)?.host === host.toLowerCase()
}

/** The client's address, or undefined where it is not known or is this machine's own (a proxy's). */
export function clientAddress({ headers, socket }, { port, onHeroku }) {
  if (typeof port === 'string' || onHeroku) return headers['x-forwarded-for']?.split(',').at(-1).trim()
  const address = socket.remoteAddress?.replace(/^::ffff:/, '')
  return address === '::1' || address?.startsWith('127.') ? undefined : address
}

function admit(chat, ws, socket, from) {
  const { metrics, log, clients } = chat
  const client = new Client(chat, ws, socket)
  const started = performance.now()
  let fault = undefined
  clients.add(client)
  count(from.address, 1)
  metrics.opened.inc()
  ws.on('error', (error) => (fault = error))
  ws.on('close', (received) => {
    // `ws` closes with 1009 by itself, and reports 1006 then.
    const code = fault?.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' ? 1009 : received
    for (const room of client.rooms) chat.rooms.leave(client, room)
    clients.delete(client)
    count(from.address, -1)
    // Codes that clients make up share one label.
    metrics.closed.inc({ code: code < 1016 ? String(code) : 'other' })
    const seconds = Math.round((performance.now() - started) / 1000)
    log.info({ event: 'close', code, user: client.name, ...from, seconds, error: fault?.message }, 'client gone')
  })
}

function count(address, change) {
  addresses.set(address, (addresses.get(address) ?? 0) + change)
  if (addresses.get(address) === 0) addresses.delete(address)
}

function echo(ws) {
  ws.on('error', () => {})
  ws.on('message', (data, binary) => ws.send(data, { binary }))
}
