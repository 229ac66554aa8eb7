// Hints between workers over Redis pub/sub. A lost hint costs time, never a message: the store is the truth.
import { createClient } from '@redis/client'
import { Dependency } from './dependency.js'

const CHANNEL = 'chat'

/**
 * Publishes and receives hints {room, first, texts, committed}: JSON texts committed at that time (ms since 1970), `first`
 * being the seq of the first one, or 0 where they are not stored ones. `heard(hint)` gets those of other processes;
 * `reconnected()` says that some may be lost.
 */
export class RedisBus {
  #publisher
  #subscriber

  constructor({ config, log, metrics, heard, reconnected }) {
    Object.assign(this, { log, heard, instance: config.instance })
    this.dependency = new Dependency('redis', 'redis', metrics.redisSeconds, { metrics, log })
    this.#publisher = this.#connect(config)
    this.#subscriber = this.#connect(config)
    this.#subscriber.on('ready', () => this.#subscribe(reconnected))
    for (const client of [this.#publisher, this.#subscriber]) client.on('ready', () => this.ping().catch(() => {}))
  }

  publish(hint) {
    const text = JSON.stringify({ from: this.instance, ...hint })
    this.dependency.ask('publish', () => this.#publisher.publish(CHANNEL, text)).catch(() => {})
  }

  /** Rejects unless both connections are there and Redis answers. */
  ping() {
    return this.dependency.ask('ping', async () => {
      if (!this.#subscriber.isReady) throw new Error('subscriber is not connected')
      await this.#publisher.ping()
    })
  }

  close() {
    for (const client of [this.#publisher, this.#subscriber]) client.destroy()
  }

  /** One function for ever: the client keeps a set of listeners, so subscribing after each reconnect is harmless. */
  #receive = (text) => {
    const { from, ...hint } = JSON.parse(text)
    if (from !== this.instance) this.heard(hint)
  }

  async #subscribe(done) {
    await this.#subscriber.subscribe(CHANNEL, this.#receive).then(done, () => {})
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
