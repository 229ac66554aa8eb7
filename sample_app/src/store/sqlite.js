// The store on node:sqlite: one file in the data directory, shared by all workers of the machine.
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { number } from './number.js'

// FULL: an acknowledged message outlives a power cut, at one fsync per batch.
const SCHEMA = `
  PRAGMA busy_timeout = 2000;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS rooms (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS messages (
    room TEXT NOT NULL, seq INTEGER NOT NULL, sender TEXT NOT NULL, cid TEXT NOT NULL,
    text TEXT NOT NULL, time TEXT NOT NULL,
    PRIMARY KEY (room, seq), UNIQUE (room, sender, cid)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS presence (
    instance TEXT NOT NULL, room TEXT NOT NULL, names TEXT NOT NULL, total INTEGER NOT NULL, expires INTEGER NOT NULL,
    PRIMARY KEY (instance, room)
  ) STRICT, WITHOUT ROWID;`
const COLUMNS = 'room, seq, sender, cid, text, time'
const STATEMENTS = {
  addRoom: 'INSERT INTO rooms (name, seq) VALUES (?, 0) ON CONFLICT DO NOTHING',
  lastOf: 'SELECT seq FROM rooms WHERE name = ?',
  setLast: 'UPDATE rooms SET seq = ? WHERE name = ?',
  known: 'SELECT room, sender, cid, seq FROM messages WHERE room = ? AND sender = ? AND cid = ?',
  insert: `INSERT INTO messages (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`,
  after: `SELECT ${COLUMNS} FROM messages WHERE room = ? AND seq > ? ORDER BY seq LIMIT ?`,
  newest: `SELECT ${COLUMNS} FROM messages WHERE room = ? ORDER BY seq DESC LIMIT ?`,
  lasts: 'SELECT name, seq FROM rooms WHERE name IN (SELECT value FROM json_each(?))',
  version: 'PRAGMA data_version',
  announce: `INSERT INTO presence VALUES (?, ?, ?, ?, ?) ON CONFLICT (instance, room)
    DO UPDATE SET names = excluded.names, total = excluded.total, expires = excluded.expires`,
  forget: 'DELETE FROM presence WHERE expires < ? OR (instance = ? AND room NOT IN (SELECT value FROM json_each(?)))',
  present: `SELECT room, names, total FROM presence
    WHERE expires >= ? AND instance <> ? AND room IN (SELECT value FROM json_each(?)) ORDER BY room, instance`,
}

/** The SQLite store; see `index.js` for what each method answers. */
export class SqliteStore {
  name = 'sqlite'
  #directory
  #database
  #run

  constructor(directory) {
    this.#directory = directory
  }

  async open() {
    const { DatabaseSync } = await import('node:sqlite')
    mkdirSync(this.#directory, { recursive: true })
    this.#database = new DatabaseSync(path.join(this.#directory, 'chat.sqlite'))
    this.#database.exec(SCHEMA)
    const prepared = Object.entries(STATEMENTS).map(([name, sql]) => [name, this.#database.prepare(sql)])
    this.#run = Object.fromEntries(prepared)
  }

  async append(entries) {
    return this.#transaction(() => {
      const rooms = [...new Set(entries.map((entry) => entry.room))]
      const known = entries.flatMap(({ room, sender, cid }) => this.#run.known.all(room, sender, cid))
      const numbered = number(entries, rooms.map((room) => [room, this.#lockedLast(room)]), known, new Date().toISOString())
      for (const { room, seq, sender, cid, text, time } of numbered.rows) {
        this.#run.insert.run(room, seq, sender, cid, text, time)
      }
      for (const [room, seq] of numbered.last) this.#run.setLast.run(seq, room)
      return numbered
    })
  }

  async after(room, seq, limit) {
    return this.#run.after.all(room, seq, limit)
  }

  async newest(room, limit) {
    return this.#run.newest.all(room, limit).reverse()
  }

  async lasts(rooms) {
    return new Map(this.#run.lasts.all(JSON.stringify(rooms)).map(({ name, seq }) => [name, seq]))
  }

  async announce(instance, rooms, now, expires) {
    this.#transaction(() => {
      this.#run.forget.run(now, instance, JSON.stringify(rooms.map(({ room }) => room)))
      for (const { room, names, total } of rooms) {
        this.#run.announce.run(instance, room, JSON.stringify(names), total, expires)
      }
    })
  }

  async present(rooms, now, except) {
    const rows = this.#run.present.all(now, except, JSON.stringify(rooms))
    return rows.map(({ room, names, total }) => ({ room, names: JSON.parse(names), total }))
  }

  /** A number that changes when another process has committed. */
  version() {
    return this.#run.version.get().data_version
  }

  async ping() {
    this.#run.lastOf.get('')
  }

  async close() {
    this.#database?.close()
  }

  #lockedLast(room) {
    this.#run.addRoom.run(room)
    return this.#run.lastOf.get(room).seq
  }

  /** IMMEDIATE takes the one write lock first, so that numbers are dense across processes. */
  #transaction(body) {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      const result = body()
      this.#database.exec('COMMIT')
      return result
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }
}
