// The chat of one process: its parts put together, its clients, and how it hands them over.
import { setImmediate as nextTick } from 'node:timers/promises'
import { RedisBus, SilentBus } from './bus.js'
import { Dependencies } from './dependencies.js'
import { Fanout } from './fanout.js'
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
  #beats
  #beatTimer
  #beat = 0

  constructor(config, log) {
    Object.assign(this, { config, log })
    this.metrics = createMetrics(config)
    this.store = createStore(config, log)
    this.limit = new ConnectionLimit(config.maxConnections, config.maxConnectionsPerAddress)
    this.rooms = new Rooms({ ...this, fanout: new Fanout(this.metrics) })
    this.bus = config.redisUrl ? this.#redis() : new SilentBus()
    this.rooms.bus = this.bus
    this.dependencies = new Dependencies(this.#probes(), this.metrics, log)
    this.writer = new Writer({ ...this, committed: (rows) => this.rooms.committed(rows) })
    this.#beats = Array.from({ length: config.heartbeatMs / 1000 }, () => new Set())
    this.metrics.connections.collect = () => this.metrics.connections.set(this.clients.size)
    this.metrics.sendBuffer.collect = () => this.metrics.sendBuffer.set(this.buffered())
  }

  start() {
    this.dependencies.start()
    this.bus.start?.()
    this.rooms.start()
    this.#beatTimer = setInterval(() => this.#pulse(), 1000)
  }

  enter(client, address) {
    this.clients.add(client)
    this.limit.enter(address)
    this.#beats[this.clients.size % this.#beats.length].add(client)
  }

  left(client, address) {
    this.clients.delete(client)
    this.limit.leave(address)
    for (const beat of this.#beats) beat.delete(client)
  }

  buffered() {
    let bytes = 0
    for (const { socket } of this.clients) bytes += socket.writableLength
    return bytes
  }

  /** Ask every client to connect anew at its own moment within the window; answers how many were asked. */
  handOver(windowMs) {
    this.#setDraining(true)
    const clients = [...this.clients]
    this.#inSlices(clients, (client) => client.send({ type: 'drain', reconnect_in_ms: Math.floor(Math.random() * windowMs) }))
    return clients.length
  }

  takeBack() {
    this.#setDraining(false)
  }

  /** Store and acknowledge what has arrived, then close all clients, in slices. */
  async dismiss() {
    for (const client of this.clients) client.closing = true
    await this.writer.settled()
    await this.#inSlices([...this.clients], (client) => client.close(1012, 'service restart'))
  }

  async stop() {
    clearInterval(this.#beatTimer)
    this.dependencies.stop()
    await this.rooms.stop()
    await Promise.allSettled([this.store.close(), this.bus.close()])
  }

  #redis() {
    const heard = (room, hint) => this.rooms.heard(room, hint)
    return new RedisBus({ ...this, heard, reconnected: () => this.rooms.follow() })
  }

  #probes() {
    let opened = false
    const ping = async () => {
      if (!opened) await this.store.open()
      opened = true
      await this.store.ping()
    }
    const store = { kind: this.store.name, ping }
    return this.config.redisUrl ? { store, redis: { kind: 'redis', ping: () => this.bus.ping() } } : { store }
  }

  #setDraining(draining) {
    this.draining = draining
    this.metrics.draining.set(draining ? 1 : 0)
  }

  async #inSlices(clients, act) {
    for (const [index, client] of clients.entries()) {
      act(client)
      if (index % SLICE === SLICE - 1) await nextTick()
    }
  }

  /** One timer for all hearts: each second another part of the clients. */
  #pulse() {
    const now = Date.now()
    this.#beat = (this.#beat + 1) % this.#beats.length
    for (const client of this.#beats[this.#beat]) client.beat(now)
  }
}
