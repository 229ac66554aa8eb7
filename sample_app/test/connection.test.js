// The page's session over made-up sockets and a made-up clock: reconnects, hand-over, outbox, order.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoff, Connection } from '../public/connection.js'
import { Outbox, uuid } from '../public/outbox.js'

class MadeUpClock {
  time = 1_000_000
  timers = new Set()

  now() {
    return this.time
  }

  after(ms, callback) {
    const timer = { at: this.time + ms, callback }
    this.timers.add(timer)
    return () => this.timers.delete(timer)
  }

  pass(ms) {
    const end = this.time + ms
    for (;;) {
      const due = [...this.timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0]
      if (!due) break
      this.time = due.at
      this.timers.delete(due)
      due.callback()
    }
    this.time = end
  }
}

class MadeUpSocket {
  sent = []
  closed = false

  send(text) {
    this.sent.push(JSON.parse(text))
  }

  close() {
    this.closed = true
  }

  say(frame) {
    this.onmessage({ data: JSON.stringify(frame) })
  }

  of(type) {
    return this.sent.filter((frame) => frame.type === type)
  }

  welcome(worker = 'w1') {
    this.onopen()
    this.say({ type: 'welcome', session: 's', worker, release: 'r1', heartbeat_ms: 25_000 })
    for (const room of Object.keys(this.of('hello')[0].rooms)) this.history(room, [])
  }

  history(room, messages, reset = false) {
    this.say({ type: 'history', room, messages, reset })
  }
}

class MapStorage extends Map {
  keys() {
    return [...super.keys()]
  }

  remove(key) {
    this.delete(key)
  }
}

function message(seq, text = `text ${seq}`, from = 'bo') {
  return { type: 'message', room: 'lobby', seq, from, text, time: '2026-01-01T00:00:00Z', cid: `cid-${seq}` }
}

function session({ storage = new MapStorage(), name = 'ana' } = {}) {
  const sockets = []
  const events = []
  const clock = new MadeUpClock()
  const open = () => {
    sockets.push(new MadeUpSocket())
    return sockets.at(-1)
  }
  const connection = new Connection({
    name, open, clock, random: () => 0.5, outbox: new Outbox(storage, name), onChange: (event) => events.push(event),
  })
  connection.join('lobby')
  connection.start()
  const shown = () => connection.rooms.get('lobby').messages.map(({ seq }) => seq)
  return { connection, sockets, events, clock, storage, shown, last: () => sockets.at(-1) }
}

function online(options) {
  const all = session(options)
  all.last().welcome()
  return all
}

test('says hello with the rooms and is online after the last history', () => {
  const { connection, last } = session()
  last().onopen()
  assert.deepEqual(last().sent, [{ type: 'hello', name: 'ana', rooms: { lobby: null } }])
  last().say({ type: 'welcome', session: 's', worker: 'w1', release: 'r1', heartbeat_ms: 25_000 })
  assert.equal(connection.status.state, 'connecting')
  last().history('lobby', [message(4), message(5)])
  assert.equal(connection.status.state, 'online')
  assert.equal(connection.status.worker, 'w1')
  assert.equal(connection.rooms.get('lobby').last, 5)
})

test('shows every message once and in order, also across a hole', () => {
  const { last, shown } = online()
  last().say(message(1))
  last().say(message(1))
  last().say(message(3))
  assert.deepEqual(shown(), [1])
  assert.deepEqual(last().of('join'), [{ type: 'join', room: 'lobby', after: 1 }])
  last().say(message(4))
  assert.equal(last().of('join').length, 1)
  last().history('lobby', [message(2), message(3), message(4)])
  assert.deepEqual(shown(), [1, 2, 3, 4])
})

test('keeps a message that comes before the first history', () => {
  const { last, shown } = session()
  last().onopen()
  last().say({ type: 'welcome', session: 's', worker: 'w1', release: 'r1', heartbeat_ms: 25_000 })
  last().say(message(3))
  assert.deepEqual(shown(), [])
  last().history('lobby', [message(1), message(2)])
  assert.deepEqual(shown(), [1, 2, 3])
})

test('begins anew when the server says reset', () => {
  const { last, shown, connection } = online()
  for (const seq of [1, 2, 3]) last().say(message(seq))
  connection.rooms.get('lobby').markRead()
  last().history('lobby', [message(1)], true)
  assert.deepEqual(shown(), [1])
  assert.equal(connection.rooms.get('lobby').unread, 0)
})

test('counts as unread what came after the last look', () => {
  const { last, connection } = online()
  last().say(message(1))
  last().say(message(2))
  assert.equal(connection.rooms.get('lobby').unread, 2)
  connection.rooms.get('lobby').markRead()
  assert.equal(connection.rooms.get('lobby').unread, 0)
})

test('keeps the newest thousand messages of a room', () => {
  const { last, shown } = online()
  for (let seq = 1; seq <= 1200; seq += 1) last().say(message(seq))
  assert.deepEqual([shown().length, shown()[0], shown().at(-1)], [1000, 201, 1200])
})

test('puts earlier messages in front, and none twice', () => {
  const { connection, last, shown } = session()
  last().onopen()
  last().history('lobby', [message(5), message(6)])
  connection.rooms.get('lobby').prepend([message(3), message(4), message(5)])
  assert.deepEqual(shown(), [3, 4, 5, 6])
})

test('backs off with full jitter between nothing and a doubling ceiling of 30 s', () => {
  assert.deepEqual([0, 1, 2, 6, 40].map((attempt) => backoff(attempt, () => 1)), [500, 1000, 2000, 30_000, 30_000])
  assert.equal(backoff(3, () => 0), 0)
})

test('tries again ever later, and resumes after the last message', () => {
  const { sockets, clock, connection, last } = online()
  last().say(message(1))
  last().onclose()
  assert.equal(connection.status.state, 'offline')
  clock.pass(249)
  assert.equal(sockets.length, 1)
  clock.pass(1)
  assert.equal(sockets.length, 2)
  last().onclose()
  clock.pass(499)
  assert.equal(sockets.length, 2)
  clock.pass(1)
  last().onopen()
  assert.deepEqual(last().of('hello')[0].rooms, { lobby: 1 })
})

test('forgets earlier failures once a connection held for 30 s', () => {
  const { sockets, clock, last } = session()
  for (let failure = 0; failure < 4; failure += 1) {
    last().onclose()
    clock.pass(250 * 2 ** failure)
  }
  last().welcome()
  clock.pass(20_000)
  last().say({ type: 'pong', t: 0 })
  clock.pass(10_000)
  last().say({ type: 'pong', t: 0 })
  last().onclose()
  const before = sockets.length
  clock.pass(250)
  assert.equal(sockets.length, before + 1)
})

test('connects at once when woken while waiting', () => {
  const { sockets, connection, last } = online()
  last().onclose()
  connection.wake()
  assert.equal(sockets.length, 2)
})

test('gives a silent connection up when a sign of life does not come', () => {
  const { sockets, clock, connection } = online()
  connection.wake()
  assert.equal(sockets[0].of('ping').length, 1)
  clock.pass(5_000)
  assert.ok(sockets[0].closed)
  assert.equal(connection.status.state, 'offline')
})

test('stays on a connection whose pings are answered', () => {
  const { sockets, clock } = online()
  for (let beat = 1; beat <= 4; beat += 1) {
    clock.pass(25_000)
    assert.equal(sockets[0].of('ping').length, beat)
    clock.pass(100)
    sockets[0].say({ type: 'pong', t: 0 })
  }
  assert.equal(sockets.length, 1)
})

test('gives up a handshake that hangs', () => {
  const { sockets, clock } = session()
  sockets[0].onopen()
  clock.pass(10_000)
  assert.ok(sockets[0].closed)
  clock.pass(500)
  assert.equal(sockets.length, 2)
})

test('drain: makes the new connection before it breaks the old one', () => {
  const { sockets, clock, connection, shown, events } = online()
  sockets[0].say({ type: 'drain', reconnect_in_ms: 300 })
  clock.pass(299)
  assert.equal(sockets.length, 1)
  clock.pass(1)
  sockets[1].onopen()
  sockets[0].say(message(1))
  assert.deepEqual(shown(), [1])
  sockets[1].say({ type: 'welcome', session: 's', worker: 'w2', release: 'r2', heartbeat_ms: 25_000 })
  assert.ok(!sockets[0].closed)
  sockets[1].history('lobby', [message(1), message(2)])
  assert.ok(sockets[0].closed)
  assert.deepEqual(shown(), [1, 2])
  assert.equal(connection.status.worker, 'w2')
  assert.ok(events.every(({ type }) => type !== 'notice'))
  assert.equal(connection.status.state, 'online')
})

test('drain: stays on the old connection while the new one cannot be made', () => {
  const { sockets, clock, connection } = online()
  sockets[0].say({ type: 'drain', reconnect_in_ms: 0 })
  clock.pass(0)
  sockets[1].onclose()
  assert.equal(connection.status.state, 'online')
  connection.send('lobby', 'still here')
  assert.equal(sockets[0].of('send').length, 1)
  clock.pass(1_000)
  sockets[2].welcome('w2')
  assert.ok(sockets[0].closed)
  assert.equal(sockets[2].of('send')[0].text, 'still here')
})

test('drain: failures beside a working connection do not slow down the time after it', () => {
  const { sockets, clock, last } = online()
  sockets[0].say({ type: 'drain', reconnect_in_ms: 0 })
  clock.pass(0)
  for (let failure = 1; failure <= 5; failure += 1) {
    last().onclose()
    clock.pass(1_000)
    assert.equal(sockets.length, 2 + failure)
  }
  last().onclose()
  sockets[0].onclose()
  clock.pass(1_000)
  last().onclose()
  clock.pass(250)
  assert.equal(sockets.length, 9)
})

test('drain: a close of the old connection does not disturb the new one', () => {
  const { sockets, clock, connection } = online()
  sockets[0].say({ type: 'drain', reconnect_in_ms: 0 })
  clock.pass(0)
  sockets[0].onclose()
  assert.equal(connection.status.state, 'connecting')
  sockets[1].welcome('w2')
  clock.pass(60_000 / 4)
  assert.equal(sockets.length, 2)
  assert.equal(connection.status.state, 'online')
})

test('drain of a connection that is being made is honoured once it is made', () => {
  const { sockets, clock } = session()
  sockets[0].onopen()
  sockets[0].say({ type: 'drain', reconnect_in_ms: 100 })
  sockets[0].welcome()
  clock.pass(1_000)
  assert.equal(sockets.length, 2)
})

test('sends one at a time, resends the unacknowledged with the same cid, and keeps the order', () => {
  const { sockets, clock, connection, storage } = online()
  for (const text of ['one', 'two', 'three']) connection.send('lobby', text)
  assert.deepEqual(sockets[0].of('send').map(({ text }) => text), ['one'])
  const [{ cid }] = sockets[0].of('send')
  sockets[0].onclose()
  clock.pass(250)
  sockets[1].welcome()
  assert.equal(sockets[1].of('send')[0].cid, cid)
  for (const seq of [1, 2, 3]) sockets[1].say({ type: 'ack', cid: sockets[1].of('send').at(-1).cid, room: 'lobby', seq })
  assert.deepEqual(sockets[1].of('send').map(({ text }) => text), ['one', 'two', 'three'])
  assert.equal(storage.size, 0)
})

test('an acknowledged message stays in view until the message itself arrives', () => {
  const { connection, last } = online()
  connection.send('lobby', 'hi')
  const { cid } = last().of('send')[0]
  last().say({ type: 'ack', cid, room: 'lobby', seq: 1 })
  assert.equal(connection.outbox.in('lobby').length, 1)
  last().say({ ...message(1, 'hi', 'ana'), cid })
  assert.equal(connection.outbox.in('lobby').length, 0)
})

test('what was written offline survives a reload of the page', () => {
  const storage = new MapStorage()
  const first = session({ storage })
  first.connection.send('lobby', 'written')
  first.connection.send('lobby', 'while away')
  first.connection.stop()
  const second = online({ storage })
  assert.equal(second.last().of('send')[0].text, 'written')
  assert.equal(second.last().of('send')[0].cid, JSON.parse(storage.get(storage.keys()[0])).cid)
  assert.equal(online({ storage, name: 'bo' }).last().of('send').length, 0)
})

test('what was written for a room that only another tab was in is sent there', () => {
  const storage = new MapStorage()
  session({ storage }).connection.send('ops', 'written there')
  const { connection, last } = online({ storage })
  assert.deepEqual(last().of('hello')[0].rooms, { lobby: null, ops: null })
  assert.equal(last().of('send')[0].room, 'ops')
  assert.equal(connection.rooms.has('ops'), true)
})

test('a message that cannot be read from the storage is left alone', () => {
  const nowhere = JSON.stringify({ cid: 'cid-0001', text: 'x', from: 'ana', room: '<b>' })
  const storage = new MapStorage([['chat.outbox.x', '{broken'], ['chat.outbox.y', nowhere], ['other', '1']])
  assert.equal(online({ storage }).last().of('send').length, 0)
})

test('waits as long as the server asks before it repeats a send', () => {
  const { clock, connection, last } = online()
  connection.send('lobby', 'hi')
  const { cid } = last().of('send')[0]
  last().say({ type: 'error', code: 'rate_limited', message: 'slow down', retry_after_ms: 2_000, cid })
  clock.pass(1_999)
  assert.equal(last().of('send').length, 1)
  clock.pass(1)
  assert.deepEqual(last().of('send').map((frame) => frame.cid), [cid, cid])
})

test('gives the connection up when a send is never answered', () => {
  const { sockets, clock, connection } = online()
  connection.send('lobby', 'hi')
  clock.pass(10_000)
  assert.ok(sockets[0].closed)
})

test('keeps a message in view that the server will never take, and goes on with the next', () => {
  const { connection, last } = online()
  connection.send('lobby', 'too long')
  connection.send('lobby', 'fine')
  last().say({ type: 'error', code: 'too_large', message: 'at most 4000', cid: last().of('send')[0].cid })
  assert.equal(last().of('send')[1].text, 'fine')
  assert.equal(connection.outbox.in('lobby')[0].problem, 'at most 4000')
  assert.equal(connection.outbox.unsent, 1)
})

test('stops when the server refuses the name, and starts again when asked', () => {
  const { sockets, clock, connection, last } = session()
  last().onopen()
  last().say({ type: 'error', code: 'bad_frame', message: 'a name has letters' })
  assert.deepEqual([connection.status.state, connection.status.reason], ['refused', 'a name has letters'])
  clock.pass(60_000)
  assert.equal(sockets.length, 1)
  connection.wake()
  assert.equal(sockets.length, 2)
})

test('rooms joined and left while a connection is made are put right', () => {
  const { connection, last } = session()
  last().onopen()
  connection.join('later')
  connection.leave('lobby')
  last().say({ type: 'welcome', session: 's', worker: 'w1', release: 'r1', heartbeat_ms: 25_000 })
  last().history('lobby', [])
  assert.deepEqual(last().sent.slice(1), [{ type: 'join', room: 'later', after: null }, { type: 'leave', room: 'lobby' }])
})

test('a stopped session opens nothing and hears nothing', () => {
  const { sockets, clock, connection, shown } = online()
  connection.stop()
  sockets[0].say(message(1))
  clock.pass(60_000)
  assert.equal(sockets.length, 1)
  assert.deepEqual(shown(), [])
})

test('presence counts everybody, also those whose names are left out', () => {
  const { connection, last } = online()
  last().say({ type: 'presence', room: 'lobby', members: ['ana', 'bo'], total: 400 })
  assert.equal(connection.rooms.get('lobby').people, 400)
})

test('makes version 4 UUIDs without the secure-context function', () => {
  const made = new Set(Array.from({ length: 100 }, uuid))
  assert.equal(made.size, 100)
  for (const one of made) assert.match(one, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})
