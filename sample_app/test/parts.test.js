// The small parts: settings, limits, tokens, origins, addresses, and the batches of the writer.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { readConfig } from '../src/config.js'
import { clientAddress, originAllowed } from '../src/gate.js'
import { ConnectionLimit, TokenBucket } from '../src/limits.js'
import { createMetrics } from '../src/metrics.js'
import { readToken, sameText } from '../src/token.js'
import { Writer } from '../src/writer.js'

test('everything works with nothing set', () => {
  const config = readConfig({})
  assert.deepEqual([config.port, config.release, config.requireToken, config.trustForwardedFor], [3000, 'dev', false, false])
  assert.equal(readConfig({ DYNO: 'web.1', HEROKU_RELEASE_VERSION: 'v7' }).release, 'v7')
  assert.deepEqual(readConfig({ PORT: '/run/x.sock' }).port, '/run/x.sock')
})

test('settings that make no sense are refused', () => {
  for (const env of [{ PORT: '70000' }, { MAX_CONNECTIONS: 'many' }, { MESSAGES_PER_SECOND: '0' }, { REQUIRE_TOKEN: '1' }]) {
    assert.throws(() => readConfig(env), Error, JSON.stringify(env))
  }
})

test('a bucket gives its burst, then its rate', () => {
  const bucket = new TokenBucket(10, 0.3)
  assert.deepEqual([bucket.take(), bucket.take(), bucket.take()], [0, 0, 0])
  const wait = bucket.take()
  assert.ok(wait > 0 && wait <= 100, String(wait))
  bucket.since -= 150
  assert.equal(bucket.take(), 0)
})

test('connections are limited per address and in all', () => {
  const limit = new ConnectionLimit(3, 2)
  for (const address of ['a', 'a', undefined]) limit.enter(address)
  assert.deepEqual([limit.refusal('a'), limit.refusal('b')], ['capacity', 'capacity'])
  limit.leave(undefined)
  assert.deepEqual([limit.refusal('a'), limit.refusal('b'), limit.refusal(undefined)], ['rate', undefined, undefined])
  limit.leave('a')
  assert.equal(limit.refusal('a'), undefined)
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
  assert.equal(clientAddress({ headers, socket: {} }, { trustForwardedFor: true }), '1.2.3.4')
  assert.equal(clientAddress({ headers: {}, socket: {} }, { trustForwardedFor: true }), undefined)
  assert.equal(clientAddress({ headers, socket: { remoteAddress: '::ffff:9.9.9.9' } }, { trustForwardedFor: false }), '9.9.9.9')
  for (const remoteAddress of ['127.0.0.1', '::1', '::ffff:127.0.0.1', undefined]) {
    assert.equal(clientAddress({ headers, socket: { remoteAddress } }, { trustForwardedFor: false }), undefined)
  }
})

function writer(append, up = true) {
  const seen = []
  const metrics = createMetrics({ worker: 'w', release: 'r' })
  const dependencies = { isUp: () => up, failed: (name) => seen.push(name) }
  const log = { error() {} }
  return { seen, writer: new Writer({ store: { append }, dependencies, metrics, log, committed: (rows) => seen.push(...rows) }) }
}

test('the writer batches, tells the rooms first, and settles', async () => {
  const batches = []
  const { seen, writer: target } = writer(async (entries) => {
    batches.push(entries.length)
    return { results: entries.map((_, index) => ({ seq: index + 1 })), rows: entries }
  })
  const acks = [1, 2, 3].map((text) => target.submit({ text }).then(({ seq }) => [seq, seen.length]))
  await target.settled()
  assert.deepEqual(batches, [3])
  assert.deepEqual(await Promise.all(acks), [[1, 3], [2, 3], [3, 3]])
  await target.settled()
})

test('a batch that fails is refused and the store is reported', async () => {
  const { seen, writer: target } = writer(async () => {
    throw new Error('gone')
  })
  await assert.rejects(target.submit({}), { code: 'unavailable' })
  assert.deepEqual(seen, ['store'])
  await assert.rejects(writer(async () => assert.fail('not asked'), false).writer.submit({}), { code: 'unavailable' })
})
