// Batches the writes of one process: a transaction every few milliseconds, acknowledgements after its commit.
import { timed } from './metrics.js'

const BATCH_MS = 5
const BATCH_MAX = 500
const QUEUE_MAX = 5000

export class Unavailable extends Error {}

/** Writes entries {room, sender, cid, text}; `committed(rows)` is told what was stored, before the senders are. */
export class Writer {
  #queue = []
  #timer
  #writing = false
  #idle = []

  constructor({ store, dependencies, metrics, log, committed }) {
    Object.assign(this, { store, dependencies, metrics, log, committed })
  }

  /** Resolves to {seq, duplicate} once stored; rejects with Unavailable, and the sender may repeat the same cid. */
  submit(entry) {
    if (!this.dependencies.isUp('store') || this.#queue.length >= QUEUE_MAX) return Promise.reject(new Unavailable())
    return new Promise((resolve, reject) => {
      this.#queue.push({ entry, resolve, reject })
      this.#schedule()
    })
  }

  /** Resolves when all that was submitted is stored or refused. */
  settled() {
    if (!this.#writing && this.#queue.length === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #schedule() {
    if (!this.#writing) this.#timer ??= setTimeout(() => this.#write(), BATCH_MS)
  }

  async #write() {
    this.#timer = undefined
    this.#writing = true
    await this.#store(this.#queue.splice(0, BATCH_MAX))
    this.#writing = false
    if (this.#queue.length > 0) return this.#schedule()
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  async #store(batch) {
    try {
      const entries = batch.map(({ entry }) => entry)
      const { results, rows } = await timed(this.metrics.storeSeconds, 'append', () => this.store.append(entries))
      this.committed(rows)
      batch.forEach(({ resolve }, index) => resolve(results[index]))
    } catch (error) {
      this.log.error({ error: error.message, messages: batch.length }, 'messages not stored')
      this.dependencies.failed('store', error)
      for (const { reject } of batch) reject(new Unavailable())
    }
  }
}
