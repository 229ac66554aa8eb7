// One room in one process: its members here, the newest messages, and how far this process has read the store.
import { encodeFrame } from './fanout.js'
import { encodeHistory, encodeMessage } from './protocol.js'

const TAIL = 500
const PAGE = 50

export class Room {
  members = new Set()
  outgoing = []
  outgoingSince = undefined
  /** The newest seq that was read; undefined until the store has been asked. */
  last = undefined
  /** Who is in it in other processes, the presence frame that was told last, and until when (ms since 1970) it will do. */
  elsewhere = []
  presence = undefined
  quietUntil = 0
  #tail = []
  #reading = undefined
  #stale = false

  constructor(name, store, fanout, log) {
    Object.assign(this, { name, store, fanout, log })
  }

  /** Take messages numbered from `first` on; whatever came before is skipped, and a hole is read from the store. */
  offer({ first, texts, committed }) {
    if (this.last === undefined || first > this.last + 1) this.catchUp()
    else this.#accept(texts.slice(this.last + 1 - first), committed)
  }

  /** Read on in the store until nothing newer is there, one reader at a time; resolves to whether that succeeded. */
  catchUp() {
    this.#stale = true
    this.#reading ??= this.#readAll().finally(() => { this.#reading = undefined })
    return this.#reading
  }

  /** The store says its newest seq, asked when this one had read up to `last`: behind that, it was lost or restored. */
  compare(newest, last) {
    if (newest < last) this.last = undefined
    if (newest !== last) this.catchUp()
  }

  /** Give a client what it is missing after `after`, and everything from now on; {count, outcome} of that. */
  admit(client, after) {
    this.fanout.flushRoom(this)
    const { messages, reset } = this.#since(after)
    client.history(encodeHistory(this.name, messages, reset))
    this.members.add(client)
    const replayed = after !== null && messages.length > 0
    return { count: messages.length, outcome: reset ? 'reset' : replayed ? 'replayed' : 'none' }
  }

  /** A frame that is not kept, such as `typing`. */
  whisper(text, except) {
    const bytes = encodeFrame(text)
    for (const member of this.members) if (member !== except) member.write(bytes)
  }

  async #readAll() {
    try {
      while (this.#stale) await this.#readOn()
      return true
    } catch (error) {
      this.log.debug({ error: error.message }, 'room not read')
      return false
    }
  }

  async #readOn() {
    this.#stale = false
    if (this.last === undefined) return this.#begin(await this.store.read(this.name, null, TAIL))
    const rows = await this.store.read(this.name, this.last, TAIL)
    this.#stale ||= rows.length === TAIL
    const fresh = rows.filter(({ seq }) => seq > this.last)
    if (fresh.length > 0) this.#accept(fresh.map(encodeMessage), Date.parse(fresh[0].time))
  }

  /** Where there are members already, they have seen messages that the store has lost. */
  #begin(rows) {
    this.#tail = rows.map(encodeMessage)
    this.last = rows.at(-1)?.seq ?? 0
    for (const member of this.members) member.history(encodeHistory(this.name, this.#tail.slice(-PAGE), true))
  }

  #accept(texts, committed) {
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
