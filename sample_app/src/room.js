// One room in one process: its members here, the newest messages, and how far this process has read the store.
import { encodeFrame } from './fanout.js'
import { encodeHistory, encodeMessage } from './protocol.js'

const TAIL = 500
const PAGE = 50
const NAMES = 100

export class Room {
  members = new Set()
  outgoing = []
  outgoingSince = undefined
  /** The newest seq that was read; undefined until the store has been asked. */
  last = undefined
  idlePulses = 0
  quietUntil = 0
  #tail = []
  #reading = undefined
  #stale = false
  #here = undefined
  #told = undefined
  #elsewhere = []
  #presence = ''

  constructor(name, store, fanout, log) {
    Object.assign(this, { name, store, fanout, log })
  }

  /** Take messages numbered from `first` on; whatever came before is skipped, and a hole is read from the store. */
  offer(first, texts, committed) {
    if (this.last === undefined || first > this.last + 1) this.catchUp()
    else this.#accept(texts.slice(this.last + 1 - first), committed)
  }

  /** Read on in the store until nothing newer is there, one reader at a time; resolves to whether that succeeded. */
  catchUp() {
    this.#stale = true
    this.#reading ??= this.#readAll().finally(() => { this.#reading = undefined })
    return this.#reading
  }

  /** The store is behind what was read from it, so it was lost or restored: take what it has now. */
  startOver() {
    this.last = undefined
    return this.catchUp()
  }

  admit(client, after) {
    this.fanout.flushRoom(this)
    const { messages, reset } = this.#since(after)
    client.history(encodeHistory(this.name, messages, reset))
    this.members.add(client)
    this.#here = undefined
    client.write(encodeFrame(this.members.size > NAMES && this.#presence ? this.#presence : this.#presenceText()))
    const replayed = after !== null && messages.length > 0
    return { count: messages.length, outcome: reset ? 'reset' : replayed ? 'replayed' : 'none' }
  }

  dismiss(client) {
    this.members.delete(client)
    this.#here = undefined
  }

  /** A frame that is not kept, such as `typing`. */
  whisper(text, except) {
    const bytes = encodeFrame(text)
    for (const member of this.members) if (member !== except) member.write(bytes)
  }

  /** Who is here, at most the first names, and how many: the same object for as long as nobody comes or goes. */
  get here() {
    return (this.#here ??= this.#listed())
  }

  /** Tell the members who is in the room, where that has changed. */
  announce(elsewhere) {
    const alone = elsewhere.length === 0 && this.#elsewhere.length === 0
    if (alone && this.here === this.#told) return
    this.#told = this.here
    this.#elsewhere = elsewhere
    const text = this.#presenceText()
    if (text !== this.#presence) this.fanout.push(this, [text])
    this.#presence = text
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
    if (this.last === undefined) return this.#begin(await this.store.newest(this.name, TAIL))
    const rows = await this.store.after(this.name, this.last, TAIL)
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

  #listed() {
    const names = new Set()
    for (const { name } of this.members) names.add(name)
    return { room: this.name, names: [...names].slice(0, NAMES), total: names.size }
  }

  #presenceText() {
    const groups = [this.here, ...this.#elsewhere]
    const names = new Set(groups.flatMap((group) => group.names))
    const whole = groups.every((group) => group.names.length === group.total)
    const total = whole ? names.size : groups.reduce((sum, group) => sum + group.total, 0)
    return JSON.stringify({ type: 'presence', room: this.name, members: [...names].sort().slice(0, NAMES), total })
  }
}
