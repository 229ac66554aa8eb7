// Rooms over a store that is made up: holes are read, a lost store starts over, and what is being loaded is left alone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTick } from 'node:timers/promises'
import { Rooms } from '../src/rooms.js'

const none = { inc() {}, observe() {} }
const row = (seq) => ({ room: 'lobby', seq, sender: 'ana', cid: `cid-${seq}`, text: 'x', time: new Date(seq).toISOString() })

function stage(count) {
  const stored = Array.from({ length: count }, (_, index) => row(index + 1))
  const store = {
    reads: 0,
    async read(room, after, limit) {
      this.reads += 1
      await nextTick()
      return after === null ? stored.slice(-limit) : stored.filter(({ seq }) => seq > after).slice(0, limit)
    },
    lasts: async () => new Map(stored.length > 0 ? [['lobby', stored.at(-1).seq]] : []),
  }
  const metrics = { deliveries: none, dropped: none, fanoutSeconds: none, resumes: none, resumeMessages: none }
  return { stored, store, rooms: new Rooms({ store, metrics }) }
}

function member() {
  const frames = []
  const take = (bytes) => frames.push(...bytes.toString().match(/\{"type":"(message|history)".*?(?=\{"type":"message"|$)/gs) ?? [])
  return { frames, rooms: new Set(['lobby']), name: 'ana', history: (text) => frames.push(text), write: (bytes) => take(bytes) || true }
}

const seqs = (text) => [...text.matchAll(/"seq":(\d+)/g)].map(([, seq]) => Number(seq))

test('a hint beyond a hole is read from the store, each message once and in order', async () => {
  const { stored, rooms } = stage(2)
  const ana = member()
  await rooms.join(ana, 'lobby', 2)
  stored.push(row(3), row(4), row(5))
  rooms.heard({ rows: [row(5)], committed: 1 })
  rooms.heard({ rows: [row(4)], committed: 1 })
  for (let turn = 0; turn < 5; turn += 1) await nextTick()
  rooms.heard({ rows: [row(3), row(4)], committed: 1 })
  await nextTick()
  assert.deepEqual(ana.frames.flatMap(seqs), [3, 4, 5])
})

test('a long history is taken from its newest 500 on', async () => {
  const { rooms } = stage(1200)
  const [ana, bob] = [member(), member()]
  await rooms.join(ana, 'lobby', 700)
  await rooms.join(bob, 'lobby', 699)
  assert.deepEqual([seqs(ana.frames[0]).length, seqs(ana.frames[0])[0]], [500, 701])
  assert.deepEqual([seqs(bob.frames[0]).length, bob.frames[0].endsWith('"reset":true}')], [50, true])
})

test('what a look at the store finds newer is read, and a store that was lost makes the members start over', async () => {
  const { stored, rooms } = stage(3)
  const ana = member()
  await rooms.join(ana, 'lobby', 3)
  stored.push(row(4))
  await rooms.compare()
  for (let turn = 0; turn < 5; turn += 1) await nextTick()
  assert.deepEqual(seqs(ana.frames.at(-1)), [4])
  stored.splice(1)
  await rooms.compare()
  for (let turn = 0; turn < 5; turn += 1) await nextTick()
  assert.deepEqual([seqs(ana.frames.at(-1)), ana.frames.at(-1).endsWith('"reset":true}')], [[1], true])
  stored.push(row(2))
  rooms.heard({ rows: [row(2)], committed: 1 })
  await nextTick()
  assert.deepEqual(seqs(ana.frames.at(-1)), [2])
})

test('a look at the store leaves a room alone that is being loaded', async () => {
  const { store, rooms } = stage(3)
  const joining = rooms.join(member(), 'lobby', null)
  await Promise.resolve()
  const room = rooms.all.get('lobby')
  await rooms.compare()
  await joining
  assert.equal(rooms.all.get('lobby'), room)
  assert.equal(store.reads, 1)
})

test('two looks at a store that was lost leave the room alone that was made between them', async () => {
  const { stored, store, rooms } = stage(5)
  await rooms.join(member(), 'lobby', null)
  stored.splice(2)
  const { lasts } = store
  const first = rooms.compare()
  const { promise, resolve } = Promise.withResolvers()
  store.lasts = () => promise.then(lasts)
  const second = rooms.compare()
  await first
  const bob = member()
  await rooms.join(bob, 'lobby', null)
  resolve()
  await second
  for (let turn = 0; turn < 5; turn += 1) await nextTick()
  rooms.heard({ rows: [row(3)], committed: 1 })
  await nextTick()
  assert.deepEqual(bob.frames.flatMap(seqs), [1, 2, 3])
})

test('who leaves while the store is away is not waited for', { timeout: 5000 }, async () => {
  const { store, rooms } = stage(1)
  store.read = () => Promise.reject(new Error('away'))
  const refused = []
  const ana = { ...member(), refuse: ({ code }) => refused.push(code) }
  const joining = rooms.join(ana, 'lobby', null)
  rooms.leave(ana, 'lobby')
  await joining
  assert.deepEqual([ana.frames, refused], [[], ['unavailable']])
  assert.equal(rooms.all.size, 0, 'the room is not kept for ever')
})

test('who joins a room that is known already gets its history although the store is away, and no refusal', async () => {
  const { store, rooms } = stage(3)
  await rooms.join(member(), 'lobby', null)
  store.read = () => Promise.reject(new Error('away'))
  const bob = { ...member(), refuse: () => assert.fail('refused') }
  await rooms.join(bob, 'lobby', 1)
  assert.deepEqual(bob.frames.flatMap(seqs), [2, 3])
})

test('a large history goes to a client in pages, each when the one before is read, also while the room goes on', async () => {
  const { stored, rooms } = stage(100)
  for (const one of stored) one.text = '日'.repeat(4000)
  const ana = member()
  const pages = []
  const history = (text) => {
    pages.push({ text, read: Promise.withResolvers() })
    ana.reading = pages.at(-1).read.promise.then(() => (ana.reading = undefined))
  }
  const joining = rooms.join(Object.assign(ana, { history }), 'lobby', 0)
  for (let page = 0; page < 4; page += 1) {
    for (let turn = 0; turn < 5; turn += 1) await nextTick()
    assert.deepEqual([pages.length, ana.frames], [page + 1, []])
    rooms.heard({ rows: [row(101 + page)], committed: 1 })
    pages[page].read.resolve()
  }
  await joining
  assert.ok(pages.every(({ text }) => Buffer.byteLength(text) < 400_000 && text.endsWith('"reset":false}')))
  assert.deepEqual(pages.flatMap(({ text }) => seqs(text)), Array.from({ length: 103 }, (_, index) => index + 1))
  await nextTick()
  assert.deepEqual(ana.frames.flatMap(seqs), [104])
})

test('histories go to a client one after the other, as it reads', async () => {
  const { rooms } = stage(1)
  const { promise, resolve } = Promise.withResolvers()
  const ana = member()
  const history = (text) => {
    ana.frames.push(text)
    ana.reading = promise.then(() => (ana.reading = undefined))
  }
  Object.assign(ana, { history, rooms: new Set(['lobby', 'other']) })
  const joining = ['lobby', 'other', 'lobby'].map((room) => rooms.join(ana, room, null))
  for (let turn = 0; turn < 5; turn += 1) await nextTick()
  assert.equal(ana.frames.length, 1)
  resolve()
  await Promise.all(joining)
  assert.equal(ana.frames.length, 3)
})

test('a row that somebody has deleted makes no other come twice', async () => {
  const { stored, rooms } = stage(10)
  stored.splice(4, 1)
  const ana = member()
  await rooms.join(ana, 'lobby', null)
  await rooms.compare()
  for (let turn = 0; turn < 5; turn += 1) await nextTick()
  assert.deepEqual(ana.frames.flatMap(seqs), [1, 2, 3, 4, 6, 7, 8, 9, 10])
})

test('who types is told to a hundred, and spared a larger room', async () => {
  const { rooms } = stage(1)
  const crowd = Array.from({ length: 101 }, () => ({ ...member(), takeMessage: () => 0 }))
  for (const one of crowd.slice(0, 100)) await rooms.join(one, 'lobby', 1)
  const typed = () => crowd.map(({ writes }) => writes.filter((text) => text.includes('"typing"')).length)
  for (const one of crowd) Object.assign(one, { writes: [], write: (bytes) => one.writes.push(bytes.toString()) })
  rooms.typing(crowd[0], 'lobby')
  await nextTick()
  assert.deepEqual(new Set(typed().slice(0, 100)), new Set([1]))
  await rooms.join(crowd[100], 'lobby', 1)
  rooms.typing(crowd[0], 'lobby')
  await nextTick()
  assert.deepEqual(new Set(typed().slice(0, 100)), new Set([1]))
})
