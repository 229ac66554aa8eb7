// The small parts: settings, limits, tokens, origins, addresses, the batches of the writer, and what a dependency is.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { tokenBucket } from '../src/client.js'
import { readConfig } from '../src/config.js'
import { Dependency } from '../src/dependency.js'
import { clientAddress, originAllowed } from '../src/gate.js'
import { Rooms } from '../src/rooms.js'
import { readToken, sameText } from '../src/token.js'

test('everything works with nothing set', () => {
  const config = readConfig({})
  assert.deepEqual([config.port, config.release, config.requireToken, config.onHeroku], [3000, 'dev', false, false])
  assert.equal(readConfig({ DYNO: 'web.1', HEROKU_RELEASE_VERSION: 'v7' }).release, 'v7')
  assert.deepEqual(readConfig({ PORT: '/run/x.sock' }).port, '/run/x.sock')
})

test('settings that make no sense are refused', () => {
  for (const env of [{ PORT: '70000' }, { MAX_CONNECTIONS: 'many' }, { MESSAGES_PER_SECOND: '0' }, { REQUIRE_TOKEN: '1' }, { LOG_LEVEL: 'verbose' }]) {
    assert.throws(() => readConfig(env), Error, JSON.stringify(env))
  }
})

test('a bucket gives four seconds worth, then its rate, and never more', (t) => {
  let now = 12_345.678
  t.mock.method(performance, 'now', () => now)
  const take = tokenBucket(10)
  const burst = () => new Set(Array.from({ length: 40 }, take))
  assert.deepEqual(burst(), new Set([0]))
  const wait = take()
  assert.ok(wait > 0 && wait <= 100, String(wait))
  now += wait
  assert.equal(take(), 0)
  assert.ok(take() > 0)
  now += 3_600_000
  assert.deepEqual(burst(), new Set([0]))
  assert.ok(take() > 0)
})

const sign = (payload, secret = 's') => {
  const body = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)).toString('base64url')
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`
}

test('only a signed token that has not run out is read', () => {
  const exp = Date.now() / 1000 + 60
  assert.equal(readToken(sign({ name: 'ana', exp }), 's').name, 'ana')
  const bad = [sign({ name: 'ana', exp }, 't'), sign({ name: 'ana', exp: 1 }), sign({ name: 'ana' }), sign('not JSON'), sign('null')]
  for (const token of [...bad, `${sign({ exp })}.x`, 'x', '.', '', undefined, {}, 'x'.repeat(2000)]) {
    assert.equal(readToken(token, 's'), undefined, String(token))
  }
  assert.ok(sameText('a', 'a') && !sameText('a', 'b') && !sameText('a', ''))
})

test('an origin is ours or on the list, exactly', () => {
  const cases = [
    [{ host: 'chat.example:8080' }, undefined, true],
    [{ host: 'chat.example:8080', origin: 'http://chat.example:8080' }, undefined, true],
    [{ host: 'chat.example', origin: 'https://CHAT.example' }, undefined, true],
    [{ host: 'chat.example', origin: 'https://chat.example.evil' }, undefined, false],
    [{ host: 'chat.example', origin: 'null' }, undefined, false],
    [{ host: 'chat.example', origin: 'https://a.example' }, ['https://a.example'], true],
    [{ host: 'chat.example', origin: 'http://a.example' }, ['https://a.example'], false],
  ]
  for (const [headers, allowed, expected] of cases) assert.equal(originAllowed(headers, allowed), expected, JSON.stringify(headers))
})

test('the address is the last one a trusted proxy wrote, and loopback is nobody', () => {
  const headers = { 'x-forwarded-for': '6.6.6.6, 1.2.3.4' }
  assert.equal(clientAddress({ headers, socket: {} }, { port: 3000, onHeroku: true }), '1.2.3.4')
  assert.equal(clientAddress({ headers, socket: {} }, { port: '/run/x.sock' }), '1.2.3.4')
  assert.equal(clientAddress({ headers: {}, socket: {} }, { port: '/run/x.sock' }), undefined)
  assert.equal(clientAddress({ headers, socket: { remoteAddress: '::ffff:9.9.9.9' } }, { port: 3000 }), '9.9.9.9')
  for (const remoteAddress of ['127.0.0.1', '::1', '::ffff:127.0.0.1', undefined]) {
    assert.equal(clientAddress({ headers, socket: { remoteAddress } }, { port: 3000 }), undefined)
  }
})

/** Rooms over a store that is made up, with one room that keeps what it is offered. */
function roomsOver(append, up = true) {
  const seen = []
  const rooms = new Rooms({ store: { append, up }, log: { error() {} } })
  rooms.all.set('lobby', { offer: (rows) => seen.push(...rows) })
  const say = (text) => rooms.say({ room: 'lobby', text })
  return { seen, rooms, say }
}

test('what is said at once is one batch, which the room hears before the senders do', async () => {
  const batches = []
  const { seen, rooms, say } = roomsOver(async (entries) => {
    batches.push(entries.length)
    return { results: entries.map((_, index) => ({ seq: index + 1 })), rows: entries }
  })
  const acks = [1, 2, 3].map((text) => say(text).then(({ seq }) => [seq, seen.length]))
  await rooms.writing
  assert.deepEqual(batches, [3])
  assert.deepEqual(await Promise.all(acks), [[1, 3], [2, 3], [3, 3]])
})

test('a message waits for others for some milliseconds only', async () => {
  const { say } = roomsOver(async (entries) => ({ results: entries.map(() => ({ seq: 1 })), rows: entries }))
  const waits = []
  for (let tries = 0; tries < 10; tries += 1) {
    const began = performance.now()
    await say(tries)
    waits.push(performance.now() - began)
  }
  assert.ok(Math.min(...waits) < 20, String(waits))
})

test('what is said while a batch is written is the next batch, also where the first one fails', async () => {
  const batches = []
  const stored = Promise.withResolvers()
  const { say } = roomsOver(async (entries) => {
    batches.push(entries.map(({ text }) => text))
    if (batches.length === 1) await stored.promise
    return { results: entries.map(({ text }) => ({ seq: text })), rows: entries }
  })
  const first = assert.rejects(say(1), { code: 'unavailable' })
  while (batches.length === 0) await new Promise(setImmediate)
  const later = [say(2), say(3)]
  stored.reject(new Error('gone'))
  await first
  assert.deepEqual(await Promise.all(later), [{ seq: 2 }, { seq: 3 }])
  assert.deepEqual(batches, [[1], [2, 3]])
})

test('a batch that fails is refused, and so is everything while the store is away or far behind', async () => {
  const { seen, say } = roomsOver(async () => {
    throw new Error('gone')
  })
  await assert.rejects(say('x'), { code: 'unavailable', retryAfterMs: 2000 })
  assert.deepEqual(seen, [])
  await assert.rejects(roomsOver(async () => assert.fail('not asked'), false).say('x'), { code: 'unavailable' })
  const messages = (await Promise.allSettled(Array.from({ length: 2001 }, () => say('x')))).map(({ reason }) => reason.message)
  assert.deepEqual(new Set(messages), new Set(['the message could not be stored', 'messages cannot be stored now']))
})

test('a dependency is as its last call was, says so when that changes, and is slow while one takes long', async (t) => {
  const lines = []
  const say = ({ output }, message) => lines.push(output ? `${message}: ${output}` : message)
  const observed = []
  const metrics = { dependencyUp: { set: (labels, value) => observed.push(value) } }
  const seconds = { startTimer: ({ op }) => () => observed.push(op) && 1.5 }
  const dependency = new Dependency('redis', 'redis', seconds, { metrics, log: { info: say, warn: say } })
  const fails = (reason) => assert.rejects(dependency.ask('ping', () => Promise.reject(new Error(reason))), new RegExp(reason))
  assert.equal(dependency.up, false)
  assert.equal(await dependency.ask('ping', async () => 7), 7)
  assert.deepEqual([dependency.up, dependency.milliseconds], [true, 1500])
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { promise, resolve } = Promise.withResolvers()
  const hanging = dependency.ask('ping', () => promise)
  t.mock.timers.tick(999)
  assert.equal(dependency.slow, false)
  t.mock.timers.tick(1)
  assert.deepEqual([dependency.slow, dependency.up], [true, true])
  resolve()
  await hanging
  t.mock.timers.tick(1000)
  assert.deepEqual([dependency.slow, dependency.up], [false, true])
  await fails('refused')
  await fails('refused')
  await fails('gone')
  assert.equal(dependency.up, false)
  await dependency.ask('read', async () => {}, false)
  assert.equal(dependency.up, false, 'what only reads proves nothing')
  await dependency.ask('ping', async () => {})
  await dependency.ask('read', async () => {}, false)
  assert.equal(dependency.up, true)
  const [up, down] = ['dependency up', 'dependency down']
  assert.deepEqual(lines, [up, `${down}: refused`, `${down}: gone`, up])
  assert.deepEqual(observed, [1, 'ping', 1, 'ping', 0, 'ping', 0, 'ping', 0, 'ping', 'read', 1, 'ping', 1, 'read'])
})
