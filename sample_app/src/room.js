// One room in one process: its members, the newest messages, how far this process has read the store, and who is told what.
import { encodeFrame } from './fanout.js'
import { encodeHistory, encodeMessage } from './protocol.js'

const TAIL = 500
const PAGE = 50
const SHOWN = 100
const QUIET_MS_PER_MEMBER = 2

export class Room {
  members = new Set()
  outgoing = []
  outgoingSince = undefined
  /** The newest seq that was read; undefined until the store has been asked. */
  last = undefined
  /** The names of who is in it in other processes. */
  elsewhere = []
  /** The presence frame that was told last, and until when (ms since 1970) it will do. */
  #told = undefined
  #quietUntil = 0
  #tail = []
  #reading = undefined
  #stale = false

  constructor(name, { store, fanout, metrics, log }) {
    Object.assign(this, { name, store, fanout, metrics, log })
  }

  /** Take rows that were `committed` then (ms since 1970); those that were taken before are skipped, a hole is read. */
  offer(rows, committed) {
    if (this.last === undefined || rows[0].seq > this.last + 1) this.catchUp()
    else this.#accept(rows, committed)
  }

  /** Read on in the store until nothing newer is there, one reader at a time; resolves to whether that succeeded. */
  catchUp() {
    this.#stale = true
    this.#reading ??= this.#readAll()
    return this.#reading
  }

  /** The store says its newest seq, asked when this one had read up to `last`: behind that, it was lost or restored. */
  compare(newest, last) {
    if (newest < last) this.last = undefined
    if (newest !== last) this.catchUp()
  }

  /** Give a client what it is missing after `after`, who is here, and everything from now on. */
  admit(client, after) {
    this.fanout.flushRoom(this)
    const { messages, reset } = this.#since(after)
    client.history(encodeHistory(this.name, messages, reset))
    this.members.add(client)
    // In a large room what the others were told last will do.
    client.write(encodeFrame((this.members.size > SHOWN && this.#told) || this.#presence()))
    const replayed = after !== null && messages.length > 0
    this.metrics.resumes.inc({ outcome: reset ? 'reset' : replayed ? 'replayed' : 'none' })
    this.metrics.resumeMessages.inc(messages.length)
  }

  /** A frame that is not kept, such as `typing`. */
  whisper(text, except) {
    const bytes = encodeFrame(text)
    for (const member of this.members) if (member !== except) member.write(bytes)
  }

  /** The names of who is in it in this process. */
  names() {
    return [...new Set(this.members.values().map(({ name }) => name))]
  }

  /** Tell the members who is in it, where that has changed; the larger a room, the rarer: about 500 frames a second. */
  tell(now) {
    if (now < this.#quietUntil) return
    const text = this.#presence()
    if (text === this.#told) return
    this.#told = text
    this.#quietUntil = now + this.members.size * QUIET_MS_PER_MEMBER
    this.fanout.push(this, [text])
  }

  #presence() {
    const all = [...new Set([...this.names(), ...this.elsewhere])]
    return JSON.stringify({ type: 'presence', room: this.name, members: all.sort().slice(0, SHOWN), total: all.length })
  }

  async #readAll() {
    try {
      while (this.#stale) await this.#readOn()
      return true
    } catch (error) {
      this.log.debug({ error: error.message }, 'room not read')
      return false
    } finally {
      this.#reading = undefined
    }
  }

  async #readOn() {
    this.#stale = false
    if (this.last === undefined) return this.#begin(await this.store.read(this.name, null, TAIL))
    const rows = await this.store.read(this.name, this.last, TAIL)
    this.#stale ||= rows.length === TAIL
    this.#accept(rows, Date.parse(rows[0]?.time))
  }

  /** Where there are members already, they have seen messages that the store has lost. */
  #begin(rows) {
    this.#tail = rows.map(encodeMessage)
    this.last = rows.at(-1)?.seq ?? 0
    for (const member of this.members) member.history(encodeHistory(this.name, this.#tail.slice(-PAGE), true))
  }

  #accept(rows, committed) {
    const texts = rows.filter(({ seq }) => seq > this.last).map(encodeMessage)
    if (texts.length === 0) return
    this.last += texts.length
    this.#tail.push(...texts)
    if (this.#tail.length > 2 * TAIL) this.#tail.splice(0, this.#tail.length - TAIL)
    this.fanout.push(this, texts, committed)
  }

  /** What a client that has seen `after` is missing; more than the tail, or a number of a lost store, is a reset. */
  #since(after) {
    const missing = this.last - after
    const reset = after !== null && (missing < 0 || missing > Math.min(TAIL, this.#tail.length))
    const count = after === null || reset ? PAGE : missing
    return { messages: count === 0 ? [] : this.#tail.slice(-count), reset }
  }
}
