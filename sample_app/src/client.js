// One WebSocket connection: what its client may do, and the frames it gets.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeFrame } from './fanout.js'
import { TokenBucket } from './limits.js'
import {
  FrameError, MAX_ROOMS, parseFrame, readAfter, readCid, readName, readRoom, readRooms, readSend,
} from './protocol.js'
import { readToken } from './token.js'

const HELLO_MS = 10_000
const BURST_SECONDS = 4
const FRAMES_PER_MESSAGE = 5
const PING = Buffer.from([0x89, 0])
// What `chat_messages_received_total` calls a refusal; whatever else is refused is `invalid`.
const RESULTS = { rate_limited: 'rate_limited', unavailable: 'unavailable' }
const NO_HISTORY = {
  type: 'error', code: 'unavailable', message: 'the history is not available now', retry_after_ms: 2000,
}

export class Client {
  rooms = new Set()
  name = undefined
  expires = Infinity
  closing = false
  #alive = true
  #helloTimer

  constructor(chat, ws, socket) {
    const { messagesPerSecond: rate, maxBuffered } = chat.config
    Object.assign(this, { chat, ws, socket, allowance: maxBuffered })
    this.messages = new TokenBucket(rate, BURST_SECONDS)
    this.frames = new TokenBucket(rate * FRAMES_PER_MESSAGE, BURST_SECONDS)
    this.#helloTimer = setTimeout(() => this.close(1008, 'no hello'), HELLO_MS)
    ws.on('message', (data, isBinary) => this.#receive(data, isBinary))
    ws.on('pong', () => { this.#alive = true })
  }

  /** Write encoded frames; false when the client is gone, or is cut because it does not read. */
  write(bytes) {
    if (this.ws.readyState !== this.ws.OPEN) return false
    const waiting = this.socket.writableLength
    if (waiting === 0) this.allowance = this.chat.config.maxBuffered
    if (waiting <= this.allowance) return this.socket.write(bytes) || true
    this.chat.metrics.slowConsumers.inc()
    this.ws.terminate()
    return false
  }

  send(frame) {
    this.write(encodeFrame(JSON.stringify(frame)))
  }

  /** A history may be larger than what a slow reader is allowed: it raises the allowance until it is read. */
  history(text) {
    const bytes = encodeFrame(text)
    this.write(bytes)
    this.allowance = Math.max(this.allowance, this.chat.config.maxBuffered + bytes.length)
  }

  /** Resolves when the client has read enough to get another history. */
  async drained() {
    const { ws, socket, chat } = this
    while (ws.readyState === ws.OPEN && socket.writableLength > chat.config.maxBuffered) await sleep(50)
  }

  close(code, reason) {
    this.closing = true
    this.ws.close(code, reason)
  }

  /** One beat of the heart: gone if the last ping had no answer, or if the token has run out. */
  beat(now) {
    if (!this.#alive) return this.ws.terminate()
    if (now > this.expires) return this.close(1008, 'token expired')
    this.#alive = false
    this.write(PING)
  }

  /** The connection is over. */
  ended() {
    clearTimeout(this.#helloTimer)
    for (const room of this.rooms) this.chat.rooms.leave(this, room)
  }

  async #receive(data, isBinary) {
    if (this.closing) return
    this.#alive = true
    if (this.frames.take() > 0) return this.close(1008, 'too many frames')
    let frame
    try {
      if (isBinary) throw new FrameError('frames are text')
      frame = parseFrame(data)
      await this.#act(frame)
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
      this.#refuse(error, readCid(frame?.cid))
    }
  }

  #refuse({ message, code, retryAfterMs }, cid) {
    this.chat.metrics.received.inc({ result: RESULTS[code] ?? 'invalid' })
    this.send({ type: 'error', code, message, retry_after_ms: retryAfterMs, cid })
    if (code === 'unauthorized') this.close(1008, code)
  }

  #act(frame) {
    if (this.name === undefined && frame.type !== 'hello') throw new FrameError('say hello first')
    switch (frame.type) {
      case 'hello': return this.#hello(frame)
      case 'send': return this.#send(readSend(frame))
      case 'join': return this.#join(readRoom(frame.room), readAfter(frame.after))
      case 'leave': return this.chat.rooms.leave(this, readRoom(frame.room))
      case 'typing': return this.#typing(readRoom(frame.room))
      case 'ping': return this.send({ type: 'pong', t: frame.t })
      case 'pong': return undefined
      default: throw new FrameError('unknown frame type')
    }
  }

  #hello(frame) {
    if (this.name !== undefined) throw new FrameError('hello came twice')
    const rooms = readRooms(frame.rooms)
    const { name, expires } = this.#identify(frame)
    this.name = readName(name)
    this.expires = expires
    clearTimeout(this.#helloTimer)
    const { worker, release, heartbeatMs } = this.chat.config
    this.send({ type: 'welcome', session: randomUUID(), worker, release, heartbeat_ms: heartbeatMs, name: this.name })
    for (const [room, after] of rooms) this.#join(room, after)
  }

  /** What a valid token says; without one the name the client gives itself, where that is enough. */
  #identify({ name, token }) {
    const { sessionSecret, requireToken } = this.chat.config
    if (!sessionSecret || (!token && !requireToken)) return { name, expires: Infinity }
    const known = readToken(token, sessionSecret)
    if (known) return known
    this.chat.metrics.rejected.inc({ reason: 'auth' })
    this.chat.log.warn({ event: 'unauthorized' }, 'token refused')
    throw new FrameError('the token is missing, wrong or too old', 'unauthorized')
  }

  #join(room, after) {
    if (this.rooms.size >= MAX_ROOMS && !this.rooms.has(room)) throw new FrameError(`more than ${MAX_ROOMS} rooms`)
    this.rooms.add(room)
    if (!this.chat.dependencies.isUp('store')) this.send(NO_HISTORY)
    this.chat.rooms.join(this, room, after)
  }

  async #send({ room, cid, text }) {
    if (!this.rooms.has(room)) throw new FrameError('join the room first')
    const wait = this.messages.take()
    if (wait > 0) throw new FrameError('too many messages', 'rate_limited', wait)
    const { received, ackSeconds } = this.chat.metrics
    const end = ackSeconds.startTimer()
    const { seq, duplicate } = await this.chat.writer.submit({ room, sender: this.name, cid, text })
    end()
    received.inc({ result: duplicate ? 'duplicate' : 'ok' })
    this.send({ type: 'ack', cid, room, seq })
  }

  /** Costs as much as a message, because it goes to as many. */
  #typing(room) {
    if (this.messages.take() === 0) this.chat.rooms.typing(this, room)
  }
}
