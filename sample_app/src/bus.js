// Hints between workers over Redis pub/sub. A lost hint costs time, never a message: the store is the truth.
import { createClient } from '@redis/client'
import { timed } from './metrics.js'

const CHANNEL = 'chat:room:'

/** What a process without Redis has: nobody to tell. */
export class SilentBus {
  publish() {}
  async watch() {}
  unwatch() {}
  async close() {}
}

/**
 * Publishes and receives hints. `heard(room, {first, texts, committed})` gets the other processes' messages, `first`
 * being the seq of the first text, or 0 where the texts are not stored ones; `reconnected()` says hints may be lost.
 */
export class RedisBus {
  #publisher
  #subscriber

  constructor({ config, log, metrics, heard, reconnected }) {
    Object.assign(this, { log, metrics, heard, instance: config.instance })
    this.#publisher = this.#client(config)
    this.#subscriber = this.#client(config)
    this.#subscriber.on('ready', reconnected)
  }

  start() {
    for (const client of [this.#publisher, this.#subscriber]) client.connect().catch(() => {})
  }

  publish(room, first, texts, committed) {
    const hint = [`${this.instance} ${first} ${committed}`, ...texts].join('\n')
    timed(this.metrics.redisSeconds, 'publish', () => this.#publisher.publish(CHANNEL + room, hint))
      .catch((error) => this.log.debug({ error: error.message }, 'hint not sent'))
  }

  /** Resolves when hints for `room` arrive, or without them while Redis is away: `reconnected` is the time to ask again. */
  async watch(room) {
    await this.#subscriber.subscribe(CHANNEL + room, this.#receive)
      .catch((error) => this.log.debug({ error: error.message }, 'not subscribed yet'))
  }

  unwatch(room) {
    this.#subscriber.unsubscribe(CHANNEL + room).catch(() => {})
  }

  async ping() {
    if (!this.#subscriber.isReady) throw new Error('subscriber is not connected')
    await timed(this.metrics.redisSeconds, 'ping', () => this.#publisher.ping())
  }

  async close() {
    for (const client of [this.#publisher, this.#subscriber]) client.destroy()
  }

  /** One function for all rooms: the client keeps a set of listeners, so subscribing twice is harmless. */
  #receive = (hint, channel) => {
    const [head, ...texts] = hint.split('\n')
    const [instance, first, committed] = head.split(' ')
    if (instance === this.instance) return
    this.heard(channel.slice(CHANNEL.length), { first: Number(first), texts, committed: Number(committed) })
  }

  /** No offline queue: hints must not pile up while Redis is away. Heroku's chain is self-signed: accepted here only. */
  #client({ redisUrl, onHeroku }) {
    const client = createClient({
      url: redisUrl,
      disableOfflineQueue: true,
      commandsQueueMaxLength: 1000,
      pingInterval: 10_000,
      socket: {
        connectTimeout: 2000,
        socketTimeout: 30_000,
        reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, 2000) * (0.5 + Math.random() / 2),
        ...(onHeroku && redisUrl.startsWith('rediss:') && { rejectUnauthorized: false }),
      },
    })
    return client.on('error', (error) => this.log.debug({ error: error.message }, 'redis connection'))
  }
}
