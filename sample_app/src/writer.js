// Batches the writes of one process: a transaction every few milliseconds, acknowledgements after its commit.
import { setTimeout as sleep } from 'node:timers/promises'
import { unavailable } from './protocol.js'

const BATCH_MS = 5
const BATCH_MAX = 2000

/** Writes entries {room, sender, cid, text}; rooms and other processes hear what was stored before the senders do. */
export class Writer {
  #batch = []
  /** Settles when all that was submitted is stored or refused. */
  writing = Promise.resolve()

  constructor({ store, rooms, bus, log }) {
    Object.assign(this, { store, rooms, bus, log })
  }

  /** Resolves to {seq, duplicate} once stored; rejects with `unavailable`, and the sender may repeat the same cid. */
  async submit(entry) {
    if (!this.store.up || this.#batch.length >= BATCH_MAX) throw notStored()
    const place = this.#batch.push(entry) - 1
    if (place === 0) this.writing = this.#write(this.writing)
    const results = await this.writing
    return results[place]
  }

  /** One batch after the other; the next one fills while this one waits. */
  async #write(previous) {
    await previous.catch(() => {})
    await sleep(BATCH_MS)
    const batch = this.#batch
    this.#batch = []
    try {
      const { results, rows } = await this.store.append(batch)
      const hint = { rows, committed: Date.now() }
      this.rooms.heard(hint)
      this.bus?.publish(hint)
      return results
    } catch (error) {
      this.log.error({ error: error.message, messages: batch.length }, 'messages not stored')
      throw notStored()
    }
  }
}

const notStored = () => unavailable('the message could not be stored')
