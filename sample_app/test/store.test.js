// The contract of the store, held by SQLite here and by PostgreSQL where DATABASE_URL names one.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, test } from 'node:test'
import { createMetrics } from '../src/metrics.js'
import { Store } from '../src/store/index.js'

const metrics = createMetrics({ worker: 'w', release: 'r' })
const log = { info() {}, warn() {} }

async function twoStores(t, databaseUrl) {
  const dataDirectory = mkdtempSync(path.join(os.tmpdir(), 'store'))
  const stores = [1, 2].map(() => new Store({ config: { databaseUrl, dataDirectory }, metrics, log }))
  t.after(async () => {
    await Promise.all(stores.map(({ driver }) => driver.close()))
    rmSync(dataDirectory, { recursive: true })
  })
  await Promise.all(stores.map((store) => store.open()))
  return [...stores, `room-${randomUUID()}`]
}

const entry = (room, cid, text = cid, sender = 'ana') => ({ room, sender, cid, text })

for (const [name, url] of [['SQLite', undefined], ['PostgreSQL', process.env.DATABASE_URL]]) {
  const skip = name === 'PostgreSQL' && !url && 'DATABASE_URL is not set'
  describe(`the store on ${name}`, { skip }, () => {
    test('numbers are dense per room, and a repeated cid keeps its number', async (t) => {
      const [store, , room] = await twoStores(t, url)
      const first = await store.append([entry(room, 'a'), entry(`${room}2`, 'a'), entry(room, 'b'), entry(room, 'a')])
      assert.deepEqual(first.results.map(({ seq, duplicate }) => [seq, duplicate]), [[1, false], [1, false], [2, false], [1, true]])
      const second = await store.append([entry(room, 'b'), entry(room, 'b', 'text', 'bob'), entry(room, 'c')])
      assert.deepEqual(second.results.map(({ seq, duplicate }) => [seq, duplicate]), [[2, true], [3, false], [4, false]])
      assert.deepEqual(second.rows.map(({ seq }) => seq), [3, 4])
      const repeated = await store.append([entry(room, 'c')])
      assert.deepEqual([repeated.results, repeated.rows], [[{ seq: 4, duplicate: true }], []])
    })

    test('a number is never given twice, whatever is deleted and repeated', async (t) => {
      const [store, , room] = await twoStores(t, url)
      await store.append([entry(room, 'a'), entry(room, 'b'), entry(room, 'c')])
      await store.driver.session((query) => query('DELETE FROM messages WHERE room = $1 AND seq = 3', [room]))
      await store.append([entry(room, 'a')])
      assert.equal((await store.append([entry(room, 'd')])).results[0].seq, 4)
    })

    test('two writers at the same time leave no hole and no double', async (t) => {
      const [one, other, room] = await twoStores(t, url)
      const batches = Array.from({ length: 40 }, (_, index) => [entry(room, `x${index}`), entry(room, `x${index + 1}`)])
      await Promise.all(batches.flatMap((batch) => [one.append(batch), other.append(batch)]))
      const rows = await one.read(room, 0, 500)
      assert.deepEqual(rows.map(({ seq }) => seq), Array.from({ length: 41 }, (_, index) => index + 1))
      assert.equal(new Set(rows.map(({ cid }) => cid)).size, 41)
    })

    test('rows come back as they went in, ascending', async (t) => {
      const [store, other, room] = await twoStores(t, url)
      const text = 'é\n\t🙂 "\\ \'; DROP TABLE rooms; -- $1 ?1'
      await store.append([entry(room, 'a', text), entry(room, 'b'), entry(room, 'c')])
      const [{ time, ...first }] = await other.read(room, null, 3)
      assert.deepEqual({ ...first }, { room, seq: 1, sender: 'ana', cid: 'a', text })
      assert.ok(Date.parse(time) <= Date.now())
      assert.deepEqual((await other.read(room, null, 2)).map(({ seq }) => seq), [2, 3])
      assert.deepEqual((await other.read(room, 1, 1)).map(({ seq }) => seq), [2])
      assert.deepEqual(await other.read(`${room}-none`, null, 5), [])
      assert.deepEqual(await other.lasts([room, `${room}-none`]), new Map([[room, 3]]))
    })

    test('presence is what each process said last, until it expires', async (t) => {
      const [store, other, room] = await twoStores(t, url)
      const said = async (now) => (await other.present(`${room}1`, now)).flatMap((rooms) => rooms.get(room) ?? [])
      const soon = Date.now() + 1000
      await store.announce(`${room}1`, { [room]: ['ana'] }, soon + 100)
      await store.announce(`${room}2`, { [room]: ['bob', 'cy'], other: ['bob'] }, soon + 100)
      assert.deepEqual(await said(soon), ['bob', 'cy'])
      assert.ok((await other.present(`${room}1`, soon)).every((rooms) => rooms.get('constructor') === undefined))
      assert.deepEqual(await said(soon + 100), [])
      await store.announce(`${room}2`, {}, 0)
      assert.deepEqual(await said(soon), [])
    })

    test('more rooms than one statement can name', async (t) => {
      const [store, , room] = await twoStores(t, url)
      const rooms = Array.from({ length: 2500 }, (_, index) => `${room}-${index}`)
      await store.append([entry(rooms[0], 'a'), entry(rooms[2499], 'a')])
      assert.deepEqual(await store.lasts(rooms), new Map([[rooms[0], 1], [rooms[2499], 1]]))
      assert.deepEqual(await store.lasts([]), new Map())
    })

    test('a transaction that fails leaves nothing behind', async (t) => {
      const [store, , room] = await twoStores(t, url)
      await assert.rejects(store.append([entry(room, 'a'), entry(room, 'b', null)]))
      assert.deepEqual(await store.read(room, null, 5), [])
      assert.equal((await store.append([entry(room, 'a')])).results[0].seq, 1)
    })
  })
}
