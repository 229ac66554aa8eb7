// Birth and death of the process: listening on a port or a socket path, and the orderly end after a signal.
import { chmodSync, unlinkSync } from 'node:fs'
import { once } from 'node:events'
import net from 'node:net'
import { setImmediate as nextTick, setTimeout as sleep } from 'node:timers/promises'

const DEADLINE_MS = 24_000
const WINDOW_MAX_MS = 8000
const GRACE_MS = 2000
const POLL_MS = 20

/** Listen on a port or, with mode 0660, on a socket path, and answer it; a dead process's socket file is removed. */
export async function listen(server, where) {
  if (typeof where === 'string') await removeStale(where)
  await once(server.listen(where), 'listening')
  if (typeof where === 'string') chmodSync(where, 0o660)
  return server.address().port ?? where
}

async function removeStale(file) {
  const socket = net.connect(file)
  const fault = await once(socket, 'connect').catch(({ code }) => code)
  socket.destroy()
  if (fault === 'ECONNREFUSED') unlinkSync(file)
  else if (fault !== 'ENOENT') throw new Error(`another process listens on ${file}`)
}

/** The first SIGTERM or SIGINT ends the process in good order, the second at once. */
export function stopOnSignal(chat, servers) {
  const onSignal = (signal) => (chat.stopping ? process.exit(1) : stop(chat, servers, signal))
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
}

/** Not ready, no new connections, clients handed over, writes finished, stragglers closed, operators left alone; exit 0. */
async function stop(chat, [open, ...operations], signal) {
  const { clients, log, rooms, store } = chat
  const started = performance.now()
  const told = () => ({ connections: clients.size, seconds_stopping: Math.round(performance.now() - started) / 1000 })
  process.once('exit', () => log.info(told(), 'stopped'))
  chat.stopping = true
  log.info({ signal, connections: clients.size }, 'stopping')
  setTimeout(process.exit, DEADLINE_MS, 0)
  // Not http.Server.close, which hangs up on kept-alive connections.
  const closed = new Promise((resolve) => net.Server.prototype.close.call(open, resolve))
  const windowMs = Math.min(500 + clients.size, WINDOW_MAX_MS)
  chat.handOver(windowMs)
  while (clients.size > 0 && performance.now() < started + windowMs + GRACE_MS) await sleep(POLL_MS)
  await rooms.writing.then(nextTick, nextTick) // by then the senders have their answers
  await chat.inSlices((client) => client.ws.close(1012, 'service restart'))
  for (const end = performance.now() + GRACE_MS; clients.size > 0 && performance.now() < end; ) await sleep(POLL_MS)
  for (const client of clients) client.ws.terminate()
  // Kept-alive connections end with their next answer; idle ones are cut last, since cutting races with a request.
  await Promise.race([closed, sleep(GRACE_MS)])
  open.closeIdleConnections()
  await Promise.race([closed, sleep(GRACE_MS)])
  // The other processes need not wait for their news of this one to expire.
  await store.announce(rooms.instance, {}, 0).catch(() => {})
  await store.driver.close().catch(() => {})
  for (const server of operations) server.close()
  process.exit(0)
}
