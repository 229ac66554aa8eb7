// One room in one process: its members here, the newest messages, and how far this process has read the store.
import { encodeFrame } from './fanout.js'
import { encodeHistory, encodeMessage } from './protocol.js'

export const TAIL = 500
const PAGE = 50
const NAMES = 100

export class Room {
  members = new Set()
  outgoing = []
  outgoingSince = undefined
  last = undefined
  emptySince = Date.now()
  elsewhere = []
  #names = new Map()
  #tail = []
  #reading = undefined
  #stale = false
  #presence = ''

  constructor(name, { store, fanout, log }) {
    Object.assign(this, { name, store, fanout, log })
  }

  /** Read the newest messages; from then on the room follows the store. */
  async load() {
    const rows = await this.store.newest(this.name, TAIL)
    this.#tail = rows.map(encodeMessage)
    this.last = rows.at(-1)?.seq ?? 0
    if (this.#stale) await this.catchUp()
  }

  /** Take messages numbered from `first` on; whatever came before is skipped, and a hole is read from the store. */
  offer(first, texts, committed) {
    if (this.last === undefined) this.#stale = true
    else if (first > this.last + 1) this.catchUp()
    else this.#accept(texts.slice(this.last + 1 - first), committed)
  }

  /** Read on in the store until nothing newer is there, one reader at a time; resolves to whether that succeeded. */
  catchUp() {
    this.#stale = true
    if (this.last === undefined) return false
    this.#reading ??= this.#readAll().finally(() => { this.#reading = undefined })
    return this.#reading
  }

  /** The store is behind what was read from it, so it was lost or restored: start over with what it has now. */
  async startOver() {
    await this.load()
    for (const member of this.members) member.history(this.#page())
  }

  admit(client, after) {
    this.fanout.flushRoom(this)
    const history = this.#since(after)
    client.history(history)
    if (!this.members.has(client)) {
      this.members.add(client)
      this.#names.set(client.name, (this.#names.get(client.name) ?? 0) + 1)
    }
    client.write(encodeFrame(this.#names.size > NAMES && this.#presence ? this.#presence : this.#presenceText()))
    return history
  }

  dismiss(client) {
    if (!this.members.delete(client)) return
    const left = this.#names.get(client.name) - 1
    if (left > 0) this.#names.set(client.name, left)
    else this.#names.delete(client.name)
    if (this.members.size === 0) this.emptySince = Date.now()
  }

  /** A frame that is not kept, such as `typing`. */
  whisper(text, except) {
    const bytes = encodeFrame(text)
    for (const member of this.members) if (member !== except) member.write(bytes)
  }

  /** Who is here, for the other processes: at most the first names, and how many there are. */
  present() {
    return { room: this.name, names: this.#names.keys().take(NAMES).toArray(), total: this.#names.size }
  }

  /** Tell the members who is in the room, where that has changed. */
  announce() {
    const text = this.#presenceText()
    if (text === this.#presence) return
    this.#presence = text
    this.fanout.push(this, [text])
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
    const rows = await this.store.after(this.name, this.last, TAIL)
    this.#stale ||= rows.length === TAIL
    const fresh = rows.filter(({ seq }) => seq > this.last)
    if (fresh.length > 0) this.#accept(fresh.map(encodeMessage), Date.parse(fresh[0].time))
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
    const missing = after === null ? 0 : this.last - after
    if (after === null || missing < 0 || missing > Math.min(TAIL, this.#tail.length)) return this.#page(after !== null)
    const messages = missing === 0 ? [] : this.#tail.slice(-missing)
    return { text: encodeHistory(this.name, messages, false), count: messages.length, outcome: missing ? 'replayed' : 'none' }
  }

  #page(reset = true) {
    const messages = this.#tail.slice(-PAGE)
    return { text: encodeHistory(this.name, messages, reset), count: messages.length, outcome: reset ? 'reset' : 'none' }
  }

  #presenceText() {
    const groups = [this.present(), ...this.elsewhere]
    const names = new Set(groups.flatMap((group) => group.names))
    const whole = groups.every((group) => group.names.length === group.total)
    const total = whole ? names.size : groups.reduce((sum, group) => sum + group.total, 0)
    const members = [...names].sort().slice(0, NAMES)
    return JSON.stringify({ type: 'presence', room: this.name, members, total })
  }
}
