// Where messages live. Two stores, one interface, one contract test (test/store.test.js):
//
//   open()                         makes the tables; may be called again after it failed
//   append(entries)                one transaction: {results: [{seq, duplicate}], rows: [stored rows], last}
//   after(room, seq, limit)        rows with a higher seq, ascending
//   newest(room, limit)            the last rows, ascending
//   lasts(rooms)                   Map of room -> newest seq
//   announce(instance, rooms, now, expires)   says who is in a process's rooms; replaces what it said before
//   present(rooms, now, except)    [{room, names, total}] of all processes but one
//   ping(), close()
//
// A row is {room, seq, sender, cid, text, time}; every call rejects while the database is away.
import { PostgresStore } from './postgres.js'
import { SqliteStore } from './sqlite.js'

/** The store that the settings name: PostgreSQL when there is a DATABASE_URL, else SQLite. */
export function createStore({ databaseUrl, onHeroku, dataDirectory }, log) {
  return databaseUrl ? new PostgresStore(databaseUrl, onHeroku, log) : new SqliteStore(dataDirectory)
}
