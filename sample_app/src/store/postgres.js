// The store on PostgreSQL, for workers on several machines.
import pg from 'pg'
import { number } from './number.js'

const SCHEMA = `
  SELECT pg_advisory_xact_lock(7310574);
  CREATE TABLE IF NOT EXISTS rooms (name text PRIMARY KEY, seq bigint NOT NULL);
  CREATE TABLE IF NOT EXISTS messages (
    room text NOT NULL, seq bigint NOT NULL, sender text NOT NULL, cid text NOT NULL,
    text text NOT NULL, time text NOT NULL,
    PRIMARY KEY (room, seq), UNIQUE (room, sender, cid));
  CREATE TABLE IF NOT EXISTS presence (
    instance text NOT NULL, room text NOT NULL, names jsonb NOT NULL, total integer NOT NULL, expires bigint NOT NULL,
    PRIMARY KEY (instance, room));`
// The no-op update takes each room's row lock, in the order of the names, and answers its newest seq.
const LOCK = `INSERT INTO rooms (name, seq) SELECT name, 0 FROM unnest($1::text[]) AS name
  ON CONFLICT (name) DO UPDATE SET seq = rooms.seq RETURNING name, seq`
const KNOWN = `SELECT room, sender, cid, seq FROM messages
  WHERE (room, sender, cid) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))`
const INSERT = `WITH counted AS (
    UPDATE rooms SET seq = new.seq FROM unnest($7::text[], $8::bigint[]) AS new (name, seq) WHERE rooms.name = new.name)
  INSERT INTO messages (room, seq, sender, cid, text, time)
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])`
const AFTER = 'SELECT room, seq, sender, cid, text, time FROM messages WHERE room = $1 AND seq > $2 ORDER BY seq LIMIT $3'
const NEWEST = 'SELECT room, seq, sender, cid, text, time FROM messages WHERE room = $1 ORDER BY seq DESC LIMIT $2'
const FORGET = 'DELETE FROM presence WHERE expires < $1 OR (instance = $2 AND room <> ALL ($3::text[]))'
const ANNOUNCE = `INSERT INTO presence SELECT $1, room, names, total, $5::bigint
  FROM unnest($2::text[], $3::jsonb[], $4::integer[]) AS new (room, names, total)
  ON CONFLICT (instance, room) DO UPDATE SET names = excluded.names, total = excluded.total, expires = excluded.expires`
const PRESENT = 'SELECT room, names, total FROM presence WHERE expires >= $1 AND instance <> $2 AND room = ANY ($3::text[]) ORDER BY room, instance'
const TIMEOUT_MS = 5000

/** The PostgreSQL store; see `index.js` for what each method answers. */
export class PostgresStore {
  name = 'postgres'
  #pool

  /** `relaxTls` accepts Heroku's self-signed chain, for this client only. */
  constructor(url, relaxTls, log) {
    this.#pool = new pg.Pool({
      connectionString: url,
      ...(relaxTls && { ssl: { rejectUnauthorized: false } }),
      max: 4,
      connectionTimeoutMillis: 2000,
      query_timeout: TIMEOUT_MS,
      statement_timeout: TIMEOUT_MS,
      idle_in_transaction_session_timeout: TIMEOUT_MS,
      application_name: 'chat',
    })
    this.#pool.on('error', (error) => log.warn({ error: error.message }, 'idle database connection lost'))
  }

  async open() {
    await this.#transaction((client) => client.query(SCHEMA))
  }

  async append(entries) {
    return this.#transaction(async (client) => {
      const rooms = [...new Set(entries.map((entry) => entry.room))].sort()
      const locked = await client.query(LOCK, [rooms])
      const { rows: known } = await client.query(KNOWN, columns(entries, ['room', 'sender', 'cid']))
      const last = locked.rows.map(({ name, seq }) => [name, Number(seq)])
      const numbered = number(entries, last, known, new Date().toISOString())
      await client.query(INSERT, [
        ...columns(numbered.rows, ['room', 'seq', 'sender', 'cid', 'text', 'time']),
        [...numbered.last.keys()], [...numbered.last.values()],
      ])
      return numbered
    })
  }

  async after(room, seq, limit) {
    return withNumbers(await this.#pool.query(AFTER, [room, seq, limit]))
  }

  async newest(room, limit) {
    return withNumbers(await this.#pool.query(NEWEST, [room, limit])).reverse()
  }

  async lasts(rooms) {
    const { rows } = await this.#pool.query('SELECT name, seq FROM rooms WHERE name = ANY ($1::text[])', [rooms])
    return new Map(rows.map(({ name, seq }) => [name, Number(seq)]))
  }

  async announce(instance, rooms, now, expires) {
    const [names, members, totals] = columns(rooms, ['room', 'names', 'total'])
    await this.#transaction(async (client) => {
      await client.query(FORGET, [now, instance, names])
      await client.query(ANNOUNCE, [instance, names, members.map((list) => JSON.stringify(list)), totals, expires])
    })
  }

  async present(rooms, now, except) {
    return (await this.#pool.query(PRESENT, [now, except, rooms])).rows
  }

  async ping() {
    await this.#pool.query('SELECT 1')
  }

  async close() {
    await this.#pool.end()
  }

  /** A connection whose transaction failed is thrown away: nothing is known about its state. */
  async #transaction(body) {
    const client = await this.#pool.connect()
    try {
      await client.query('BEGIN')
      const result = await body(client)
      await client.query('COMMIT')
      client.release()
      return result
    } catch (error) {
      client.release(true)
      throw error
    }
  }
}

function columns(rows, names) {
  return names.map((name) => rows.map((row) => row[name]))
}

function withNumbers({ rows }) {
  return rows.map((row) => ({ ...row, seq: Number(row.seq) }))
}
