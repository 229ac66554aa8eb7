// The page's rules for names are the server's: both sides are asked about the same names.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRoom, tidy } from '../public/names.js'
import { readName, readRoom } from '../src/protocol.js'

const ROOMS = ['lobby', 'Über_uns', '東京', 'a', 'a'.repeat(32), 'a'.repeat(33), '', '-a', 'a b', 'a/b', '<b>', 'e\u0301', 'a\u202eb', '1-2']

function takes(read, value) {
  try {
    read(value)
    return true
  } catch {
    return false
  }
}

for (const room of ROOMS) {
  test(`room ${JSON.stringify(room)}`, () => assert.equal(isRoom(room), takes(readRoom, room)))
}

test('a tidy name is the one the server writes', () => {
  for (const name of ['ana', '  Zoe\u0308 ', 'a   b']) assert.equal(tidy(name), readName(name))
})
