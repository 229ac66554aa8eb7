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
  const config = { messagesPerSecond: 10, maxBuffered: 1000, heartbeatMs: 25_000 }
  const socket = new MadeUpSocket()
  return { socket, cut, client: new Client({ config, metrics: { slowConsumers: cut } }, socket, socket) }
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
  assert.deepEqual(socket.written.at(-1), Buffer.from([0x89, 0]))
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

test('a slow reader is cut above the limit, which a history raises until it is read', () => {
  const { socket, cut, client: ana } = client()
  ana.history('x'.repeat(5000))
  socket.writableLength = 5000
  assert.ok(ana.write(Buffer.from('x')))
  socket.writableLength = 0
  assert.ok(ana.write(Buffer.from('x')))
  socket.writableLength = 1001
  assert.equal(ana.write(Buffer.from('x')), false)
  assert.deepEqual([socket.ended, cut.count], [['cut'], 1])
  assert.equal(ana.write(Buffer.from('x')), false)
})
