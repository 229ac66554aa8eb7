// The HTTP side: the page, the room history, health and metrics; and the private operations socket.
import http from 'node:http'
import { hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { createGate } from './gate.js'
import { createHealth } from './health.js'
import { encodeMessage, readRoom } from './protocol.js'
import { readToken, sameText } from './token.js'

const PAGE = 50
const PAGE_MAX = 500
const WINDOW_MAX_MS = 60_000
const ROOM = /(?<=^\/api\/rooms\/)[^/]+(?=\/messages$)/
// Above the 90 s for which Heroku's router keeps an idle connection, so that it is never the server who hangs up first.
const TIMEOUTS = { keepAliveTimeout: 95_000, headersTimeout: 20_000, requestTimeout: 30_000 }
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Type': 'application/json',
  'Content-Security-Policy':
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
}
const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml' }
const NOT_FOUND = refusal(404, 'not found')

/** {server, operations}: the public server, and the private one where OPS_SOCKET asks for it. */
export function createServers(chat) {
  const health = createHealth(chat)
  const server = http.createServer(TIMEOUTS, listener(chat, publicRoutes(chat, health))).on('upgrade', createGate(chat))
  server.maxConnections = chat.config.maxConnections + 1000
  if (!chat.config.opsSocket) return { server }
  return { server, operations: http.createServer(TIMEOUTS, listener(chat, operationsRoutes(chat, health))) }
}

/** Answers with {status, body, headers} of routes['METHOD /path'](request, query, room), a room's name standing as `*`. */
function listener(chat, routes) {
  return async (request, response) => {
    const [pathname, query] = request.url.split('?', 2)
    const method = request.method === 'HEAD' ? 'GET' : request.method
    const answer = routes[`${method} ${pathname.replace(ROOM, '*')}`] ?? (() => NOT_FOUND)
    try {
      respond(chat, request, response, await answer(request, new URLSearchParams(query), pathname.match(ROOM)?.[0]))
    } catch (error) {
      chat.log.error({ error: error.message, path: pathname }, 'request failed')
      respond(chat, request, response, refusal(500, 'internal'))
    }
  }
}

function refusal(status, error) {
  return { status, body: { error } }
}

function respond({ draining, stopping }, request, response, { status = 200, body, headers }) {
  const bytes = typeof body === 'object' && !Buffer.isBuffer(body) ? JSON.stringify(body) : body
  if (draining || stopping) response.setHeader('Connection', 'close')
  if (status !== 304) response.setHeader('Content-Length', Buffer.byteLength(bytes))
  response.writeHead(status, { ...HEADERS, ...headers }).end(request.method === 'HEAD' ? '' : bytes)
}

function publicRoutes(chat, health) {
  const { opsToken } = chat.config
  const trusted = ({ headers }) => opsToken && sameText(headers.authorization ?? '', `Bearer ${opsToken}`)
  return {
    ...fileRoutes(path.join(import.meta.dirname, '..', 'public')),
    'GET /health': (request) => healthAnswer(health(trusted(request))),
    'GET /live': () => ({ body: { status: 'pass' } }),
    'GET /metrics': (request) => (trusted(request) ? metricsAnswer(chat) : NOT_FOUND),
    'GET /api/rooms/*/messages': (request, query, room) => historyAnswer(chat, request, query, room),
  }
}

function operationsRoutes(chat, health) {
  return {
    'GET /health': () => healthAnswer(health(true)),
    'GET /metrics': () => metricsAnswer(chat),
    'POST /drain': (request, query) => {
      const windowMs = Number(query.get('window_ms'))
      if (!(windowMs >= 0 && windowMs <= WINDOW_MAX_MS)) return refusal(400, 'window_ms is 0 to 60000')
      return { body: { connections: chat.handOver(windowMs) } }
    },
    'POST /undrain': () => ({ body: { connections: chat.takeBack() } }),
  }
}

function healthAnswer(body) {
  return { status: body.status === 'fail' ? 503 : 200, body, headers: { 'Content-Type': 'application/health+json' } }
}

async function metricsAnswer({ metrics: { registry } }) {
  return { body: await registry.metrics(), headers: { 'Content-Type': registry.contentType } }
}

/** The page's flat directory, read once so that no request can name any other file. */
function fileRoutes(directory) {
  const names = readdirSync(directory).filter((name) => path.extname(name) in TYPES)
  const routes = Object.fromEntries(names.map((name) => [`GET /${name}`, fileRoute(path.join(directory, name))]))
  return { ...routes, 'GET /': routes['GET /index.html'] }
}

function fileRoute(file) {
  const body = readFileSync(file)
  const tag = `"${hash('sha256', body, 'base64url')}"`
  const type = `${TYPES[path.extname(file)]}; charset=utf-8`
  const headers = { 'Content-Type': type, 'Cache-Control': 'no-cache', ETag: tag }
  return (request) => (request.headers['if-none-match'] === tag ? { status: 304, body: '', headers } : { body, headers })
}

/** The stored messages of a room; with REQUIRE_TOKEN only for who has a token. */
async function historyAnswer({ store, config, dependencies }, { headers }, query, encodedRoom) {
  const token = headers.authorization?.replace(/^Bearer /, '')
  if (config.requireToken && !readToken(token, config.sessionSecret)) return refusal(401, 'no valid token')
  const asked = readQuery(encodedRoom, query)
  if (!asked) return refusal(400, 'bad room, after or limit')
  try {
    const rows = await store.read(asked.room, asked.after, asked.limit)
    return { body: `{"room":${JSON.stringify(asked.room)},"messages":[${rows.map(encodeMessage).join(',')}]}` }
  } catch (error) {
    dependencies.failed('store', error)
    return { ...refusal(503, 'unavailable'), headers: { 'Retry-After': '2' } }
  }
}

/** {room, after, limit} where they make sense, else undefined. */
function readQuery(encodedRoom, query) {
  const after = query.get('after')
  const limit = Number(query.get('limit') ?? PAGE)
  if (!/^\d{0,15}$/.test(after ?? '') || !Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) return undefined
  try {
    return { room: readRoom(decodeURIComponent(encodedRoom)), after: after === null ? null : Number(after), limit }
  } catch {
    return undefined
  }
}
