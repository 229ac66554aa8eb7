// Hints between workers over Redis pub/sub. A lost hint costs time, never a message: the store is the truth.
import { createClient } from '@redis/client'
import { Dependency } from './dependency.js'

const CHANNEL = 'chat.hints'

/**
 * Publishes hints: {rows, committed}, rows that were committed at that time (ms since 1970), or {room, text}, a frame
 * that is not kept. Tells `rooms` of all of them, its own included, and when some may have been lost.
 */
export class Bus extends Dependency {
  #client

  /** One connection for both ways, as RESP3 allows; without an offline queue, so that hints do not pile up. */
  constructor({ config: { redisUrl, onHeroku }, log, metrics, rooms }) {
    super('redis', 'redis', metrics.redisSeconds, { metrics, log })
    this.#client = createClient({
      url: redisUrl,
      disableOfflineQueue: true,
      socket: {
        socketTimeout: 5000,
        // The client's own strategy gives up after a timeout.
        reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, 2000) * (0.5 + Math.random() / 2),
        // Heroku's chain is self-signed: accepted here only.
        ...(onHeroku && redisUrl.startsWith('rediss:') && { rejectUnauthorized: false }),
      },
    })
    // After every reconnect, since one listener is never added twice: a first attempt fails where Redis is away.
    const hear = (text) => rooms.heard(JSON.parse(text))
    const caughtUp = () => Promise.all([this.ping(), rooms.compare()])
    this.#client.on('ready', () => this.#client.subscribe(CHANNEL, hear).then(caughtUp).catch(() => {}))
    this.#client.on('error', (error) => log.debug({ error: error.message }, 'redis connection'))
    this.#client.connect().catch(() => {})
  }

  publish(hint) {
    this.ask('publish', () => this.#client.publish(CHANNEL, JSON.stringify(hint))).catch(() => {})
  }

  /** Rejects unless Redis answers. */
  ping() {
    return this.ask('ping', () => this.#client.ping())
  }
}
