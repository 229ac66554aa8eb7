// Batches the writes of one process: a transaction every few milliseconds, acknowledgements after its commit.
import { setTimeout as sleep } from 'node:timers/promises'
import { unavailable } from './protocol.js'

const BATCH_MS = 5
const BATCH_MAX = 500
const QUEUE_MAX = 5000

/** Writes entries {room, sender, cid, text}; the rooms are told what was stored, before the senders are. */
export class Writer {
  #queue = []
  /** Resolves when all that was submitted is stored or refused. */
  writing = undefined

  constructor({ store, log, rooms }) {
    Object.assign(this, { store, log, rooms })
  }

  /** Resolves to {seq, duplicate} once stored; rejects with `unavailable`, and the sender may repeat the same cid. */
  async submit(entry) {
    if (!this.store.dependency.up || this.#queue.length >= QUEUE_MAX) throw notStored()
    const { promise, ...outcome } = Promise.withResolvers()
    this.#queue.push({ entry, ...outcome })
    this.writing ??= this.#writeAll()
    return promise
  }

  async #writeAll() {
    while (this.#queue.length > 0) {
      await sleep(BATCH_MS)
      await this.#write(this.#queue.splice(0, BATCH_MAX))
    }
    this.writing = undefined
  }

  async #write(batch) {
    try {
      const { results, rows } = await this.store.append(batch.map(({ entry }) => entry))
      this.rooms.committed(rows)
      batch.forEach(({ resolve }, index) => resolve(results[index]))
    } catch (error) {
      this.log.error({ error: error.message, messages: batch.length }, 'messages not stored')
      for (const { reject } of batch) reject(notStored())
    }
  }
}

const notStored = () => unavailable('the message could not be stored')
