// Birth and death of the process: listening on a port or a socket path, and the orderly end after a signal.
import { chmodSync, existsSync, unlinkSync } from 'node:fs'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { stopListening } from './http.js'

const DEADLINE_MS = 24_000
const WINDOW_MAX_MS = 8000
const GRACE_MS = 2000
const POLL_MS = 20

/** Listen on a port number or, with mode 0660, on a socket path; a dead process's socket file is removed. */
export async function listen(server, where) {
  if (typeof where === 'string') await removeStale(where)
  await new Promise((resolve, reject) => server.once('error', reject).listen(where, resolve))
  if (typeof where === 'string') chmodSync(where, 0o660)
}

async function removeStale(file) {
  if (!existsSync(file)) return
  if (await answers(file)) throw new Error(`another process listens on ${file}`)
  unlinkSync(file)
}

function answers(file) {
  return new Promise((resolve) => {
    const socket = net.connect(file, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** The first SIGTERM or SIGINT ends the process in good order, the second at once. */
export function stopOnSignal(chat, server, operations) {
  const onSignal = (signal) => {
    if (chat.stopping) process.exit(1)
    stop(chat, [server, operations].filter(Boolean), signal)
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}

/** Not ready, no new connections, clients handed over, writes finished, stragglers closed; then exit 0. */
async function stop(chat, servers, signal) {
  const { log } = chat
  const started = performance.now()
  chat.stopping = true
  log.info({ signal, connections: chat.clients.size }, 'stopping')
  setTimeout(() => {
    log.warn({ connections: chat.clients.size }, 'stopped at the deadline')
    process.exit(0)
  }, DEADLINE_MS)
  const closed = servers.map(stopListening)
  const windowMs = chat.clients.size === 0 ? 0 : Math.min(500 + chat.clients.size, WINDOW_MAX_MS)
  chat.handOver(windowMs)
  await until(() => chat.clients.size === 0, windowMs + GRACE_MS)
  await chat.dismiss()
  await until(() => chat.clients.size === 0, GRACE_MS)
  await endConnections(chat, servers, closed)
  await chat.stop()
  log.info({ seconds_stopping: Number(((performance.now() - started) / 1000).toFixed(3)) }, 'stopped')
  process.exit(0)
}

/** Kept-alive connections end with their next answer; idle ones are cut last, since cutting races with a request. */
async function endConnections(chat, servers, closed) {
  for (const client of chat.clients) client.ws.terminate()
  await Promise.race([Promise.all(closed), sleep(GRACE_MS)])
  for (const server of servers) server.closeIdleConnections()
  await Promise.race([Promise.all(closed), sleep(GRACE_MS)])
}

async function until(condition, milliseconds) {
  const end = performance.now() + milliseconds
  while (!condition() && performance.now() < end) await sleep(POLL_MS)
}
