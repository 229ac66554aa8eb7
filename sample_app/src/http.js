// The HTTP side: the page, the room history, health and metrics; and the private operations socket.
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { readFiles } from './files.js'
import { createGate } from './gate.js'
import { createHealth } from './health.js'
import { encodeMessage, FrameError, readRoom } from './protocol.js'
import { readToken, sameText } from './token.js'

const HEALTH_TYPE = 'application/health+json'
const PAGE = 50
const PAGE_MAX = 500
const READS_MAX = 16
const WINDOW_MAX_MS = 60_000
// Above the 90 s for which Heroku's router keeps an idle connection, so that it is never the server who hangs up first.
const TIMEOUTS = { keepAliveTimeout: 95_000, headersTimeout: 20_000, requestTimeout: 30_000 }
const SECURITY = {
  'Content-Security-Policy': "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
}

/** {server, operations}: the public server, and the private one where OPS_SOCKET asks for it. */
export function createHttp(chat) {
  const health = createHealth(chat)
  const server = http.createServer(TIMEOUTS, answerWith(chat, publicRoutes(chat, health)))
  server.on('upgrade', createGate(chat))
  server.maxConnections = chat.config.maxConnections + 1000
  if (!chat.config.opsSocket) return { server }
  return { server, operations: http.createServer(TIMEOUTS, answerWith(chat, operationsRoutes(chat, health))) }
}

/** Stop listening without hanging up on kept-alive connections, as http.Server.close would. */
export function stopListening(server) {
  return new Promise((resolve) => net.Server.prototype.close.call(server, resolve))
}

/** A listener that runs the first route {GET|POST, pattern, answer(request, url, match)} that fits. */
function answerWith(chat, routes) {
  return async (request, response) => {
    if (chat.draining || chat.stopping) response.setHeader('Connection', 'close')
    const [pathname, query] = request.url.split('?', 2)
    try {
      respond(request, response, await route(routes, request, { pathname, searchParams: new URLSearchParams(query) }))
    } catch (error) {
      chat.log.error({ error: error.message, path: pathname }, 'request failed')
      respond(request, response, { status: 500, body: { error: 'internal' } })
    }
  }
}

async function route(routes, request, url) {
  const method = request.method === 'HEAD' ? 'GET' : request.method
  for (const [verb, pattern, answer] of routes) {
    const match = verb === method && pattern.exec(url.pathname)
    const result = match && (await answer(request, url, match))
    if (result) return result
  }
  return { status: 404, body: { error: 'not found' } }
}

function respond(request, response, { status = 200, body, type = 'application/json', headers }) {
  const bytes = Buffer.from(typeof body === 'object' && !Buffer.isBuffer(body) ? JSON.stringify(body) : body)
  const length = status === 304 ? {} : { 'Content-Length': bytes.length }
  response.writeHead(status, { 'Content-Type': type, ...length, 'Cache-Control': 'no-store', ...SECURITY, ...headers })
  response.end(request.method === 'HEAD' || status === 304 ? undefined : bytes)
}

function publicRoutes(chat, health) {
  const { opsToken } = chat.config
  const files = readFiles(path.join(import.meta.dirname, '..', 'public'))
  const trusted = (request) => opsToken && sameText(request.headers.authorization ?? '', `Bearer ${opsToken}`)
  return [
    ['GET', /^\/health$/, (request) => healthAnswer(trusted(request) ? health.full() : health.bare())],
    ['GET', /^\/live$/, () => ({ body: { status: 'pass' } })],
    ['GET', /^\/metrics$/, (request) => trusted(request) && metricsAnswer(chat)],
    ['GET', /^\/api\/rooms\/([^/]+)\/messages$/, createHistory(chat)],
    ['GET', /^/, (request, url) => fileAnswer(request, files.get(url.pathname))],
  ]
}

function operationsRoutes(chat, health) {
  return [
    ['GET', /^\/health$/, () => healthAnswer(health.full())],
    ['GET', /^\/metrics$/, () => metricsAnswer(chat)],
    ['POST', /^\/drain$/, (request, url) => {
      const windowMs = Number(url.searchParams.get('window_ms') ?? 0)
      if (!(windowMs >= 0 && windowMs <= WINDOW_MAX_MS)) return { status: 400, body: { error: 'window_ms is 0 to 60000' } }
      return { body: { connections: chat.handOver(windowMs) } }
    }],
    ['POST', /^\/undrain$/, () => {
      chat.takeBack()
      return { body: { connections: chat.clients.size } }
    }],
  ]
}

function healthAnswer(health) {
  return { status: health.status === 'fail' ? 503 : 200, type: HEALTH_TYPE, body: health }
}

async function metricsAnswer({ metrics: { registry } }) {
  return { type: registry.contentType, body: await registry.metrics() }
}

function fileAnswer(request, file) {
  if (!file) return undefined
  const headers = { ETag: file.tag, 'Cache-Control': 'no-cache' }
  if (request.headers['if-none-match'] === file.tag) return { status: 304, body: '', type: file.type, headers }
  return { body: file.body, type: file.type, headers }
}

/** The stored messages of a room; a bounded number of readers at a time, and with REQUIRE_TOKEN only with a token. */
function createHistory({ store, config, dependencies }) {
  let reads = 0
  return async (request, url, match) => {
    const bearer = request.headers.authorization?.replace(/^Bearer /, '')
    if (config.requireToken && !readToken(bearer, config.sessionSecret)) return { status: 401, body: { error: 'no valid token' } }
    const query = readQuery(url, match[1])
    if (!query) return { status: 400, body: { error: 'bad room, after or limit' } }
    if (reads >= READS_MAX || !dependencies.isUp('store')) return unavailable()
    reads += 1
    try {
      const { room, after, limit } = query
      const rows = await (after === null ? store.newest(room, limit) : store.after(room, after, limit))
      return { body: `{"room":${JSON.stringify(room)},"messages":[${rows.map(encodeMessage).join(',')}]}` }
    } catch (error) {
      dependencies.failed('store', error)
      return unavailable()
    } finally {
      reads -= 1
    }
  }
}

function readQuery({ searchParams }, encodedRoom) {
  const [after, limit] = ['after', 'limit'].map((name) => searchParams.get(name))
  const count = Number(limit ?? PAGE)
  if (!/^\d{0,15}$/.test(after ?? '') || !Number.isInteger(count) || count < 1 || count > PAGE_MAX) return undefined
  try {
    return { room: readRoom(decodeURIComponent(encodedRoom)), after: after === null ? null : Number(after), limit: count }
  } catch (error) {
    if (error instanceof FrameError || error instanceof URIError) return undefined
    throw error
  }
}

function unavailable() {
  return { status: 503, body: { error: 'unavailable' }, headers: { 'Retry-After': '2' } }
}
