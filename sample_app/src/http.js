// The HTTP side: the page, the room history, health and metrics; and the private operations socket.
import http from 'node:http'
import { hash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { createGate } from './gate.js'
import { createHealth } from './health.js'
import { encodeMessage, readRoom } from './protocol.js'
import { readToken, sameText } from './token.js'

const PAGE = 50
const PAGE_MAX = 500
const READS_MAX = 16
const WINDOW_MAX_MS = 60_000
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
const NO_ROUTE = ['GET', /^/, () => NOT_FOUND]
const UNAVAILABLE = { ...refusal(503, 'unavailable'), headers: { 'Retry-After': '2' } }

/** {server, operations}: the public server, and the private one where OPS_SOCKET asks for it. */
export function createServers(chat) {
  const health = createHealth(chat)
  const routes = publicRoutes(chat, health)
  const server = http.createServer(TIMEOUTS, listener(chat, routes)).on('upgrade', createGate(chat))
  server.maxConnections = chat.config.maxConnections + 1000
  if (!chat.config.opsSocket) return { server }
  return { server, operations: http.createServer(TIMEOUTS, listener(chat, operationsRoutes(chat, health))) }
}

/** Answers with {status, body, headers} of the first of the routes [method, pattern, answer(request, match, query)]. */
function listener(chat, routes) {
  return async (request, response) => {
    const [pathname, query] = request.url.split('?', 2)
    const method = request.method === 'HEAD' ? 'GET' : request.method
    const [, pattern, answer] = routes.find(([verb, known]) => verb === method && known.test(pathname)) ?? NO_ROUTE
    try {
      respond(chat, request, response, await answer(request, pathname.match(pattern), new URLSearchParams(query)))
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
  const files = readFiles(path.join(import.meta.dirname, '..', 'public'))
  const trusted = (request) => opsToken && sameText(request.headers.authorization ?? '', `Bearer ${opsToken}`)
  return [
    ['GET', /^\/health$/, (request) => healthAnswer(health(trusted(request)))],
    ['GET', /^\/live$/, () => ({ body: { status: 'pass' } })],
    ['GET', /^\/metrics$/, (request) => (trusted(request) ? metricsAnswer(chat) : NOT_FOUND)],
    ['GET', /^\/api\/rooms\/([^/]+)\/messages$/, createHistory(chat)],
    ['GET', /^/, (request, { input }) => fileAnswer(request, files.get(input))],
  ]
}

function operationsRoutes(chat, health) {
  return [
    ['GET', /^\/health$/, () => healthAnswer(health(true))],
    ['GET', /^\/metrics$/, () => metricsAnswer(chat)],
    ['POST', /^\/drain$/, (request, match, query) => {
      const windowMs = Number(query.get('window_ms'))
      if (!(windowMs >= 0 && windowMs <= WINDOW_MAX_MS)) return refusal(400, 'window_ms is 0 to 60000')
      return { body: { connections: chat.handOver(windowMs) } }
    }],
    ['POST', /^\/undrain$/, () => ({ body: { connections: chat.takeBack() } })],
  ]
}

function healthAnswer(body) {
  return { status: body.status === 'fail' ? 503 : 200, body, headers: { 'Content-Type': 'application/health+json' } }
}

async function metricsAnswer({ metrics: { registry } }) {
  return { body: await registry.metrics(), headers: { 'Content-Type': registry.contentType } }
}

/** URL path -> {body, headers} for the page's flat directory, read once so that no request can name any other file. */
function readFiles(directory) {
  const names = existsSync(directory) ? readdirSync(directory).filter((name) => path.extname(name) in TYPES) : []
  const files = new Map(names.map((name) => [`/${name}`, readFile(path.join(directory, name))]))
  return files.set('/', files.get('/index.html'))
}

function readFile(file) {
  const body = readFileSync(file)
  const type = `${TYPES[path.extname(file)]}; charset=utf-8`
  const tag = `"${hash('sha256', body, 'base64url')}"`
  return { body, headers: { 'Content-Type': type, 'Cache-Control': 'no-cache', ETag: tag } }
}

function fileAnswer(request, file = NOT_FOUND) {
  const known = file.headers && request.headers['if-none-match'] === file.headers.ETag
  return known ? { ...file, status: 304, body: '' } : file
}

/** The stored messages of a room; a bounded number of readers at a time, and with REQUIRE_TOKEN only with a token. */
function createHistory({ store, config, dependencies }) {
  let reads = 0
  return async ({ headers }, [, encodedRoom], query) => {
    const token = headers.authorization?.replace(/^Bearer /, '')
    if (config.requireToken && !readToken(token, config.sessionSecret)) return refusal(401, 'no valid token')
    const asked = readQuery(encodedRoom, query)
    if (!asked) return refusal(400, 'bad room, after or limit')
    if (reads >= READS_MAX || !dependencies.isUp('store')) return UNAVAILABLE
    reads += 1
    try {
      const { room, after, limit } = asked
      const rows = await (after === null ? store.newest(room, limit) : store.after(room, after, limit))
      return { body: `{"room":${JSON.stringify(room)},"messages":[${rows.map(encodeMessage).join(',')}]}` }
    } catch (error) {
      dependencies.failed('store', error)
      return UNAVAILABLE
    } finally {
      reads -= 1
    }
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
