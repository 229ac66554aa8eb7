// One WebSocket connection: what its client may do, and the frames it gets.
import { MAX_ROOMS } from '../public/names.js'
import { encodeFrame } from './fanout.js'
import * as protocol from './protocol.js'
import { readToken } from './token.js'

// What goes to a whole room costs more than what is only answered: of all frames there may be five times as many.
const FRAMES_PER_MESSAGE = 5
const BURST_MS = 4000
const MAX_WAITING = 1024 * 1024

export class Client {
  rooms = new Set()
  name = undefined
  expires = Infinity
  /** Resolves when the newest page of a history is read; the next one waits for that. */
  reading = undefined
  #alive = true

  constructor(chat, ws, socket) {
    Object.assign(this, { chat, ws, socket })
    this.takeMessage = tokenBucket(chat.config.messagesPerSecond)
    this.takeFrame = tokenBucket(chat.config.messagesPerSecond * FRAMES_PER_MESSAGE)
    ws.on('message', (data, isBinary) => this.#receive(data, isBinary))
    // Who has not said hello two beats long is gone, too, whatever else it said.
    ws.on('pong', () => (this.#alive = this.name !== undefined))
  }

  /** Write encoded frames, and call `read` once they are; false when the client is gone, or cut as it does not read. */
  write(bytes, read) {
    if (this.ws.readyState !== this.ws.OPEN) return false
    if (this.socket.writableLength <= MAX_WAITING) return this.socket.write(bytes, read) || true
    this.chat.metrics.slowConsumers.inc()
    this.ws.terminate()
    return false
  }

  /** Answers of one tick leave in one write, with what the client's rooms get in it. */
  send(frame) {
    this.socket.cork()
    setImmediate(() => this.socket.uncork())
    this.write(encodeFrame(JSON.stringify(frame)))
  }

  history(text) {
    this.reading = new Promise((read) => this.write(encodeFrame(text), read)).then(() => (this.reading = undefined))
  }

  /** One beat of the heart: gone if the last ping had no answer, or if the token has run out. */
  beat(now) {
    if (!this.#alive) return this.ws.terminate()
    if (now > this.expires) return this.ws.close(1008, 'token expired')
    this.#alive = false
    this.ws.ping()
  }

  async #receive(data, isBinary) {
    if (this.ws.readyState !== this.ws.OPEN) return
    if (this.takeFrame() > 0) {
      this.chat.metrics.received.inc({ result: 'rate_limited' })
      return this.ws.close(1008, 'too many frames')
    }
    let frame
    try {
      frame = protocol.parseFrame(data, isBinary)
      await this.#act(frame)
    } catch (error) {
      if (!(error instanceof protocol.FrameError)) throw error
      this.refuse(error, protocol.readCid(frame?.cid))
    }
  }

  refuse({ message, code, retryAfterMs }, cid) {
    const known = code === 'rate_limited' || code === 'unavailable'
    this.chat.metrics.received.inc({ result: known ? code : 'invalid' })
    this.send({ type: 'error', code, message, retry_after_ms: retryAfterMs, cid })
    if (code !== 'unauthorized') return
    this.chat.metrics.rejected.inc({ reason: 'auth' })
    this.chat.log.warn({ event: code }, 'token refused')
    this.ws.close(1008, code)
  }

  #act(frame) {
    protocol.check(this.name !== undefined || frame.type === 'hello', 'say hello first')
    // A join is answered at length, what is sent goes to many.
    const wait = frame.type === 'send' || frame.type === 'join' ? this.takeMessage() : 0
    if (wait > 0) throw new protocol.FrameError('too many messages', 'rate_limited', wait)
    switch (frame.type) {
      case 'hello': return this.#hello(frame)
      case 'send': return this.#send(protocol.readSend(frame))
      case 'join': return this.#join(protocol.readRoom(frame.room), protocol.readAfter(frame.after))
      case 'leave': return this.chat.rooms.leave(this, protocol.readRoom(frame.room))
      case 'typing': return this.chat.rooms.typing(this, protocol.readRoom(frame.room))
      case 'ping': return this.send({ type: 'pong', t: typeof frame.t === 'object' ? undefined : frame.t })
      case 'pong': return undefined
      default: throw new protocol.FrameError('unknown frame type')
    }
  }

  #hello({ name, rooms, token }) {
    protocol.check(this.name === undefined, 'hello came twice')
    const { sessionSecret, requireToken, worker, release, heartbeatMs } = this.chat.config
    const wanted = protocol.readRooms(rooms)
    // Without a token the name is the one the client gives itself, where that is enough.
    const known = sessionSecret && (token || requireToken) ? readToken(token, sessionSecret) : { name }
    protocol.check(known, 'the token is missing, wrong or too old', 'unauthorized')
    Object.assign(this, known, { name: protocol.readName(known.name) })
    this.#alive = true
    this.send({ type: 'welcome', session: crypto.randomUUID(), worker, release, heartbeat_ms: heartbeatMs, name: this.name })
    for (const [room, after] of wanted) this.#join(room, after)
  }

  #join(room, after) {
    protocol.check(this.rooms.size < MAX_ROOMS || this.rooms.has(room), `more than ${MAX_ROOMS} rooms`)
    this.rooms.add(room)
    this.chat.rooms.join(this, room, after)
  }

  async #send({ room, cid, text }) {
    protocol.check(this.rooms.has(room), 'join the room first')
    const end = this.chat.metrics.ackSeconds.startTimer()
    const { seq, duplicate } = await this.chat.rooms.say({ room, sender: this.name, cid, text })
    end()
    this.chat.metrics.received.inc({ result: duplicate ? 'duplicate' : 'ok' })
    this.send({ type: 'ack', cid, room, seq })
  }
}

/**
 * Lets `rate` a second pass, and four seconds' worth at once: a function that takes one and gives 0, or the milliseconds to
 * wait. All it has to know is when all of that will be there again.
 */
export function tokenBucket(rate) {
  let full = 0
  return () => {
    const now = performance.now()
    const next = Math.max(full, now) + 1000 / rate
    const wait = Math.max(0, Math.floor(next - now - BURST_MS))
    if (wait === 0) full = next
    return wait
  }
}
