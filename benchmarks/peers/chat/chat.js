// What both peers do: check the token, number the messages in memory, and show the figures that the benchmark reads.
import { createHmac, timingSafeEqual } from 'node:crypto'
import http from 'node:http'

const rooms = new Map()

/** The name of a valid token, or the name that is claimed where SESSION_SECRET is not set; else undefined. */
export function identify({ name, token }) {
  const secret = process.env.SESSION_SECRET
  if (!secret) return name
  const [body, signature] = token.split('.')
  const expected = createHmac('sha256', secret).update(body).digest()
  if (!timingSafeEqual(Buffer.from(signature, 'base64url'), expected)) return undefined
  const claims = JSON.parse(Buffer.from(body, 'base64url'))
  return claims.exp * 1000 > Date.now() ? claims.name : undefined
}

/** The message that everybody in the room gets. */
export function number({ room, text, cid }, from) {
  const seq = (rooms.get(room) ?? 0) + 1
  rooms.set(room, seq)
  return { type: 'message', room, seq, from, text, time: new Date().toISOString(), cid }
}

/** An HTTP server on PORT with `/health` and `/metrics`; `buffered` sums the bytes that wait in all sockets. */
export function listen(buffered) {
  const server = http.createServer((request, response) => {
    if (request.url === '/health') return response.end('{"status":"pass"}')
    const { user, system } = process.cpuUsage()
    response.end(`process_cpu_seconds_total ${(user + system) / 1e6}
process_resident_memory_bytes ${process.memoryUsage.rss()}
chat_send_buffer_bytes ${buffered()}
`)
  })
  return server.listen(/^\d+$/.test(process.env.PORT) ? Number(process.env.PORT) : process.env.PORT)
}
