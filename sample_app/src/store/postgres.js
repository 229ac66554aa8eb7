// The driver for PostgreSQL, for workers on several machines.
import pg from 'pg'

const TIMEOUT_MS = 5000

// Sequence numbers are bigint, which pg gives as text because not every bigint is a JavaScript number; these are.
pg.types.setTypeParser(pg.types.builtins.INT8, Number)

export class PostgresDriver {
  name = 'postgres'
  each = 'json_array_elements'
  // Two `CREATE TABLE IF NOT EXISTS` at the same moment collide in PostgreSQL.
  beforeSchema = ['SELECT pg_advisory_xact_lock(7310574)']
  begin = 'BEGIN'
  lookMs = 1000
  #pool

  constructor({ databaseUrl, onHeroku }) {
    this.#pool = new pg.Pool({
      connectionString: databaseUrl,
      // Heroku's chain is self-signed: accepted here only.
      ...(onHeroku && { ssl: { rejectUnauthorized: false } }),
      max: 4,
      connectionTimeoutMillis: TIMEOUT_MS, // also how long a call waits for one of the connections
      query_timeout: TIMEOUT_MS,
      statement_timeout: TIMEOUT_MS,
      idle_in_transaction_session_timeout: TIMEOUT_MS,
      application_name: 'chat',
    })
    // The loss of a connection is the business of its next call; unheard it would end the process. The pool itself
    // listens to those that are in use no more.
    this.#pool.on('error', () => {}).on('connect', (client) => client.on('error', () => {}))
  }

  /** A connection on which anything failed is thrown away, which rolls back: nothing is known about its state. */
  async session(body) {
    const client = await this.#pool.connect()
    const result = body(async (sql, values) => (await client.query(sql, values)).rows)
    await result.then(() => client.release(), () => client.release(true))
    return result
  }

  close() {
    return this.#pool.end()
  }
}
