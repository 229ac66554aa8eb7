// The local front: one TCP port; each connection goes to the least busy worker under run/live, whatever `live` points to
// at that moment. It copies bytes and never looks into them, so keep-alive and WebSockets stay between client and worker.
// usage: front.cjs (under PM2, with CHATOPS_FRONT={"port","run","record"})
'use strict'
const fs = require('node:fs')
const net = require('node:net')
const path = require('node:path')

const { port, run, record } = JSON.parse(process.env.CHATOPS_FRONT)
const busy = new Map()
const DOWN = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 17\r\nConnection: close\r\nRetry-After: 1\r\n\r\nno worker answers'

/** How many workers of a set have passed the gate: those that it was scaled up by must not have clients before. */
function proved(set) {
  try {
    return JSON.parse(fs.readFileSync(path.join(set, 'set.json'), 'utf8')).proved ?? Infinity
  } catch {
    return Infinity
  }
}

/** The live workers' sockets, least busy first; resolved anew for each connection, so a rename moves all new traffic. */
function workers() {
  try {
    const set = path.join(run, fs.readlinkSync(path.join(run, 'live'))) // not realpath: it may be too long for a socket
    const count = proved(set)
    const names = fs.readdirSync(set).filter((name) => /^\d+\.sock$/.test(name) && parseInt(name) < count)
    const files = names.map((name) => path.join(set, name))
    return files.sort((a, b) => (busy.get(a) ?? 0) - (busy.get(b) ?? 0))
  } catch {
    return []
  }
}

function join(client, worker, file) {
  busy.set(file, (busy.get(file) ?? 0) + 1)
  worker.on('close', () => busy.get(file) > 1 ? busy.set(file, busy.get(file) - 1) : busy.delete(file))
  worker.on('error', () => client.destroy())
  client.pipe(worker).pipe(client)
  client.on('close', () => worker.destroy())
  worker.on('close', () => client.destroySoon())
}

/** Tries one worker after the other; nothing has been read from the client yet, so nothing is lost by trying. */
function connect(client, [file, ...others]) {
  if (!file) return client.resume().end(DOWN)
  const worker = net.connect({ path: file, allowHalfOpen: true })
  const next = () => connect(client, others)
  worker.once('error', next)
  worker.once('connect', () => {
    worker.off('error', next)
    if (client.destroyed) worker.destroy()
    else join(client, worker, file)
  })
  return worker
}

const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  client.on('error', () => client.destroy())
  connect(client, workers())
})
server.on('error', (error) => {
  console.error(`front: ${error.message}`)
  process.exit(1)
})
server.listen(port, '127.0.0.1', () => {
  fs.writeFileSync(`${record}.new`, JSON.stringify({ name: 'front', pid: process.pid, started: Date.now() / 1000, port }), { mode: 0o600 })
  fs.renameSync(`${record}.new`, record)
})
process.on('SIGINT', () => process.exit(0))
