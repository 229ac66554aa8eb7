// One WebSocket connection: what its client may do, and the frames it gets.
import { MAX_ROOMS } from '../public/names.js'
import { encodeFrame } from './fanout.js'
import * as protocol from './protocol.js'
import { readToken } from './token.js'

// What goes to a whole room costs more than what is only answered: of all frames there may be five times as many.
const FRAMES_PER_MESSAGE = 5
const BURST_SECONDS = 4
const MAX_WAITING = 1024 * 1024
const PING = Buffer.from([0x89, 0])

export class Client {
  rooms = new Set()
  name = undefined
  expires = Infinity
  /** Resolves when the newest page of a history is read; the next one waits for that. */
  reading = undefined
  #alive = true

  constructor(chat, ws, socket) {
    Object.assign(this, { chat, ws, socket })
    this.messages = new TokenBucket(chat.config.messagesPerSecond)
    this.frames = new TokenBucket(chat.config.messagesPerSecond * FRAMES_PER_MESSAGE)
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
    this.write(PING)
  }

  async #receive(data, isBinary) {
    if (this.ws.readyState !== this.ws.OPEN) return
    if (this.frames.take() > 0) {
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
    switch (frame.type) {
      case 'hello': return this.#hello(frame)
      case 'send': return this.#send(protocol.readSend(frame))
      case 'join': this.#pay()
        return this.#join(protocol.readRoom(frame.room), protocol.readAfter(frame.after))
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
    const session = crypto.randomUUID()
    this.send({ type: 'welcome', session, worker, release, heartbeat_ms: heartbeatMs, name: this.name })
    for (const [room, after] of wanted) this.#join(room, after)
  }

  /** What a message costs: its answer goes to many, or is long. */
  #pay() {
    const wait = this.messages.take()
    if (wait > 0) throw new protocol.FrameError('too many messages', 'rate_limited', wait)
  }

  #join(room, after) {
    protocol.check(this.rooms.size < MAX_ROOMS || this.rooms.has(room), `more than ${MAX_ROOMS} rooms`)
    this.rooms.add(room)
    this.chat.rooms.join(this, room, after)
  }

  async #send({ room, cid, text }) {
    protocol.check(this.rooms.has(room), 'join the room first')
    this.#pay()
    const end = this.chat.metrics.ackSeconds.startTimer()
    const { seq, duplicate } = await this.chat.rooms.say({ room, sender: this.name, cid, text })
    end()
    this.chat.metrics.received.inc({ result: duplicate ? 'duplicate' : 'ok' })
    this.send({ type: 'ack', cid, room, seq })
  }
}

/** Holds four seconds' worth of tokens and gains `rate` a second. */
export class TokenBucket {
  constructor(rate) {
    Object.assign(this, { rate, most: rate * BURST_SECONDS, tokens: rate * BURST_SECONDS, since: performance.now() })
  }

  /** Take a token: 0, or the milliseconds until there is one. */
  take() {
    const now = performance.now()
    this.tokens = Math.min(this.most, this.tokens + ((now - this.since) * this.rate) / 1000)
    this.since = now
    if (this.tokens < 1) return Math.ceil(((1 - this.tokens) * 1000) / this.rate)
    this.tokens -= 1
    return 0
  }
}
