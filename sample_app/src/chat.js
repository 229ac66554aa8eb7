// The chat of one process: its parts put together, its clients, and how it hands them over.
import { setImmediate as nextTick, setTimeout as sleep } from 'node:timers/promises'
import { Bus } from './bus.js'
import { createMetrics } from './metrics.js'
import { Rooms } from './rooms.js'
import { Store } from './store/index.js'

const SLICE = 100
const PULSE_MS = 1000

export class Chat {
  clients = new Set()
  draining = false
  stopping = false

  constructor(config, log) {
    Object.assign(this, { config, log, metrics: createMetrics(config, this) })
    this.store = new Store(this)
    this.rooms = new Rooms(this)
    this.bus = config.redisUrl && new Bus(this)
  }

  start() {
    this.#every(PULSE_MS, () => this.store.open().then(() => this.rooms.pulse()))
    this.#every(PULSE_MS, () => this.bus?.ping())
    // With hints the store is asked seldom; without, as often as it bears.
    this.#every(this.bus ? PULSE_MS : this.store.driver.lookMs, () => this.store.up && this.rooms.compare())
    this.#every(this.config.heartbeatMs, () => this.inSlices((client) => client.beat(Date.now())))
  }

  /** Ask every client to connect anew at its own moment within the window; answers how many were asked. */
  handOver(windowMs) {
    this.draining = true
    this.inSlices((client) => client.send({ type: 'drain', reconnect_in_ms: Math.floor(Math.random() * windowMs) }))
    return this.clients.size
  }

  /** Stay after all; answers how many clients there are. */
  stay() {
    this.draining = false
    return this.clients.size
  }

  /** Do the same with all clients, a hundred at a time, so that others are not kept waiting. */
  async inSlices(act) {
    for (const [index, client] of [...this.clients].entries()) {
      act(client)
      if (index % SLICE === SLICE - 1) await nextTick()
    }
  }

  /** For as long as there are servers. A dependency that is away is no reason to stop, and whoever asked it has reported it. */
  async #every(milliseconds, act) {
    while (true) {
      await nextTick().then(act).catch((error) => this.log.debug({ error: error.message }, 'to be repeated'))
      await sleep(milliseconds, undefined, { ref: false })
    }
  }
}
