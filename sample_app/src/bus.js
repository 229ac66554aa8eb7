// Hints between workers over Redis pub/sub. A lost hint costs time, never a message: the store is the truth.
import { createClient } from '@redis/client'
import { timed } from './metrics.js'

const CHANNEL = 'chat:room:'

/**
 * Publishes and receives hints {first, texts, committed}: JSON texts committed at that time (ms since 1970), `first`
 * being the seq of the first one, or 0 where they are not stored ones. `heard(room, hint)` gets the other processes'
 * hints; `reconnected()` says that some may be lost.
 */
export class RedisBus {
  #publisher
  #subscriber

  constructor({ config, log, metrics, heard, reconnected }) {
    Object.assign(this, { log, metrics, heard, instance: config.instance })
    this.#publisher = this.#connect(config)
    this.#subscriber = this.#connect(config).on('ready', reconnected)
  }

  publish(room, hint) {
    const text = JSON.stringify({ from: this.instance, ...hint })
    timed(this.metrics.redisSeconds, 'publish', () => this.#publisher.publish(CHANNEL + room, text)).catch(() => {})
  }

  /** Resolves when hints for `room` arrive, or without while Redis is away: after `reconnected` ask again. */
  async watch(room) {
    await this.#subscriber.subscribe(CHANNEL + room, this.#receive).catch(() => {})
  }

  unwatch(room) {
    this.#subscriber.unsubscribe(CHANNEL + room).catch(() => {})
  }

  async ping() {
    if (!this.#subscriber.isReady) throw new Error('subscriber is not connected')
    await timed(this.metrics.redisSeconds, 'ping', () => this.#publisher.ping())
  }

  close() {
    for (const client of [this.#publisher, this.#subscriber]) client.destroy()
  }

  /** One function for all rooms: the client keeps a set of listeners, so subscribing twice is harmless. */
  #receive = (text, channel) => {
    const { from, ...hint } = JSON.parse(text)
    if (from !== this.instance) this.heard(channel.slice(CHANNEL.length), hint)
  }

  /** Without an offline queue hints do not pile up. Heroku's chain is self-signed: accepted here only. */
  #connect({ redisUrl, onHeroku }) {
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
    client.on('error', (error) => this.log.debug({ error: error.message }, 'redis connection'))
    client.connect().catch(() => {})
    return client
  }
}
