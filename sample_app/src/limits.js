// Limits: a token bucket for what a connection sends, and a count of connections per address.

/** Holds `seconds` worth of tokens and gains `rate` a second. */
export class TokenBucket {
  constructor(rate, seconds) {
    Object.assign(this, { rate, burst: rate * seconds, tokens: rate * seconds, since: performance.now() })
  }

  /** Take one token: 0, or the milliseconds until there is one. */
  take() {
    const now = performance.now()
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.since) * this.rate) / 1000)
    this.since = now
    if (this.tokens < 1) return Math.ceil(((1 - this.tokens) * 1000) / this.rate)
    this.tokens -= 1
    return 0
  }
}

/** Counts connections, in all and per address; an unknown address (undefined) counts in all only. */
export class ConnectionLimit {
  #addresses = new Map()
  #total = 0

  constructor(maxTotal, maxPerAddress) {
    Object.assign(this, { maxTotal, maxPerAddress })
  }

  /** Why a connection from `address` must be refused, or undefined. */
  refusal(address) {
    if (this.#total >= this.maxTotal) return 'capacity'
    return this.#addresses.get(address) >= this.maxPerAddress ? 'rate' : undefined
  }

  enter(address) {
    this.#count(address, 1)
  }

  leave(address) {
    this.#count(address, -1)
  }

  #count(address, change) {
    this.#total += change
    const count = (this.#addresses.get(address) ?? 0) + change
    if (address === undefined || count === 0) this.#addresses.delete(address)
    else this.#addresses.set(address, count)
  }
}
