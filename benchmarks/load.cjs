// Users of a chat: keep-alive HTTP loops and chat clients that resume, resend and move over before a drain.
// usage: load.cjs URL LOOPS CLIENTS ROOM_SIZE   runs until its standard input ends (at most 15 minutes), then prints one JSON object.
'use strict'
const http = require('node:http')
const { randomUUID } = require('node:crypto')
const { setTimeout: sleep } = require('node:timers/promises')

const [url, loops, clients, roomSize] = [process.argv[2], ...process.argv.slice(3).map(Number)]
const THINK_MS = 10
const SAY_MS = 500
const SETTLE_MS = 5000
const LONGEST_MS = 900_000
const run = randomUUID().slice(0, 8)
const felt = { requests: 0, failed: 0, messages: 0, lost: 0, doubled: 0, reconnects: 0, longest_ms: 0, errors: {} }
let over = false

function fail(reason) {
  felt.failed += 1
  felt.errors[reason] = (felt.errors[reason] ?? 0) + 1
}

function once(agent) {
  return new Promise((resolve) => {
    const begun = performance.now()
    const done = (reason) => {
      felt.requests += 1
      felt.longest_ms = Math.max(felt.longest_ms, performance.now() - begun)
      if (reason) fail(reason)
      resolve()
    }
    const request = http.get(`${url}/health`, { agent, timeout: 5000 }, (response) => {
      response.resume()
      response.on('end', () => done(response.statusCode === 200 ? '' : `status ${response.statusCode}`))
      response.on('error', (error) => done(error.code))
    })
    request.on('timeout', () => request.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })))
    request.on('error', (error) => done(error.code ?? error.message))
  })
}

async function loop() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  while (!over) {
    await once(agent)
    await sleep(THINK_MS)
  }
  agent.destroy()
}

class Client {
  constructor(number) {
    this.name = `user ${number}`
    this.room = `load-${run}-${Math.floor(number / roomSize)}`
    this.last = 0
    this.seen = new Map()
    this.pending = new Map()
    this.socket = null
    this.sent = []
    this.connect()
  }

  connect(old) {
    if (this.done) return
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`)
    const opened = performance.now()
    socket.onopen = () => socket.send(JSON.stringify({ type: 'hello', name: this.name, rooms: { [this.room]: this.last } }))
    socket.onmessage = ({ data }) => this.take(socket, JSON.parse(data), old)
    socket.onerror = () => {}
    socket.onclose = () => {
      if (this.socket !== socket && this.socket !== null && this.socket !== old) return
      if (this.socket === socket || this.socket === null) {
        this.socket = null
        felt.reconnects += this.done ? 0 : 1
        setTimeout(() => this.connect(), 50 + Math.random() * Math.min(1000, performance.now() - opened + 50))
      } else this.connect(old)
    }
  }

  take(socket, frame, old) {
    if (frame.type === 'history') {
      for (const message of frame.messages) this.see(message)
      this.socket = socket
      for (const text of this.pending.values()) socket.send(text)
      if (old) setTimeout(() => old.close(), 300)
    } else if (frame.type === 'message') this.see(frame)
    else if (frame.type === 'ack') this.pending.delete(frame.cid)
    else if (frame.type === 'drain' && socket === this.socket) setTimeout(() => this.connect(socket), frame.reconnect_in_ms)
    else if (frame.type === 'error' && frame.cid && frame.retry_after_ms) {
      setTimeout(() => this.pending.has(frame.cid) && this.socket?.send(this.pending.get(frame.cid)), frame.retry_after_ms)
    }
  }

  see({ seq, cid }) {
    if (seq <= this.last) return
    this.last = seq
    if (this.seen.has(cid)) felt.doubled += 1
    this.seen.set(cid, seq)
  }

  say() {
    const cid = randomUUID()
    const text = JSON.stringify({ type: 'send', room: this.room, text: 'a message under load', cid })
    this.pending.set(cid, text)
    this.sent.push(cid)
    felt.messages += 1
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(text)
  }

  async talk() {
    await sleep(Math.random() * SAY_MS)
    while (!over) {
      this.say()
      await sleep(SAY_MS)
    }
  }
}

/** Messages that some member of the room has not seen. */
function missing(all) {
  const rooms = Map.groupBy(all, (client) => client.room)
  let count = 0
  for (const members of rooms.values()) {
    const sent = members.flatMap((member) => member.sent)
    count += sent.filter((cid) => !members.every((member) => member.seen.has(cid))).length
  }
  return count
}

async function main() {
  const all = Array.from({ length: clients }, (_, number) => new Client(number))
  while (!all.every((client) => client.socket)) await sleep(20)
  console.log('ready')
  process.stdin.resume()
  process.stdin.on('end', () => { over = true })
  setTimeout(() => { over = true }, LONGEST_MS)
  await Promise.all([...Array.from({ length: loops }, loop), ...all.map((client) => client.talk())])
  const end = performance.now() + SETTLE_MS
  while (missing(all) > 0 && performance.now() < end) await sleep(50)
  felt.lost = missing(all)
  for (const client of all) client.done = true
  console.log(JSON.stringify(felt))
  process.exit(0)
}

main()
