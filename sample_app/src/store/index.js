// Where messages live: one store whose SQL both SQLite and PostgreSQL understand, over one of two drivers.
import { PostgresDriver } from './postgres.js'
import { SqliteDriver } from './sqlite.js'

const SCHEMA = [
  'CREATE TABLE IF NOT EXISTS rooms (name TEXT PRIMARY KEY, seq BIGINT NOT NULL)',
  `CREATE TABLE IF NOT EXISTS messages (
    room TEXT NOT NULL, seq BIGINT NOT NULL, sender TEXT NOT NULL, cid TEXT NOT NULL, text TEXT NOT NULL,
    time TEXT NOT NULL,
    PRIMARY KEY (room, seq), UNIQUE (room, sender, cid))`,
  `CREATE TABLE IF NOT EXISTS presence (
    instance TEXT NOT NULL, room TEXT NOT NULL, names TEXT NOT NULL, total INTEGER NOT NULL, expires BIGINT NOT NULL,
    PRIMARY KEY (instance, room))`,
]

/**
 * A row is {room, seq, sender, cid, text, time}. Every call rejects while the database is away.
 * A driver has name, beforeSchema, open(), query(sql, values), transaction(body(query)), close(), maybe version(), and
 * `each`, the name of its function that turns a JSON array into rows with a column `value`.
 */
export class Store {
  constructor(driver) {
    Object.assign(this, { driver, name: driver.name, version: driver.version?.bind(driver) })
    this.sql = statements(driver.each)
  }

  /** Make the tables; may be called again after it failed. */
  async open() {
    await this.driver.open()
    await this.driver.transaction(async (query) => {
      for (const sql of [...this.driver.beforeSchema, ...SCHEMA]) await query(sql)
    })
  }

  /** Store {room, sender, cid, text} entries in one transaction: {results: [{seq, duplicate}], rows: what is new}. */
  append(entries) {
    return this.driver.transaction(async (query) => {
      const given = JSON.stringify(entries)
      const locked = await query(this.sql.lock, [given])
      const numbered = number(entries, locked, await query(this.sql.known, [given]))
      if (numbered.rows.length > 0) {
        await query(this.sql.insert, [JSON.stringify(numbered.rows)])
        await query(this.sql.advance, [given])
      }
      return numbered
    })
  }

  /** Rows with a higher seq, ascending. */
  after(room, seq, limit) {
    const sql = 'SELECT * FROM messages WHERE room = $1 AND seq > $2 ORDER BY seq LIMIT $3'
    return this.driver.query(sql, [room, seq, limit])
  }

  /** The last rows, ascending. */
  async newest(room, limit) {
    const sql = 'SELECT * FROM messages WHERE room = $1 ORDER BY seq DESC LIMIT $2'
    return (await this.driver.query(sql, [room, limit])).reverse()
  }

  /** Map of room -> newest seq. */
  async lasts(rooms) {
    const found = await this.driver.query(this.sql.lasts, [named(rooms)])
    return new Map(found.map(({ name, seq }) => [name, seq]))
  }

  /** Say who is in a process's rooms ({room, names, total}); replaces what it said before. */
  announce(instance, rooms, now, expires) {
    return this.driver.transaction(async (query) => {
      await query('DELETE FROM presence WHERE instance = $1 OR expires < $2', [instance, now])
      await query(this.sql.announce, [instance, JSON.stringify(rooms), expires])
    })
  }

  /** [{room, names, total}] of all processes but `except`. */
  async present(rooms, now, except) {
    const found = await this.driver.query(this.sql.present, [now, except, named(rooms)])
    return found.map((row) => ({ ...row, names: JSON.parse(row.names) }))
  }

  /** Resolves when the database answers; the first time, the tables are made. */
  async ping() {
    if (!this.opened) await this.open()
    this.opened = true
    await this.driver.query('SELECT 1')
  }

  close() {
    return this.driver.close()
  }
}

/** The store that the settings name: PostgreSQL when there is a DATABASE_URL, else SQLite. */
export function createStore({ databaseUrl, onHeroku, dataDirectory }, log) {
  return new Store(databaseUrl ? new PostgresDriver(databaseUrl, onHeroku, log) : new SqliteDriver(dataDirectory))
}

/** Lists travel as JSON, so that a statement is the same for any number of items. */
function statements(each) {
  return {
    // The update that changes nothing takes each room's row lock, and answers its newest seq.
    lock: `INSERT INTO rooms (name, seq) SELECT DISTINCT value->>'room', 0 FROM ${each}($1) WHERE TRUE ORDER BY 1
      ON CONFLICT (name) DO UPDATE SET seq = rooms.seq RETURNING name, seq`,
    known: `SELECT room, sender, cid, seq FROM messages WHERE (room, sender, cid) IN
      (SELECT value->>'room', value->>'sender', value->>'cid' FROM ${each}($1))`,
    insert: `INSERT INTO messages (room, seq, sender, cid, text, time) SELECT value->>'room',
      CAST(value->>'seq' AS BIGINT), value->>'sender', value->>'cid', value->>'text', value->>'time' FROM ${each}($1)`,
    advance: `UPDATE rooms SET seq = (SELECT max(seq) FROM messages WHERE room = name)
      WHERE name IN (SELECT value->>'room' FROM ${each}($1))`,
    lasts: `SELECT name, seq FROM rooms WHERE name IN (SELECT value->>'room' FROM ${each}($1))`,
    announce: `INSERT INTO presence (instance, room, names, total, expires) SELECT $1, value->>'room', value->>'names',
      CAST(value->>'total' AS INTEGER), $3 FROM ${each}($2)`,
    present: `SELECT room, names, total FROM presence WHERE expires >= $1 AND instance <> $2
      AND room IN (SELECT value->>'room' FROM ${each}($3)) ORDER BY room, instance`,
  }
}

function named(rooms) {
  return JSON.stringify(rooms.map((room) => ({ room })))
}

/** Numbers are dense per room, and a repeated cid gets the number of its first time; the rooms' locks are held. */
function number(entries, locked, known) {
  const time = new Date().toISOString()
  const last = new Map(locked.map(({ name, seq }) => [name, seq]))
  const seqs = new Map(known.map((row) => [key(row), row.seq]))
  const rows = []
  const results = entries.map((entry) => {
    const stored = seqs.get(key(entry))
    if (stored !== undefined) return { seq: stored, duplicate: true }
    const seq = last.get(entry.room) + 1
    last.set(entry.room, seq)
    seqs.set(key(entry), seq)
    rows.push({ ...entry, seq, time })
    return { seq, duplicate: false }
  })
  return { results, rows }
}

function key({ room, sender, cid }) {
  return JSON.stringify([room, sender, cid])
}
