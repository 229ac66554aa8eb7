// The gate before the WebSocket handshake: path, origin and capacity, refused with real HTTP answers.
import { WebSocketServer } from 'ws'
import { closeLabel } from './metrics.js'
import { Client } from './client.js'

const REFUSALS = {
  path: '404 Not Found',
  origin: '403 Forbidden',
  rate: '429 Too Many Requests',
  capacity: '503 Service Unavailable',
}
const ECHO_MAX_PAYLOAD = 16 * 1024 * 1024

/** The `upgrade` listener of the public server. */
export function createGate(chat) {
  const { config, metrics, log } = chat
  const chatServer = new WebSocketServer({ noServer: true, maxPayload: config.maxPayload, clientTracking: false })
  const echoServer = new WebSocketServer({ noServer: true, maxPayload: ECHO_MAX_PAYLOAD, clientTracking: false })
  return (request, socket, head) => {
    const path = request.url.split('?')[0]
    if (path === '/echo' && config.echoPath) return echoServer.handleUpgrade(request, socket, head, echo)
    const address = clientAddress(request, config)
    const reason = refusal(request, path, address, chat)
    if (reason) {
      metrics.rejected.inc({ reason })
      log.warn({ event: 'rejected', reason, origin: request.headers.origin, address }, 'handshake rejected')
      return refuse(socket, REFUSALS[reason])
    }
    const { origin } = request.headers
    chatServer.handleUpgrade(request, socket, head, (ws) => admit(chat, ws, socket, { address, origin }))
  }
}

function refusal({ headers }, path, address, { config, limit, stopping }) {
  if (path !== '/ws') return 'path'
  if (!originAllowed(headers, config.allowedOrigins)) return 'origin'
  return stopping ? 'capacity' : limit.refusal(address)
}

/** Browsers always send an Origin, and it must be ours; other clients send none. */
export function originAllowed({ origin, host }, allowed) {
  if (origin === undefined) return true
  if (allowed) return allowed.includes(origin.toLowerCase())
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase()
}

/** The client's address, or undefined where it is not known or is this machine's own (a proxy's). */
export function clientAddress({ headers, socket }, { trustForwardedFor }) {
  if (trustForwardedFor) return headers['x-forwarded-for']?.split(',').at(-1).trim()
  const address = socket.remoteAddress?.replace(/^::ffff:/, '')
  return address === '::1' || address?.startsWith('127.') ? undefined : address
}

function refuse(socket, status) {
  socket.on('error', () => {})
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

function admit(chat, ws, socket, { address, origin }) {
  const { metrics, log } = chat
  const client = new Client(chat, ws, socket)
  const started = performance.now()
  chat.enter(client, address)
  metrics.opened.inc()
  ws.on('error', (error) => log.debug({ error: error.message }, 'connection error'))
  ws.on('close', (code) => {
    client.ended()
    chat.left(client, address)
    metrics.closed.inc({ code: closeLabel(code) })
    const seconds = Math.round((performance.now() - started) / 1000)
    log.info({ event: 'close', code, user: client.name, origin, address, seconds }, 'client gone')
  })
}

function echo(ws) {
  ws.on('error', () => {})
  ws.on('message', (data, binary) => ws.send(data, { binary }))
}
