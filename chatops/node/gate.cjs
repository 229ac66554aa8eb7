// The gate before the switch: every worker must answer well N times in a row, with the release it should have,
// and complete a WebSocket handshake. One that has handed its clients over is told first that it may have some again.
// Says why a worker does not pass, with the last lines that it wrote.
// usage: gate.cjs GATE.json   {health, websocket|null, release, answers, seconds, workers: [{name, socket, ops, record, logs: [..]}]}
'use strict'
const fs = require('node:fs')
const { setTimeout: sleep } = require('node:timers/promises')
const { ask, handshake, json } = require('./sockets.cjs')

const POLL_MS = 20
const CRASHES = 3
const LAST_LINES = 12

async function look(gate, worker) {
  const { status, body } = await ask(worker.socket, gate.health)
  if (status < 200 || status > 299) throw new Error(`${gate.health} answers ${status}`)
  const { release } = json(body)
  if (typeof release === 'string' && release !== gate.release) throw new Error(`answers release \`${release}\` instead of \`${gate.release}\``)
}

function restarts(worker) {
  try {
    return JSON.parse(fs.readFileSync(worker.record, 'utf8')).restarts
  } catch {
    return 0
  }
}

/** `answers` good answers in a row and a handshake, or the last reason why not. */
async function pass(gate, worker) {
  const end = Date.now() + gate.seconds * 1000
  let row = 0
  let reason = new Error('never listened on its PORT')
  await ask(worker.ops, '/undrain', { method: 'POST' }).catch(() => {}) // not there, or not for this app
  while (Date.now() < end && row < gate.answers) {
    if (restarts(worker) >= CRASHES) throw new Error(`crashed ${CRASHES} times at boot`)
    try {
      await look(gate, worker)
      row += 1
    } catch (error) {
      row = 0
      if (!['ENOENT', 'ECONNREFUSED'].includes(error.code)) reason = error
      await sleep(POLL_MS)
    }
  }
  if (row < gate.answers) throw reason
  if (gate.websocket) await handshake(worker.socket, gate.websocket)
}

function lastLines(file) {
  try {
    return fs.readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LAST_LINES).filter(Boolean)
  } catch {
    return []
  }
}

async function main(gate) {
  const results = await Promise.allSettled(gate.workers.map((worker) => pass(gate, worker)))
  const failed = results.flatMap((result, index) => (result.status === 'rejected' ? [[gate.workers[index], result.reason]] : []))
  for (const [worker] of failed) for (const file of worker.logs) for (const line of lastLines(file)) console.log(`${worker.name} | ${line}`)
  for (const [worker, error] of failed) console.log(`${worker.name} ${error.message}`)
  if (failed.length === 0) console.log(`${gate.workers.length} workers answer as ${gate.release}`)
  return failed.length === 0 ? 0 : 1
}

main(JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))).then((code) => process.exit(code))
