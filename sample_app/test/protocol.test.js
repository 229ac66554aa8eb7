// What clients may say: names, rooms and texts in one written form, everything else refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeHistory, encodeMessage, FrameError, parseFrame, readAfter, readName, readRoom, readRooms, readSend } from '../src/protocol.js'

const CID = '0b7f4c3e-1111-4222-8333-444455556666'

test('names get one written form', () => {
  assert.equal(readName('  Ana   María '), 'Ana María')
  assert.equal(readName('e\u0301va'), 'éva')
  assert.equal(readName("O'Neil-2.0"), "O'Neil-2.0")
  for (const bad of ['', '  ', 'x'.repeat(33), '<i>', 'a\u202eb', 'a\tb', '-x', undefined, 3]) {
    assert.throws(() => readName(bad), FrameError, String(bad))
  }
})

test('rooms are taken as they are, or not at all', () => {
  for (const good of ['lobby', 'Straße', 'a-b_c', '日本', 'x'.repeat(32)]) assert.equal(readRoom(good), good)
  for (const bad of ['', 'a b', 'e\u0301', '../x', '_x', 'x'.repeat(33), '__proto__', null, {}]) {
    assert.throws(() => readRoom(bad), FrameError, String(bad))
  }
})

test('texts lose what disguises them, and keep lines', () => {
  const text = (value) => readSend({ room: 'lobby', cid: CID, text: value }).text
  assert.equal(text('a\u0000b\u001b[31m\u202ec\n\td'), 'ab[31mc\n\td')
  assert.equal(text('\ud800x'), 'x')
  assert.equal(text('e\u0301 🙂'), 'é 🙂')
  assert.equal(text('e\u0000\u0301'), 'é')
  assert.equal(text('a\u200e\u200f\u061cb\u200b\u2060\ufeffc\ufff9\ufffa\ufffbd\u00ad\u{e0001}\u{e0041}'), 'abcd')
  for (const kept of ['👩\u200d👩\u200d👧', 'می\u200cخواهم', '🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}']) {
    assert.equal(text(kept), kept)
  }
  assert.equal(text(`🏴${'\u{e0061}'.repeat(20)}`), '🏴')
  assert.equal(text('x'.repeat(4000)).length, 4000)
  assert.throws(() => text('x'.repeat(4001)), { code: 'too_large' })
  for (const bad of ['', ' \n', '\u0007', 5, undefined]) assert.throws(() => text(bad), { code: 'bad_frame' })
})

test('a send without a usable cid is refused', () => {
  for (const cid of [undefined, 'short', 'x'.repeat(65), 'has space here', 12345678]) {
    assert.throws(() => readSend({ room: 'lobby', text: 'x', cid }), FrameError)
  }
})

test('frames are JSON objects with a type', () => {
  assert.deepEqual(parseFrame('{"type":"ping"}'), { type: 'ping' })
  for (const bad of ['', '{', '1', 'null', '"x"', '[]', '{}', '{"type":1}']) assert.throws(() => parseFrame(bad), FrameError, bad)
})

test('the rooms of a hello', () => {
  assert.deepEqual(readRooms({ lobby: 5, ops: null }), [['lobby', 5], ['ops', null]])
  for (const bad of [null, [], 'x', { 'a b': null }, { lobby: 'x' }]) assert.throws(() => readRooms(bad), FrameError)
  for (const bad of [-1, 1.5, '1', NaN, 2 ** 53]) assert.throws(() => readAfter(bad), FrameError)
})

test('a history is made of messages that are encoded already', () => {
  const message = encodeMessage({ room: 'r', seq: 1, sender: 'ana', text: '"\n\u2028', time: 't', cid: 'c' })
  assert.ok(!message.includes('\n'))
  assert.deepEqual(JSON.parse(encodeHistory('r', [message, message], true)), {
    type: 'history',
    room: 'r',
    messages: [JSON.parse(message), JSON.parse(message)],
    reset: true,
  })
})
