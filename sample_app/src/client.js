// One WebSocket connection: what its client may do, and the frames it gets.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeFrame } from './fanout.js'
import { TokenBucket } from './limits.js'
import { FrameError, MAX_ROOMS, parseFrame, readAfter, readName, readRoom, readRooms, readSend } from './protocol.js'
import { readToken } from './token.js'
import { Unavailable } from './writer.js'

const HELLO_MS = 10_000
const RETRY_MS = 2000
const BURST_SECONDS = 4
const FRAMES_PER_MESSAGE = 5
const PING = Buffer.from([0x89, 0])

export class Client {
  rooms = new Set()
  name = undefined
  expires = Infinity
  closing = false
  #alive = true
  #typed = -Infinity
  #helloTimer

  constructor(chat, ws, socket) {
    const { messagesPerSecond: rate, maxBuffered } = chat.config
    Object.assign(this, { chat, ws, socket, allowance: maxBuffered })
    this.messages = new TokenBucket(rate, rate * BURST_SECONDS)
    this.frames = new TokenBucket(rate * FRAMES_PER_MESSAGE, rate * FRAMES_PER_MESSAGE * BURST_SECONDS)
    this.#helloTimer = setTimeout(() => this.close(1008, 'no hello'), HELLO_MS)
    ws.on('message', (data, isBinary) => this.#receive(data, isBinary))
    ws.on('pong', () => { this.#alive = true })
  }

  /** Write encoded frames; false when the client is gone, or is cut because it does not read. */
  write(bytes) {
    if (this.ws.readyState !== this.ws.OPEN) return false
    const waiting = this.socket.writableLength
    if (waiting === 0) this.allowance = this.chat.config.maxBuffered
    else if (waiting > this.allowance) return this.#cut()
    this.socket.write(bytes)
    return true
  }

  send(frame) {
    this.write(encodeFrame(JSON.stringify(frame)))
  }

  /** A history may be larger than what a slow reader is allowed: it raises the allowance until it is read. */
  history({ text }) {
    const bytes = encodeFrame(text)
    this.write(bytes)
    this.allowance = Math.max(this.allowance, this.chat.config.maxBuffered + bytes.length)
  }

  /** Resolves when the client has read enough to get another history. */
  async drained() {
    while (this.ws.readyState === this.ws.OPEN && this.socket.writableLength > this.chat.config.maxBuffered) await sleep(50)
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

  #cut() {
    this.chat.metrics.slowConsumers.inc()
    this.ws.terminate()
    return false
  }

  #receive(data, isBinary) {
    if (this.closing) return
    this.#alive = true
    if (this.frames.take() > 0) return this.close(1008, 'too many frames')
    try {
      if (isBinary) throw new FrameError('frames are text')
      this.#act(parseFrame(data))
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
      this.#refuse(error.code, error.message, { cid: error.cid })
    }
  }

  #act(frame) {
    if (this.name === undefined && frame.type !== 'hello') throw new FrameError('say hello first')
    switch (frame.type) {
      case 'hello': return this.#hello(frame)
      case 'send': return this.#send(frame)
      case 'join': return this.#join(readRoom(frame.room), readAfter(frame.after))
      case 'leave': return this.chat.rooms.leave(this, readRoom(frame.room))
      case 'typing': return this.#typing(frame)
      case 'ping': return this.send({ type: 'pong', t: frame.t })
      case 'pong': return undefined
      default: throw new FrameError('unknown frame type')
    }
  }

  #refuse(code, message, more = {}) {
    if (code === 'bad_frame' || code === 'too_large') this.chat.metrics.received.inc({ result: 'invalid' })
    this.send({ type: 'error', code, message, ...more })
  }

  #hello(frame) {
    if (this.name !== undefined) throw new FrameError('hello came twice')
    const rooms = readRooms(frame.rooms ?? {})
    const name = this.#identify(frame)
    if (name === undefined) return
    clearTimeout(this.#helloTimer)
    this.#helloTimer = undefined
    this.name = name
    const { worker, release, heartbeatMs } = this.chat.config
    this.send({ type: 'welcome', session: randomUUID(), worker, release, heartbeat_ms: heartbeatMs, name })
    for (const [room, after] of rooms) this.#join(room, after)
  }

  /** The name of a valid token; without one the name the client gives itself, where that is enough. */
  #identify({ name, token }) {
    const { sessionSecret, requireToken } = this.chat.config
    if (!sessionSecret || (!token && !requireToken)) return readName(name)
    const known = readToken(token, sessionSecret)
    if (known) {
      this.expires = known.expires
      return readName(known.name)
    }
    this.chat.metrics.rejected.inc({ reason: 'auth' })
    this.chat.log.warn({ event: 'unauthorized' }, 'token refused')
    this.#refuse('unauthorized', 'the token is missing, wrong or too old')
    this.close(1008, 'unauthorized')
  }

  #join(room, after) {
    this.rooms.add(room)
    if (this.rooms.size > MAX_ROOMS) {
      this.rooms.delete(room)
      throw new FrameError(`more than ${MAX_ROOMS} rooms`)
    }
    if (!this.chat.dependencies.isUp('store')) {
      this.#refuse('unavailable', 'the history is not available now', { retry_after_ms: RETRY_MS })
    }
    this.chat.rooms.join(this, room, after)
  }

  #send(frame) {
    const { room, cid, text } = readSend(frame)
    if (!this.rooms.has(room)) throw new FrameError('join the room first', 'bad_frame', cid)
    const wait = this.messages.take()
    if (wait === 0) return this.#store({ room, sender: this.name, cid, text })
    this.chat.metrics.received.inc({ result: 'rate_limited' })
    this.#refuse('rate_limited', 'too many messages', { retry_after_ms: wait, cid })
  }

  async #store(entry) {
    const { cid, room } = entry
    const { received, ackSeconds } = this.chat.metrics
    const started = performance.now()
    try {
      const { seq, duplicate } = await this.chat.writer.submit(entry)
      received.inc({ result: duplicate ? 'duplicate' : 'ok' })
      ackSeconds.observe((performance.now() - started) / 1000)
      this.send({ type: 'ack', cid, room, seq })
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      received.inc({ result: 'unavailable' })
      this.#refuse('unavailable', 'the message could not be stored', { retry_after_ms: RETRY_MS, cid })
    }
  }

  #typing(frame) {
    const now = performance.now()
    if (now - this.#typed < 1000) return
    this.#typed = now
    this.chat.rooms.typing(this, readRoom(frame.room))
  }
}
