// Hints between workers over Redis pub/sub. A lost hint costs time, never a message: the store is the truth.
import { createClient } from '@redis/client'
import { Dependency } from './dependency.js'

const CHANNEL = 'chat.hints'

/**
 * Publishes hints: {room, rows, committed}, rows that were committed at that time (ms since 1970), or {room, text}, a
 * frame that is not kept. Tells `rooms` of those of other processes, and when some may have been lost.
 */
export class Bus {
  #client

  constructor({ config, log, metrics, rooms }) {
    Object.assign(this, { rooms, instance: config.instance })
    this.dependency = new Dependency('redis', 'redis', metrics.redisSeconds, { metrics, log })
    this.#client = createClient(settings(config))
    this.#client.on('error', (error) => log.debug({ error: error.message }, 'redis connection'))
    this.#client.on('ready', () => this.#subscribe().catch(() => {}))
    this.#client.connect().catch(() => {})
  }

  publish(hint) {
    const text = JSON.stringify({ from: this.instance, ...hint })
    this.dependency.ask('publish', () => this.#client.publish(CHANNEL, text)).catch(() => {})
  }

  /** Rejects unless Redis answers. */
  ping() {
    return this.dependency.ask('ping', () => this.#client.ping())
  }

  /** After every reconnect: a first attempt fails where Redis is away, and one listener is never added twice. */
  async #subscribe() {
    await this.#client.subscribe(CHANNEL, this.#receive)
    this.rooms.catchUp()
    await this.ping()
  }

  #receive = (text) => {
    const { from, ...hint } = JSON.parse(text)
    if (from !== this.instance) this.rooms.heard(hint)
  }
}

/** One connection for both ways, as RESP3 allows; without an offline queue, so that hints do not pile up. */
function settings({ redisUrl, onHeroku }) {
  return {
    url: redisUrl,
    RESP: 3,
    disableOfflineQueue: true,
    commandsQueueMaxLength: 1000,
    pingInterval: 10_000,
    socket: {
      connectTimeout: 2000,
      socketTimeout: 30_000,
      reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, 2000) * (0.5 + Math.random() / 2),
      // Heroku's chain is self-signed: accepted here only.
      ...(onHeroku && redisUrl.startsWith('rediss:') && { rejectUnauthorized: false }),
    },
  }
}
