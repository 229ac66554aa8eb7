// Where messages live: one store whose SQL both SQLite and PostgreSQL understand, over one of two drivers.
import { Dependency } from '../dependency.js'
import { PostgresDriver } from './postgres.js'
import { SqliteDriver } from './sqlite.js'

const SCHEMA = [
  'CREATE TABLE IF NOT EXISTS rooms (name TEXT PRIMARY KEY, seq BIGINT NOT NULL)',
  `CREATE TABLE IF NOT EXISTS messages (
    room TEXT NOT NULL, seq BIGINT NOT NULL, sender TEXT NOT NULL, cid TEXT NOT NULL, text TEXT NOT NULL,
    time TEXT NOT NULL,
    PRIMARY KEY (room, seq), UNIQUE (room, sender, cid))`,
  'CREATE TABLE IF NOT EXISTS processes (instance TEXT PRIMARY KEY, rooms TEXT NOT NULL, expires BIGINT NOT NULL)',
]

/** Lists travel as JSON, which `each` turns into rows, so that a statement is the same for any number of items. */
const statements = (each) => ({
  // Takes the lock of each room's row, whose `seq` only ever grows.
  lock: `INSERT INTO rooms (name, seq) SELECT DISTINCT value->>'room', 0 FROM ${each}($1) WHERE TRUE ORDER BY 1
    ON CONFLICT (name) DO UPDATE SET seq = rooms.seq`,
  // Dense numbers, in the order of `position`, for the first entry of each cid that is not there yet.
  insert: `INSERT INTO messages (room, seq, sender, cid, text, time)
    SELECT room, seq + row_number() OVER (PARTITION BY room ORDER BY position), sender, cid, text, $2
    FROM (${given(each)}) AS given JOIN rooms ON name = room WHERE turn = 1 AND known IS NULL`,
  numbers: `SELECT known AS seq, turn > 1 OR known <= seq AS duplicate
    FROM (${given(each)}) AS given JOIN rooms ON name = room ORDER BY position`,
  advance: `UPDATE rooms SET seq = (SELECT max(seq) FROM messages WHERE room = name)
    WHERE name IN (SELECT value->>'room' FROM ${each}($1))`,
  // Numbers are dense: the newest `limit` are those above the last one less `limit`.
  read: `SELECT * FROM messages WHERE room = $1 AND seq >
    COALESCE($2, (SELECT seq FROM rooms WHERE name = $1) - $3) ORDER BY seq LIMIT $3`,
  lasts: `SELECT name, seq FROM rooms WHERE name IN (SELECT value->>'room' FROM ${each}($1))`,
  forget: 'DELETE FROM processes WHERE expires < $1',
  announce: `INSERT INTO processes (instance, rooms, expires) VALUES ($1, $2, $3)
    ON CONFLICT (instance) DO UPDATE SET rooms = excluded.rooms, expires = excluded.expires`,
  present: 'SELECT rooms FROM processes WHERE instance <> $1 AND expires > $2',
})

/** The entries as rows; `turn` counts those that share room, sender and cid, `known` is their number if they have one. */
const given = (each) => `SELECT entry.*, row_number() OVER (PARTITION BY room, sender, cid ORDER BY position) AS turn,
    (SELECT seq FROM messages WHERE (room, sender, cid) = (entry.room, entry.sender, entry.cid)) AS known
  FROM (SELECT value->>'room' AS room, value->>'sender' AS sender, value->>'cid' AS cid, value->>'text' AS text,
    CAST(value->>'position' AS INTEGER) AS position FROM ${each}($1)) AS entry`

/**
 * A row is {room, seq, sender, cid, text, time}. Every call rejects while the database is away.
 * A driver has begin and beforeSchema (SQL), `each` (its function that turns a JSON array into rows with a column
 * `value`), close(), lookMs (how often it may be asked what is new), and session(body(query)) on one connection,
 * rolled back where anything fails.
 */
export class Store {
  #isOpen = false

  constructor(driver, dependency) {
    Object.assign(this, { driver, dependency, sql: statements(driver.each) })
  }

  /** Make the tables, and forget the processes that have died, the first time. */
  async open() {
    if (this.#isOpen) return
    await this.#transaction('open', async (query) => {
      for (const sql of [...this.driver.beforeSchema, ...SCHEMA]) await query(sql)
      await query(this.sql.forget, [Date.now()])
    })
    this.#isOpen = true
  }

  /** Store {room, sender, cid, text} entries in one transaction: {results: [{seq, duplicate}], rows: what is new}. */
  append(entries) {
    const list = JSON.stringify(entries.map((entry, position) => ({ ...entry, position })))
    const time = new Date().toISOString()
    return this.#transaction('append', async (query) => {
      await query(this.sql.lock, [list])
      await query(this.sql.insert, [list, time])
      const numbers = await query(this.sql.numbers, [list])
      await query(this.sql.advance, [list])
      const results = numbers.map(({ seq, duplicate }) => ({ seq, duplicate: Boolean(duplicate) }))
      const rows = entries.map((entry, position) => ({ ...entry, seq: results[position].seq, time }))
      return { results, rows: rows.filter((row, position) => !results[position].duplicate) }
    })
  }

  /** Rows with a seq above `after`, or the newest ones where that is null; ascending, at most `limit`. */
  read(room, after, limit) {
    return this.#query('read', this.sql.read, [room, after, limit])
  }

  /** Map of room -> newest seq. */
  async lasts(rooms) {
    const found = await this.#query('lasts', this.sql.lasts, [JSON.stringify(rooms.map((room) => ({ room })))])
    return new Map(found.map(({ name, seq }) => [name, seq]))
  }

  /** Say who is in a process's rooms ({room: [names]}) until `expires`; replaces what it said before. */
  announce(instance, rooms, expires) {
    return this.#query('announce', this.sql.announce, [instance, JSON.stringify(rooms), expires])
  }

  /** What all processes but `instance` have said last: [{room: [names]}]. */
  async present(instance, now) {
    const found = await this.#query('present', this.sql.present, [instance, now])
    return found.map(({ rooms }) => JSON.parse(rooms))
  }

  close() {
    return this.driver.close()
  }

  #query(op, sql, values) {
    return this.dependency.ask(op, () => this.driver.session((query) => query(sql, values)))
  }

  #transaction(op, body) {
    const whole = async (query) => {
      await query(this.driver.begin)
      const result = await body(query)
      await query('COMMIT')
      return result
    }
    return this.dependency.ask(op, () => this.driver.session(whole))
  }
}

/** The store that the settings name: PostgreSQL when there is a DATABASE_URL, else SQLite. */
export function createStore({ databaseUrl, onHeroku, dataDirectory }, { metrics, log }) {
  const driver = databaseUrl ? new PostgresDriver(databaseUrl, onHeroku, log) : new SqliteDriver(dataDirectory)
  return new Store(driver, new Dependency('store', driver.name, metrics.storeSeconds, { metrics, log }))
}
