// Hands the clients of the old workers over to the new: asks each to drain, then shows the count going down.
// usage: drain.cjs SECONDS OPS_SOCKET... | drain.cjs back OPS_SOCKET...   (takes the order back: a warm release serves again)
// An app without an operations socket has nothing to hand over.
'use strict'
const { setTimeout: sleep } = require('node:timers/promises')
const { ask, json } = require('./sockets.cjs')

const POLL_MS = 50
// A worker completes about 1,000 handshakes a second with room to spare; the window keeps the rush below that.
const PER_CLIENT_MS = 2
const LEAST_MS = 200
const MOST_MS = 10_000

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

async function back(sockets) {
  await Promise.allSettled(sockets.map((socket) => ask(socket, '/undrain', { method: 'POST' })))
}

async function drain([seconds, ...sockets]) {
  const before = await total(sockets)
  const window = Math.min(MOST_MS, Math.max(LEAST_MS, before * PER_CLIENT_MS))
  const asked = await Promise.allSettled(sockets.map((socket) => ask(socket, `/drain?window_ms=${window}`, { method: 'POST' })))
  if (!asked.some((answer) => answer.status === 'fulfilled' && answer.value.status === 200)) return console.log('nothing to drain')
  const end = Date.now() + Number(seconds) * 1000
  const soonest = Date.now() + LEAST_MS // kept-alive HTTP connections end with their next answer
  let left = before
  let said = NaN
  while ((left > 0 && Date.now() < end) || Date.now() < soonest) {
    if (left > 0 && left !== said) console.log(`old workers: ${left} connections`)
    said = left
    await sleep(POLL_MS)
    left = await total(sockets)
  }
  return console.log(left > 0 ? `${left} connections stay with the old workers until those stop` : `drained ${before} connections`)
}

const [first, ...rest] = process.argv.slice(2)
const done = first === 'back' ? back(rest) : drain([first, ...rest])
done.then(() => process.exit(0))
