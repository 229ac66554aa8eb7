// The HTTP side: the page, the room history, health and metrics; and the private operations socket.
import http from 'node:http'
import { hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { createGate } from './gate.js'
import { health } from './health.js'
import { check, encodeMessage, readAfter, readRoom } from './protocol.js'
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
const REFUSED = { bad_frame: 400, URIError: 400, unauthorized: 401, not_found: 404 }

/** {server, operations}: the public server, and the operator's own where OPS_SOCKET asks for it. */
export function createServers(chat) {
  const { opsToken, opsSocket, maxConnections } = chat.config
  const open = publicRoutes(chat)
  const all = { ...open, ...operatorsRoutes(chat) }
  const knows = ({ headers }) => opsToken && sameText(headers.authorization ?? '', `Bearer ${opsToken}`)
  const server = http.createServer(TIMEOUTS, listener(chat, (request) => (knows(request) ? all : open)))
  server.on('upgrade', createGate(chat)).maxConnections = maxConnections + 1000
  return { server, operations: opsSocket && http.createServer(TIMEOUTS, listener(chat, () => all)) }
}

/** Answers with {status, body, headers} of 'METHOD /path' among the routes, a room's name standing as `*`. */
function listener(chat, routesFor) {
  return async (request, response) => {
    const [pathname, query] = request.url.split('?', 2)
    const route = routesFor(request)[`${request.method.replace('HEAD', 'GET')} ${pathname.replace(ROOM, '*')}`]
    const room = pathname.match(ROOM)?.[0]
    try {
      check(route, 'not found', 'not_found')
      respond(chat, response, await route({ headers: request.headers, query: new URLSearchParams(query), room }))
    } catch (error) {
      const status = REFUSED[error.code ?? error.name] ?? 503
      if (status === 503) chat.log.error({ error: error.message, path: pathname }, 'request failed')
      respond(chat, response, { status, body: { error: error.message } })
    }
  }
}

function respond({ draining, stopping }, response, { status = 200, body = '', headers }) {
  response.statusCode = status
  response.setHeaders(new Map(Object.entries({ ...HEADERS, ...headers })))
  if (draining || stopping) response.setHeader('Connection', 'close')
  response.end(typeof body === 'object' && !Buffer.isBuffer(body) ? JSON.stringify(body) : body)
}

function publicRoutes(chat) {
  return {
    ...fileRoutes(path.join(import.meta.dirname, '..', 'public')),
    'GET /health': () => healthAnswer(health(chat, false)),
    'GET /live': () => ({ body: { status: 'pass' } }),
    'GET /api/rooms/*/messages': (asked) => historyAnswer(chat, asked),
  }
}

function operatorsRoutes(chat) {
  const { clients, metrics: { registry } } = chat
  return {
    'GET /health': () => healthAnswer(health(chat, true)),
    'GET /metrics': async () => ({ body: await registry.metrics(), headers: { 'Content-Type': registry.contentType } }),
    'POST /drain': ({ query }) => {
      const windowMs = Number(query.get('window_ms'))
      check(windowMs >= 0 && windowMs <= WINDOW_MAX_MS, 'window_ms is 0 to 60000')
      chat.handOver(windowMs)
      return { body: { connections: clients.size } }
    },
    'POST /undrain': () => {
      chat.draining = false
      return { body: { connections: clients.size } }
    },
  }
}

function healthAnswer(body) {
  return { status: body.status === 'fail' ? 503 : 200, body, headers: { 'Content-Type': 'application/health+json' } }
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
  const answer = { body, headers: { 'Content-Type': type, 'Cache-Control': 'no-cache', ETag: tag } }
  return ({ headers }) => (headers['if-none-match'] === tag ? { ...answer, status: 304, body: '' } : answer)
}

/** The stored messages of a room; with REQUIRE_TOKEN only for who has a token. */
async function historyAnswer({ store, config }, { headers, query, room }) {
  const token = headers.authorization?.replace(/^Bearer /, '')
  check(!config.requireToken || readToken(token, config.sessionSecret), 'no valid token', 'unauthorized')
  const name = readRoom(decodeURIComponent(room))
  const after = readAfter(query.has('after') ? Number(query.get('after') || NaN) : null)
  const limit = Number(query.get('limit') ?? PAGE)
  check(Number.isInteger(limit) && limit >= 1 && limit <= PAGE_MAX, `limit is 1 to ${PAGE_MAX}`)
  const rows = await store.read(name, after, limit)
  return { body: `{"room":${JSON.stringify(name)},"messages":[${rows.map(encodeMessage).join(',')}]}` }
}
