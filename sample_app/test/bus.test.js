// Hints over a Redis that is made up: what is done after a reconnect, and what is not.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { createInterface } from 'node:readline'

const ANSWERS = {
  HELLO: '%1\r\n+proto\r\n:3\r\n',
  SUBSCRIBE: '>3\r\n+subscribe\r\n$10\r\nchat.hints\r\n:1\r\n',
  PING: '+PONG\r\n',
  PUBLISH: ':1\r\n',
}

/** A process of its own, since a client of Redis never stops to reconnect; says what is asked of the rooms. */
const CHILD = `
  import { Bus } from ${JSON.stringify(new URL('../src/bus.js', import.meta.url).href)}
  const seconds = { startTimer: () => () => 0 }
  const bus = new Bus({
    config: { redisUrl: process.argv[1] },
    log: { debug() {}, info: (_, text) => console.log(text), warn: (_, text) => console.log(text) },
    metrics: { redisSeconds: seconds, dependencyUp: { set() {} } },
    rooms: { compare: async () => console.log('compare') },
  })
  process.stdin.on('data', () => bus.publish({ rows: [] }))
`

class MadeUpRedis {
  heard = []
  lines = new Set()

  async listen(port = 0) {
    this.server = net.createServer((line) => this.#serve(line)).listen(port, '127.0.0.1')
    await once(this.server, 'listening')
    return this.server.address().port
  }

  close() {
    this.server.close()
    for (const line of this.lines) line.destroy()
    this.lines.clear()
  }

  #serve(line) {
    this.lines.add(line.on('error', () => {}))
    line.on('data', (data) => {
      for (const [, name] of data.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)/g)) {
        this.heard.push(name.toUpperCase())
        line.write(ANSWERS[this.heard.at(-1)] ?? '+OK\r\n')
      }
    })
  }
}

test('after a reconnect the store is looked at, and what was published meanwhile is not sent late', { timeout: 20_000 }, async (t) => {
  const redis = new MadeUpRedis()
  const port = await redis.listen()
  const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD, `redis://127.0.0.1:${port}`])
  t.after(() => (child.kill(), redis.close()))
  const said = createInterface(child.stdout)[Symbol.asyncIterator]()
  const hears = async (text) => {
    while ((await said.next()).value !== text);
  }
  await hears('compare')
  redis.close()
  child.stdin.write('publish')
  await hears('dependency down')
  redis.heard = []
  await redis.listen(port)
  await hears('compare')
  assert.deepEqual(redis.heard.filter((name) => name === 'PUBLISH' || name === 'SUBSCRIBE'), ['SUBSCRIBE'])
})
