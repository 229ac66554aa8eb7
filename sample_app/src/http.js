// The HTTP side: the page, the room history, health and metrics; and the private operations socket.
import http from 'node:http'
import { hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { receive } from './gate.js'
import { healthAnswer } from './health.js'
import { check, encodeMessage, readAfter, readRoom } from './protocol.js'
import { NEWEST, TAIL } from './room.js'
import { readToken, sameText } from './token.js'

const WINDOW_MAX_MS = 60_000
const ROOM = /(?<=^\/api\/rooms\/)[^/]+(?=\/messages$)/
// Above the 90 s for which Heroku's router keeps an idle connection, so that it is never the server who hangs up first.
const TIMEOUTS = { keepAliveTimeout: 95_000, headersTimeout: 20_000, requestTimeout: 30_000 }
// Who takes nothing of an answer for so long is cut; what has become a WebSocket, or waits for its next request, is not meant.
const STALLED_MS = 30_000
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
}
const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml' }
const REFUSED = { bad_frame: 400, URIError: 400, unauthorized: 401, not_found: 404 }

/** By method and path, a room's name standing as `*`: what answers with {status, body, type, headers}. */
const OPEN_TO_ALL = {
  ...files(path.join(import.meta.dirname, '..', 'public')),
  'GET /health': (chat) => healthAnswer(chat, false),
  'GET /live': () => ({ body: { status: 'pass' } }),
  'GET /api/rooms/*/messages': messages,
}
const FOR_OPERATORS = {
  'GET /health': (chat) => healthAnswer(chat, true),
  'GET /metrics': async ({ metrics: { registry } }) => ({ body: await registry.metrics(), type: registry.contentType }),
  'POST /drain': (chat, { query }) => {
    const windowMs = Number(query.get('window_ms'))
    check(windowMs >= 0 && windowMs <= WINDOW_MAX_MS, 'window_ms is 0 to 60000')
    return { body: { connections: chat.handOver(windowMs) } }
  },
  'POST /undrain': (chat) => ({ body: { connections: chat.stay() } }),
}

/** Each server with where it listens: the public one first, then the operator's own where OPS_SOCKET asks for it. */
export function createServers(chat) {
  const { port, opsToken, opsSocket, maxConnections } = chat.config
  const knows = ({ headers }) => opsToken && sameText(headers.authorization ?? '', `Bearer ${opsToken}`)
  // An offer of HTTP/2, which some clients make with every request, is not taken up (Node before 24.9 answers it 404).
  const shouldUpgradeCallback = ({ headers }) => /^websocket$/i.test(headers.upgrade)
  const server = http.createServer({ ...TIMEOUTS, shouldUpgradeCallback }, listener(chat, knows))
  server.on('upgrade', (...knock) => receive(chat, ...knock)).setTimeout(STALLED_MS).maxConnections = maxConnections + 1000
  const servers = new Map([[server, port]])
  return opsSocket ? servers.set(http.createServer(TIMEOUTS, listener(chat, () => true)), opsSocket) : servers
}

function listener(chat, isOperator) {
  return async (request, response) => {
    const [pathname, query] = request.url.split('?', 2)
    const name = `${request.method.replace('HEAD', 'GET')} ${pathname.replace(ROOM, '*')}`
    const route = (isOperator(request) && FOR_OPERATORS[name]) || OPEN_TO_ALL[name]
    const asked = { headers: request.headers, query: new URLSearchParams(query), room: pathname.match(ROOM)?.[0] }
    try {
      check(route, 'not found', 'not_found')
      respond(chat, response, await route(chat, asked))
    } catch (error) {
      const status = REFUSED[error.code ?? error.name] ?? 503
      if (status === 503) chat.log.error({ error: error.message, path: pathname }, 'request failed')
      respond(chat, response, { status, body: { error: status === 503 ? 'unavailable' : error.message } })
    }
  }
}

function respond({ draining, stopping }, response, { status = 200, body, type = 'application/json', headers }) {
  const isKnown = headers && headers.ETag === response.req.headers['if-none-match']
  response.statusCode = isKnown ? 304 : status
  response.setHeaders(new Map(Object.entries({ ...HEADERS, 'Content-Type': type, ...headers })))
  if (draining || stopping) response.setHeader('Connection', 'close')
  response.end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body))
}

/** The page's flat directory, read once so that no request can name any other file. */
function files(directory) {
  const routes = {}
  for (const name of readdirSync(directory).filter((file) => path.extname(file) in TYPES)) {
    const body = readFileSync(path.join(directory, name))
    const type = `${TYPES[path.extname(name)]}; charset=utf-8`
    const tag = `"${hash('sha256', body, 'base64url')}"`
    routes[`GET /${name}`] = () => ({ body, type, headers: { 'Cache-Control': 'no-cache', ETag: tag } })
  }
  return { ...routes, 'GET /': routes['GET /index.html'] }
}

/** The stored messages of a room; with REQUIRE_TOKEN only for who has a token. */
async function messages({ store, config }, { headers, query, room }) {
  const token = headers.authorization?.replace(/^Bearer /, '')
  check(!config.requireToken || readToken(token, config.sessionSecret), 'no valid token', 'unauthorized')
  const name = readRoom(decodeURIComponent(room))
  const after = readAfter(query.has('after') ? Number(query.get('after') || NaN) : null)
  const limit = Number(query.get('limit') ?? NEWEST)
  check(Number.isInteger(limit) && limit >= 1 && limit <= TAIL, `limit is 1 to ${TAIL}`)
  const rows = await store.read(name, after, limit)
  return { body: `{"room":${JSON.stringify(name)},"messages":[${rows.map(encodeMessage).join(',')}]}` }
}
