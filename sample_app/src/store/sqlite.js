// The driver for node:sqlite: one file in the data directory, shared by all workers of the machine.
import { mkdirSync } from 'node:fs'
import path from 'node:path'

// FULL: an acknowledged message outlives a power cut, at one fsync per batch.
const SETTINGS = 'PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL'

// Calls block, so a second connection of this process that waits for the lock would wait for ever: one line for all.
let queue = Promise.resolve()

export class SqliteDriver {
  name = 'sqlite'
  each = 'json_each'
  beforeSchema = []
  #database
  #statements = new Map()

  constructor(directory) {
    this.directory = directory
  }

  /** Imported late: loading node:sqlite warns that it is experimental, and PostgreSQL's users need not hear that. */
  async open() {
    const { DatabaseSync } = await import('node:sqlite')
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
    this.#database = new DatabaseSync(path.join(this.directory, 'chat.sqlite'))
    this.#database.exec(SETTINGS)
  }

  query(sql, values) {
    return this.#alone(() => this.#run(sql, values))
  }

  /** IMMEDIATE takes the one write lock first, so that numbers are dense across processes. */
  transaction(body) {
    return this.#alone(async () => {
      this.#database.exec('BEGIN IMMEDIATE')
      try {
        const result = await body(async (sql, values) => this.#run(sql, values))
        this.#database.exec('COMMIT')
        return result
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
        throw error
      }
    })
  }

  /** A number that changes when another process has committed. */
  version() {
    return this.#database && this.#run('PRAGMA data_version')[0].data_version
  }

  async close() {
    await queue
    this.#database?.close()
  }

  /** One after the other: what runs between a transaction's statements would read what is not committed. */
  #alone(act) {
    const result = queue.then(act)
    queue = result.catch(() => {})
    return result
  }

  #run(sql, values = []) {
    if (!this.#statements.has(sql)) this.#statements.set(sql, this.#database.prepare(sql.replace(/\$(\d+)/g, '?$1')))
    return this.#statements.get(sql).all(...values)
  }
}
