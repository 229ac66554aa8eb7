// One connection's client over a made-up socket: its heartbeat, and what it may leave unread.
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { Client } from '../src/client.js'

class MadeUpSocket extends EventEmitter {
  OPEN = 1
  readyState = 1
  writableLength = 0
  ended = []
  written = []

  corked = 0

  ping() {
    this.written.push('ping')
  }

  cork() {
    this.corked += 1
  }

  uncork() {
    this.corked -= 1
  }

  write(bytes) {
    this.written.push(bytes)
    return true
  }

  close(code) {
    this.ended.push(code)
  }

  terminate() {
    this.ended.push('cut')
    this.readyState = 3
  }
}

function client() {
  const cut = { count: 0, inc() { this.count += 1 } }
  const joined = []
  const chat = {
    config: { messagesPerSecond: 10, heartbeatMs: 25_000 },
    metrics: { slowConsumers: cut, received: { inc() {} } },
    rooms: { join: (member, room) => joined.push(room) },
  }
  const socket = new MadeUpSocket()
  return { socket, cut, joined, client: new Client(chat, socket, socket) }
}

function hello(socket) {
  socket.emit('message', JSON.stringify({ type: 'hello', name: 'ana' }), false)
  return new Promise(setImmediate)
}

test('who answers pings stays, and who does not is cut at the next beat', async () => {
  const { socket, client: ana } = client()
  await hello(socket)
  for (let beat = 0; beat < 3; beat += 1) {
    ana.beat(0)
    socket.emit('pong')
  }
  assert.deepEqual(socket.ended, [])
  assert.equal(socket.written.at(-1), 'ping')
  ana.beat(0)
  ana.beat(0)
  assert.deepEqual(socket.ended, ['cut'])
})

test('who never says hello is cut at the second beat, pongs or not', () => {
  const { socket, client: nobody } = client()
  nobody.beat(0)
  socket.emit('pong')
  nobody.beat(0)
  assert.deepEqual(socket.ended, ['cut'])
})

test('a connection ends with its token', async () => {
  const { socket, client: ana } = client()
  await hello(socket)
  ana.expires = 1000
  ana.beat(1000)
  socket.emit('pong')
  assert.deepEqual(socket.ended, [])
  ana.beat(1001)
  assert.deepEqual(socket.ended, [1008])
})

test('a slow reader is cut above one MiB', () => {
  const { socket, cut, client: ana } = client()
  socket.writableLength = 1_048_576
  assert.ok(ana.write(Buffer.from('x')))
  socket.writableLength += 1
  assert.equal(ana.write(Buffer.from('x')), false)
  assert.deepEqual([socket.ended, cut.count], [['cut'], 1])
  assert.equal(ana.write(Buffer.from('x')), false)
})

test('a client is in 32 rooms at most, and may join one of them again', async () => {
  const { socket, joined } = client()
  const rooms = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`room${index}`, null]))
  socket.emit('message', JSON.stringify({ type: 'hello', name: 'ana', rooms }), false)
  socket.emit('message', JSON.stringify({ type: 'join', room: 'room0' }), false)
  socket.emit('message', JSON.stringify({ type: 'join', room: 'room33' }), false)
  await new Promise(setImmediate)
  assert.deepEqual(joined, [...Object.keys(rooms).slice(0, 32), 'room0'])
  const said = socket.written.map((bytes) => bytes.toString().match(/"(welcome|error)"|more than 32 rooms/g))
  assert.deepEqual(said, [['"welcome"'], ['"error"', 'more than 32 rooms'], ['"error"', 'more than 32 rooms']])
})

test('a join costs what a message does, and the rooms of a hello cost nothing', async () => {
  const { socket, joined } = client()
  const rooms = Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`room${index}`, null]))
  socket.emit('message', JSON.stringify({ type: 'hello', name: 'ana', rooms }), false)
  for (let count = 0; count < 50; count += 1) socket.emit('message', '{"type":"join","room":"room0"}', false)
  await new Promise(setImmediate)
  assert.equal(joined.length, 32 + 40)
  assert.match(socket.written.at(-1).toString(), /"code":"rate_limited".*"retry_after_ms":\d+/)
})

test('who says hello after the first beat stays', async () => {
  const { socket, client: ana } = client()
  ana.beat(0)
  socket.emit('pong')
  await hello(socket)
  ana.beat(0)
  assert.deepEqual(socket.ended, [])
})

test('a ping is answered with its value, but not with one that nests deeper than JSON can be written', async () => {
  const { socket } = client()
  await hello(socket)
  socket.emit('message', '{"type":"ping","t":7}', false)
  socket.emit('message', `{"type":"ping","t":${'['.repeat(9000)}${']'.repeat(9000)}}`, false)
  await new Promise(setImmediate)
  const said = socket.written.slice(1).map((bytes) => bytes.subarray(2).toString())
  assert.deepEqual(said, ['{"type":"pong","t":7}', '{"type":"pong"}'])
})

test('the answers of one tick, and what rooms get in it, leave in one write', async () => {
  const { socket, client: ana } = client()
  await hello(socket)
  setImmediate(() => ana.write(Buffer.from('a room')))
  const held = []
  const write = socket.write.bind(socket)
  socket.write = (bytes) => held.push(socket.corked > 0) && write(bytes)
  for (let t = 0; t < 3; t += 1) socket.emit('message', '{"type":"ping"}', false)
  await new Promise(setImmediate)
  assert.deepEqual([held, socket.corked], [[true, true, true, true], 0])
})
