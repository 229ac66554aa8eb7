// One room in one process: its members, the newest messages, how far the store has been read, and who is told what.
import { Audience, encodeFrame } from './fanout.js'
import { encodeHistory, encodeMessage } from './protocol.js'

/** How many messages are given at once: at most, and to who does not say how many. */
export const TAIL = 500
export const NEWEST = 50
const SHOWN = 100
// Of a large history a client has no more than a page unread, in UTF-16 units, each of which is three bytes at most.
const PAGE_SIZE = 128 * 1024

/** Made of {name, store, metrics}. */
export class Room extends Audience {
  /** The newest seq that was read; undefined until the store has been asked. */
  last = undefined
  #tail = []
  #reading = undefined
  #stale = false
  /** The names of who is in it in other processes, and the presence frame that was told last. */
  #elsewhere = []
  #told = undefined

  /** Take rows that were `committed` then (ms since 1970); those that were taken before are skipped, a hole is read. */
  offer(rows, committed) {
    if (this.last === undefined || rows[0]?.seq > this.last + 1) return this.catchUp()
    const texts = rows.filter(({ seq }) => seq > this.last).map(encodeMessage)
    this.last = Math.max(this.last, rows.at(-1)?.seq ?? 0)
    this.#tail.push(...texts)
    if (this.#tail.length > 2 * TAIL) this.#tail.splice(0, this.#tail.length - TAIL)
    this.push(texts, committed)
  }

  /** Read on in the store until nothing newer is there, one reader at a time; resolves to whether that succeeded. */
  catchUp() {
    this.#stale = true
    return (this.#reading ??= this.#readOn())
  }

  async #readOn() {
    try {
      while (this.#stale) {
        this.#stale = false
        const rows = await this.store.read(this.name, this.last ?? null, TAIL)
        // What is not in the store is not waited for: the start of a long history, or rows that somebody has deleted.
        this.last = Math.max(this.last ?? 0, (rows[0]?.seq ?? 1) - 1)
        this.offer(rows, Date.parse(rows[0]?.time))
        this.#stale ||= rows.length === TAIL
      }
      return true
    } catch {
      return false // and the store has reported why
    } finally {
      this.#reading = undefined
    }
  }

  /**
   * Give a client a page of what it is missing after `after`; answers the seq to go on after, if there is more. With the last
   * page it gets who is here and everything from now on.
   */
  admit(client, after) {
    this.flush()
    const missing = this.last - after
    // More than the tail, or a number of a store that was lost.
    const reset = after !== null && (missing < 0 || missing > Math.min(TAIL, this.#tail.length))
    const count = after === null || reset ? NEWEST : missing
    const messages = count === 0 ? [] : this.#tail.slice(-count)
    let size = 0
    const page = messages.filter((text) => (size += text.length) - text.length < PAGE_SIZE)
    client.history(encodeHistory(this.name, page, reset))
    const outcome = reset ? 'reset' : after === null || count === 0 ? 'none' : 'replayed'
    this.metrics.resumes.inc({ outcome })
    this.metrics.resumeMessages.inc(page.length)
    if (page.length < messages.length) return this.last - messages.length + page.length
    this.members.add(client)
    // In a large room what the others were told last will do.
    client.write(encodeFrame((this.members.size > SHOWN && this.#told) || this.#presence()))
  }

  /** The names of who is in it in this process. */
  names() {
    return [...new Set(this.members.values().map(({ name }) => name))]
  }

  /** Tell the members who is in it, here and `elsewhere`, where that has changed. */
  tell(elsewhere) {
    this.#elsewhere = elsewhere
    const text = this.#presence()
    if (text !== this.#told) this.push([text])
    this.#told = text
  }

  #presence() {
    const all = [...new Set([...this.names(), ...this.#elsewhere])]
    return JSON.stringify({ type: 'presence', room: this.name, members: all.sort().slice(0, SHOWN), total: all.length })
  }
}
