// The driver for node:sqlite: one file in the data directory, shared by all workers of the machine.
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

// FULL: an acknowledged message outlives a power cut, at one fsync per batch.
const SETTINGS = 'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL'
const BUSY = 5
const PATIENCE_MS = 5000
const RETRY_MS = 2

export class SqliteDriver {
  name = 'sqlite'
  each = 'json_each'
  beforeSchema = []
  // Takes the one write lock first, so that numbers are dense across processes.
  begin = 'BEGIN IMMEDIATE'
  lookMs = 30
  #queue = Promise.resolve()
  #database
  #statements = new Map()

  constructor({ dataDirectory }) {
    this.directory = dataDirectory
  }

  /** One session after the other: what runs between a transaction's statements would read what is not committed. */
  session(body) {
    const result = this.#queue.then(() => body((sql, values) => this.#patiently(() => this.#run(sql, values))))
    this.#queue = result.catch(() => this.#discard())
    return result
  }

  close() {
    return this.#queue.then(() => this.#discard())
  }

  /** While another process has the write lock this one does other things: SQLite's own way to wait would stop it. */
  async #patiently(act) {
    for (const since = performance.now(); ; await sleep(RETRY_MS)) {
      try {
        return act()
      } catch (error) {
        if (error.errcode % 256 !== BUSY || performance.now() - since > PATIENCE_MS) throw error
      }
    }
  }

  #run(sql, values = []) {
    this.#database ??= this.#open()
    if (!this.#statements.has(sql)) this.#statements.set(sql, this.#database.prepare(sql))
    return this.#statements.get(sql).all(Object.fromEntries(values.map((value, index) => [`$${index + 1}`, value])))
  }

  /** Loaded late: node:sqlite warns that it is experimental, and PostgreSQL's users need not hear that. */
  #open() {
    const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
    const database = new DatabaseSync(path.join(this.directory, 'chat.sqlite'))
    database.exec(SETTINGS)
    return database
  }

  /** Closing rolls back; the next call opens the file again. */
  #discard() {
    this.#database?.close()
    this.#database = undefined
    this.#statements.clear()
  }
}
