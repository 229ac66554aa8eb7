// The server stays small enough to be read in one sitting.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

test('all files that the server loads have less than 1,000 lines that are neither blank nor comment', () => {
  const loaded = new Set([new URL('../server.js', import.meta.url).href])
  const lines = []
  for (const file of loaded) {
    const text = readFileSync(new URL(file), 'utf8')
    for (const [, name] of text.matchAll(/ from '(\.[^']+)'/g)) loaded.add(new URL(name, file).href)
    lines.push(...text.split('\n').filter((line) => !/^\s*($|\/\/|\/?\*)/.test(line)))
  }
  assert.ok(loaded.size > 20, [...loaded].join('\n'))
  assert.ok(lines.length < 1000, String(lines.length))
})
