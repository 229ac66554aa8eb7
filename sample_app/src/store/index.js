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
  // Takes the lock of each room's row, and answers its newest seq, which only ever grows.
  lock: `INSERT INTO rooms (name, seq) SELECT DISTINCT value->>'room', 0 FROM ${each}($1) WHERE TRUE ORDER BY 1
    ON CONFLICT (name) DO UPDATE SET seq = rooms.seq RETURNING name, seq`,
  known: `SELECT room, sender, cid, seq FROM messages WHERE (room, sender, cid) IN
    (SELECT value->>'room', value->>'sender', value->>'cid' FROM ${each}($1))`,
  insert: `INSERT INTO messages (room, seq, sender, cid, text, time) SELECT value->>'room',
    CAST(value->>'seq' AS BIGINT), value->>'sender', value->>'cid', value->>'text', value->>'time' FROM ${each}($1)`,
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

/**
 * A row is {room, seq, sender, cid, text, time}. Every call rejects while the database is away.
 * A driver has begin and beforeSchema (SQL), `each` (its function that turns a JSON array into rows with a column
 * `value`), close(), lookMs (how often it may be asked what is new), and session(body(query)) on one connection,
 * rolled back where anything fails.
 */
export class Store extends Dependency {
  #isOpen = false

  /** The store that the settings name: PostgreSQL when there is a DATABASE_URL, else SQLite. */
  constructor({ config, metrics, log }) {
    const driver = config.databaseUrl ? new PostgresDriver(config) : new SqliteDriver(config)
    super('store', driver.name, metrics.storeSeconds, { metrics, log })
    Object.assign(this, { driver, sql: statements(driver.each) })
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
    return this.#transaction('append', async (query) => {
      const given = JSON.stringify(entries)
      const locked = await query(this.sql.lock, [given])
      const numbered = number(entries, locked, await query(this.sql.known, [given]))
      await query(this.sql.insert, [JSON.stringify(numbered.rows)])
      await query(this.sql.advance, [JSON.stringify(numbered.rows)])
      return numbered
    })
  }

  /** Rows with a seq above `after`, or the newest ones where that is null; ascending, at most `limit`. */
  read(room, after, limit) {
    return this.#query('read', [room, after, limit])
  }

  /** Map of room -> newest seq. */
  async lasts(rooms) {
    const found = await this.#query('lasts', [JSON.stringify(rooms.map((room) => ({ room })))])
    return new Map(found.map(({ name, seq }) => [name, seq]))
  }

  /** Say who is in a process's rooms ({room: [names]}) until `expires`; replaces what it said before. */
  announce(instance, rooms, expires) {
    return this.#query('announce', [instance, JSON.stringify(rooms), expires], true)
  }

  /** What all processes but `instance` have said last: [Map of room -> names]. */
  async present(instance, now) {
    const found = await this.#query('present', [instance, now])
    return found.map(({ rooms }) => new Map(Object.entries(JSON.parse(rooms))))
  }

  /** A store that can be read may be one that cannot be written. */
  #query(op, values, writes = false) {
    return this.ask(op, () => this.driver.session((query) => query(this.sql[op], values)), writes)
  }

  #transaction(op, body) {
    const whole = async (query) => {
      await query(this.driver.begin)
      const result = await body(query)
      await query('COMMIT')
      return result
    }
    return this.ask(op, () => this.driver.session(whole))
  }
}

/** Numbers are dense per room, and a repeated cid gets the number of its first time; the rooms' locks are held. */
function number(entries, locked, known) {
  const time = new Date().toISOString()
  const lasts = new Map(locked.map(({ name, seq }) => [name, seq]))
  const seqs = new Map(known.map((row) => [key(row), row.seq]))
  const rows = []
  const results = entries.map((entry) => {
    const stored = seqs.get(key(entry))
    if (stored !== undefined) return { seq: stored, duplicate: true }
    const seq = lasts.get(entry.room) + 1
    lasts.set(entry.room, seq)
    seqs.set(key(entry), seq)
    rows.push({ ...entry, seq, time })
    return { seq, duplicate: false }
  })
  return { results, rows }
}

const key = ({ room, sender, cid }) => JSON.stringify([room, sender, cid])
