// The chat of one process: its parts put together, its clients, and how it hands them over.
import { setImmediate as nextTick } from 'node:timers/promises'
import { RedisBus } from './bus.js'
import { Dependencies } from './dependencies.js'
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
    Object.assign(this, { config, log, metrics: createMetrics(config, this), store: createStore(config, log) })
    this.rooms = new Rooms(this)
    const heard = (room, hint) => this.rooms.heard(room, hint)
    this.bus = config.redisUrl && new RedisBus({ ...this, heard, reconnected: () => this.rooms.follow() })
    const redis = this.bus && { redis: { kind: 'redis', ping: () => this.bus.ping() } }
    const store = { kind: this.store.name, ping: () => this.store.ping() }
    this.dependencies = new Dependencies({ store, ...redis }, this)
    this.writer = new Writer({ ...this, committed: (rows) => this.rooms.committed(rows) })
  }

  start() {
    this.rooms.start()
    setInterval(() => this.#inSlices((client) => client.beat(Date.now())), this.config.heartbeatMs)
  }

  /** Ask every client to connect anew at its own moment within the window; answers how many were asked. */
  handOver(windowMs) {
    this.draining = true
    this.#inSlices((client) => client.send({ type: 'drain', reconnect_in_ms: Math.floor(Math.random() * windowMs) }))
    return this.clients.size
  }

  /** Stay after all; answers how many clients there are. */
  takeBack() {
    this.draining = false
    return this.clients.size
  }

  /** Store and acknowledge what has arrived, then close all clients, in slices. */
  async dismiss() {
    for (const client of this.clients) client.closing = true
    await this.writer.settled()
    await this.#inSlices((client) => client.close(1012, 'service restart'))
  }

  async stop() {
    await this.rooms.presence.end()
    await this.store.close().catch(() => {})
    this.bus?.close()
  }

  async #inSlices(act) {
    for (const [index, client] of [...this.clients].entries()) {
      act(client)
      if (index % SLICE === SLICE - 1) await nextTick()
    }
  }
}
