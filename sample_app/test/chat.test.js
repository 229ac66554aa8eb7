// A process as a whole: its heart beats, it hands its clients over little by little, and its metrics have their names.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { Chat } from '../src/chat.js'

const log = { debug() {}, info() {}, warn() {}, error() {} }

function chatIn(t, more) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'chat'))
  const chat = new Chat({ worker: 'w', release: 'r', heartbeatMs: 1, dataDirectory: path.join(folder, 'data'), ...more }, log)
  t.after(() => chat.store.driver.close().then(() => rmSync(folder, { recursive: true })))
  return { chat, folder }
}

test('the hearts of all clients beat, again and again', { timeout: 10_000 }, async (t) => {
  const { chat } = chatIn(t)
  const beats = new EventTarget()
  chat.clients.add({ beat: (now) => beats.dispatchEvent(new Event(now > 0 ? 'beat' : 'never')), send() {} })
  const alive = setInterval(() => {}, 1000)
  t.after(() => clearInterval(alive))
  chat.start()
  for (let beat = 0; beat < 3; beat += 1) await once(beats, 'beat')
})

test('clients come back at moments of their own, and are told so a hundred at a time', async (t) => {
  const { chat } = chatIn(t)
  const moments = []
  for (let index = 0; index < 250; index += 1) chat.clients.add({ send: (frame) => moments.push(frame.reconnect_in_ms) })
  assert.equal(chat.handOver(1000), 250)
  assert.equal(moments.length, 100)
  while (moments.length < 250) await new Promise(setImmediate)
  assert.ok(moments.every((moment) => Number.isInteger(moment) && moment >= 0 && moment < 1000))
  assert.ok(new Set(moments).size > 100 && Math.max(...moments) > 500 && Math.min(...moments) < 500)
})

test('the folder of the messages is for nobody else, and a commit is on the disk when it is answered', async (t) => {
  const { chat, folder } = chatIn(t)
  await chat.store.open()
  assert.equal(statSync(path.join(folder, 'data')).mode & 0o777, 0o700)
  const [{ synchronous }] = await chat.store.driver.session((query) => query('PRAGMA synchronous'))
  assert.equal(synchronous, 2)
})

const METRICS = {
  connections: 'gauge',
  connections_opened_total: 'counter',
  connections_closed_total: 'counter',
  handshakes_rejected_total: 'counter',
  messages_received_total: 'counter',
  deliveries_total: 'counter',
  deliveries_dropped_total: 'counter',
  send_ack_seconds: 'histogram',
  fanout_seconds: 'histogram',
  db_seconds: 'histogram',
  redis_seconds: 'histogram',
  dependency_up: 'gauge',
  resumes_total: 'counter',
  resume_messages_total: 'counter',
  slow_consumers_total: 'counter',
  send_buffer_bytes: 'gauge',
  draining: 'gauge',
  build_info: 'gauge',
}

test('metrics keep the names that dashboards and alerts ask for', async (t) => {
  const { chat } = chatIn(t, { commit: 'abc' })
  const text = await chat.metrics.registry.metrics()
  const found = [...text.matchAll(/^# TYPE chat_(\w+) (\w+)$/gm)].map(([, name, type]) => [name, type])
  assert.deepEqual(Object.fromEntries(found), METRICS)
  assert.ok(text.includes(`chat_build_info{version="r",commit="abc",node="${process.version}",worker="w"} 1`))
  for (const name of ['nodejs_eventloop_lag_p99_seconds', 'process_cpu_seconds_total', 'nodejs_gc_duration_seconds']) {
    assert.ok(text.includes(`# TYPE ${name} `), name)
  }
})
