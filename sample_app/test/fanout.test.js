// Fan-out: whole frames, one write per client per tick, nobody twice, and the slow are left out of the count.
import assert from 'node:assert/strict'
import http from 'node:http'
import { once } from 'node:events'
import { test } from 'node:test'
import { setImmediate as nextTick } from 'node:timers/promises'
import { WebSocket, WebSocketServer } from 'ws'
import { Audience, encodeFrame } from '../src/fanout.js'

class Tally {
  total = 0
  inc(first, second) {
    this.total += second ?? first
  }
  observe() {}
}

const metrics = () => ({ deliveries: new Tally(), dropped: new Tally(), fanoutSeconds: new Tally() })
const member = (reads = true) => ({
  writes: [],
  corks: 0,
  socket: { cork() {}, uncork() {} },
  write(bytes) {
    this.writes.push(bytes)
    return reads
  },
})
const room = (counts, ...members) => {
  const audience = new Audience({ metrics: counts })
  for (const one of members) audience.members.add(one)
  return audience
}

test('what is pushed in one tick leaves in one write, in order', async () => {
  const [ana, counts] = [member(), metrics()]
  const lobby = room(counts, ana)
  lobby.push(['one', 'two'], Date.now())
  lobby.push(['three'], Date.now())
  assert.equal(ana.writes.length, 0)
  await nextTick()
  assert.deepEqual(ana.writes, [Buffer.concat(['one', 'two', 'three'].map(encodeFrame))])
  assert.equal(counts.deliveries.total, 3)
  lobby.push(['four'], Date.now())
  await nextTick()
  assert.equal(ana.writes.length, 2)
})

test('all members share the same bytes', async () => {
  const [ana, bob] = [member(), member()]
  room(metrics(), ana, bob).push(['one'], Date.now())
  await nextTick()
  assert.equal(ana.writes[0], bob.writes[0])
})

test('flushing a room before somebody joins keeps its queue from the newcomer', async () => {
  const [ana, bob] = [member(), member()]
  const lobby = room(metrics(), ana)
  lobby.push(['one'], Date.now())
  lobby.flush()
  lobby.members.add(bob)
  await nextTick()
  assert.deepEqual([ana.writes.length, bob.writes.length], [1, 0])
})

test('a member of two rooms is corked until both are written', async () => {
  const calls = []
  const ana = { ...member(), socket: { cork: () => calls.push('cork'), uncork: () => calls.push('uncork') }, write: () => calls.push('write') }
  room(metrics(), ana).push(['one'])
  room(metrics(), ana).push(['two'])
  await nextTick()
  assert.deepEqual(calls, ['cork', 'write', 'write', 'uncork'])
})

test('members that take nothing are counted as dropped', async () => {
  const counts = metrics()
  room(counts, member(), member(false)).push(['one', 'two'], Date.now())
  await nextTick()
  assert.deepEqual([counts.deliveries.total, counts.dropped.total], [2, 2])
})

test('raw writes between frames of ws arrive as whole frames, pings included', async (t) => {
  const server = http.createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (ws) => {
      for (let number = 0; number < 300; number += 1) {
        const text = 'x'.repeat(number * 300)
        if (number % 3 === 0) ws.send(text)
        else socket.write(encodeFrame(text))
        if (number % 7 === 0) ws.ping()
      }
      ws.close(1000)
    })
  })
  await once(server, 'listening')
  const client = new WebSocket(`ws://127.0.0.1:${server.address().port}`)
  const lengths = []
  client.on('message', (data) => lengths.push(data.length))
  const [code] = await once(client, 'close')
  assert.equal(code, 1000)
  assert.deepEqual(lengths, Array.from({ length: 300 }, (_, number) => number * 300))
})
