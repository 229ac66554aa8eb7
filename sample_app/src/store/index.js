// Where messages live: one store whose SQL both SQLite and PostgreSQL understand, over one of two drivers.
import { number } from './number.js'
import { PostgresDriver } from './postgres.js'
import { SqliteDriver } from './sqlite.js'

const SCHEMA = [
  'CREATE TABLE IF NOT EXISTS rooms (name TEXT PRIMARY KEY, seq BIGINT NOT NULL)',
  `CREATE TABLE IF NOT EXISTS messages (
    room TEXT NOT NULL, seq BIGINT NOT NULL, sender TEXT NOT NULL, cid TEXT NOT NULL, text TEXT NOT NULL, time TEXT NOT NULL,
    PRIMARY KEY (room, seq), UNIQUE (room, sender, cid))`,
  `CREATE TABLE IF NOT EXISTS presence (
    instance TEXT NOT NULL, room TEXT NOT NULL, names TEXT NOT NULL, total INTEGER NOT NULL, expires BIGINT NOT NULL,
    PRIMARY KEY (instance, room))`,
]
const SLICE = 1000
const COLUMNS = ['room', 'seq', 'sender', 'cid', 'text', 'time']

/**
 * A row is {room, seq, sender, cid, text, time}. Every call rejects while the database is away.
 * A driver has name, beforeSchema, open(), query(sql, values), transaction(body(query)), close(), and maybe version().
 */
export class Store {
  constructor(driver) {
    this.driver = driver
    this.name = driver.name
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
      const rooms = [...new Set(entries.map((entry) => entry.room))].sort()
      // The update that changes nothing takes each room's row lock, and answers its newest seq.
      const locked = await query(`INSERT INTO rooms (name, seq) VALUES ${rows(rooms.length, 1, ', 0')}
        ON CONFLICT (name) DO UPDATE SET seq = rooms.seq RETURNING name, seq`, rooms)
      const known = await query(`SELECT room, sender, cid, seq FROM messages
        WHERE (room, sender, cid) IN (VALUES ${rows(entries.length, 3)})`, values(entries, ['room', 'sender', 'cid']))
      const numbered = number(entries, locked, known, new Date().toISOString())
      if (numbered.rows.length > 0) await insert(query, numbered)
      return numbered
    })
  }

  /** Rows with a higher seq, ascending. */
  after(room, seq, limit) {
    const sql = `SELECT ${COLUMNS} FROM messages WHERE room = $1 AND seq > $2 ORDER BY seq LIMIT $3`
    return this.driver.query(sql, [room, seq, limit])
  }

  /** The last rows, ascending. */
  async newest(room, limit) {
    const sql = `SELECT ${COLUMNS} FROM messages WHERE room = $1 ORDER BY seq DESC LIMIT $2`
    return (await this.driver.query(sql, [room, limit])).reverse()
  }

  /** Map of room -> newest seq. */
  async lasts(rooms) {
    const found = await inSlices(rooms, (slice) =>
      this.driver.query(`SELECT name, seq FROM rooms WHERE name IN (${placeholders(slice.length, 0)})`, slice))
    return new Map(found.map(({ name, seq }) => [name, seq]))
  }

  /** Say who is in a process's rooms ({room, names, total}); replaces what it said before. */
  announce(instance, rooms, now, expires) {
    return this.driver.transaction(async (query) => {
      await query('DELETE FROM presence WHERE instance = $1 OR expires < $2', [instance, now])
      const told = rooms.map(({ room, names, total }) => ({ instance, room, names: JSON.stringify(names), total, expires }))
      await inSlices(told, (slice) => query(`INSERT INTO presence VALUES ${rows(slice.length, 5)}`,
        values(slice, ['instance', 'room', 'names', 'total', 'expires'])))
    })
  }

  /** [{room, names, total}] of all processes but `except`. */
  async present(rooms, now, except) {
    const found = await inSlices(rooms, (slice) => this.driver.query(`SELECT room, names, total FROM presence
      WHERE expires >= $1 AND instance <> $2 AND room IN (${placeholders(slice.length, 2)}) ORDER BY room, instance`,
    [now, except, ...slice]))
    return found.map((row) => ({ ...row, names: JSON.parse(row.names) }))
  }

  async ping() {
    await this.driver.query('SELECT 1')
  }

  /** A function whose number changes when another process has committed; undefined where the database has none. */
  get version() {
    return this.driver.version?.bind(this.driver)
  }

  close() {
    return this.driver.close()
  }
}

/** The store that the settings name: PostgreSQL when there is a DATABASE_URL, else SQLite. */
export function createStore({ databaseUrl, onHeroku, dataDirectory }, log) {
  return new Store(databaseUrl ? new PostgresDriver(databaseUrl, onHeroku, log) : new SqliteDriver(dataDirectory))
}

async function insert(query, { rows: fresh, last }) {
  await query(`INSERT INTO messages (${COLUMNS}) VALUES ${rows(fresh.length, COLUMNS.length)}`, values(fresh, COLUMNS))
  await query(`INSERT INTO rooms (name, seq) VALUES ${rows(last.size, 2)}
    ON CONFLICT (name) DO UPDATE SET seq = excluded.seq`, [...last].flat())
}

/** Both databases limit the values of one statement. */
async function inSlices(items, query) {
  const found = []
  for (let start = 0; start < items.length; start += SLICE) found.push(...(await query(items.slice(start, start + SLICE))))
  return found
}

/** `($1, $2), ($3, $4)`: placeholders for `count` rows of `width` values, each row ending in `rest`. */
function rows(count, width, rest = '') {
  return Array.from({ length: count }, (_, row) => `(${placeholders(width, row * width)}${rest})`).join(', ')
}

function placeholders(count, offset) {
  return Array.from({ length: count }, (_, index) => `$${offset + index + 1}`).join(', ')
}

function values(items, names) {
  return items.flatMap((item) => names.map((name) => item[name]))
}
