// The chat of one process: its parts put together, its clients, and how it hands them over.
import { setImmediate as nextTick } from 'node:timers/promises'
import { RedisBus } from './bus.js'
import { Dependencies } from './dependencies.js'
import { ConnectionLimit } from './limits.js'
import { createMetrics } from './metrics.js'
import { Rooms } from './rooms.js'
import { createStore } from './store/index.js'
import { Writer } from './writer.js'

const SLICE = 100

export class Chat {
  clients = new Set()
  draining = false
  stopping = false

  constructor(config, log) {
    Object.assign(this, { config, log })
    const metrics = createMetrics(config)
    this.metrics = metrics
    this.store = createStore(config, log)
    this.limit = new ConnectionLimit(config.maxConnections, config.maxConnectionsPerAddress)
    this.rooms = new Rooms(this)
    this.bus = config.redisUrl && new RedisBus({
      ...this,
      heard: (room, hint) => this.rooms.heard(room, hint),
      reconnected: () => this.rooms.follow(),
    })
    const redis = this.bus && { redis: { kind: 'redis', ping: () => this.bus.ping() } }
    const store = { kind: this.store.name, ping: () => this.store.ping() }
    this.dependencies = new Dependencies({ store, ...redis }, metrics, log)
    this.writer = new Writer({ ...this, committed: (rows) => this.rooms.committed(rows) })
    metrics.connections.collect = () => metrics.connections.set(this.clients.size)
    metrics.sendBuffer.collect = () => metrics.sendBuffer.set(this.#buffered())
  }

  start() {
    this.rooms.start()
    setInterval(() => this.#inSlices((client) => client.beat(Date.now())), this.config.heartbeatMs)
  }

  /** Ask every client to connect anew at its own moment within the window; answers how many were asked. */
  handOver(windowMs) {
    this.#setDraining(true)
    this.#inSlices((client) => client.send({ type: 'drain', reconnect_in_ms: Math.floor(Math.random() * windowMs) }))
    return this.clients.size
  }

  /** Stay after all; answers how many clients there are. */
  takeBack() {
    this.#setDraining(false)
    return this.clients.size
  }

  /** Store and acknowledge what has arrived, then close all clients, in slices. */
  async dismiss() {
    for (const client of this.clients) client.closing = true
    await this.writer.settled()
    await this.#inSlices((client) => client.close(1012, 'service restart'))
  }

  async stop() {
    await this.rooms.stop()
    await this.store.close().catch(() => {})
    this.bus?.close()
  }

  #buffered() {
    let bytes = 0
    for (const { socket } of this.clients) bytes += socket.writableLength
    return bytes
  }

  #setDraining(draining) {
    this.draining = draining
    this.metrics.draining.set(draining ? 1 : 0)
  }

  async #inSlices(act) {
    for (const [index, client] of [...this.clients].entries()) {
      act(client)
      if (index % SLICE === SLICE - 1) await nextTick()
    }
  }
}
