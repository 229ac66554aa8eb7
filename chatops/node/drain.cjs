// Hands the clients of the old workers over to the new: asks each to drain, then shows the count going down.
// usage: drain.cjs SECONDS OPS_SOCKET...
// An app without an operations socket has nothing to hand over.
'use strict'
const { setTimeout: sleep } = require('node:timers/promises')
const { ask, json } = require('./sockets.cjs')

// A worker completes about 1,000 handshakes a second with room to spare; the window keeps the rush below that.
const PER_CLIENT_MS = 2
const WINDOW_MS = [10, 10_000]
const POLL_MS = [20, 200]

const between = ([least, most], value) => Math.min(most, Math.max(least, value))

async function connections(socket) {
  try {
    return json((await ask(socket, '/health')).body).connections ?? 0
  } catch {
    return 0
  }
}

async function total(sockets) {
  return (await Promise.all(sockets.map(connections))).reduce((sum, count) => sum + count, 0)
}

async function drain([seconds, ...sockets]) {
  const before = await total(sockets)
  const window = between(WINDOW_MS, before * PER_CLIENT_MS)
  const asked = await Promise.allSettled(sockets.map((socket) => ask(socket, `/drain?window_ms=${window}`, { method: 'POST' })))
  if (!asked.some((answer) => answer.status === 'fulfilled' && answer.value.status === 200)) return console.log('nothing to drain')
  const end = Date.now() + Number(seconds) * 1000
  let left = before
  for (let said = NaN; left > 0 && Date.now() < end; left = await total(sockets)) {
    if (left !== said) console.log(`old workers: ${left} connections`)
    said = left
    await sleep(between(POLL_MS, window / 10))
  }
  return console.log(left > 0 ? `${left} connections stay with the old workers until those stop` : `drained ${before} connections`)
}

drain(process.argv.slice(2)).then(() => process.exit(0))
