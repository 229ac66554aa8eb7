// Limits: a token bucket for what a connection sends, and a count of connections per address.

/** Holds up to `burst` tokens and gains `rate` a second. */
export class TokenBucket {
  constructor(rate, burst) {
    Object.assign(this, { rate, burst, tokens: burst, since: performance.now() })
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
  #counts = new Map()
  total = 0

  constructor(maxTotal, maxPerAddress) {
    Object.assign(this, { maxTotal, maxPerAddress })
  }

  /** Why a connection from `address` must be refused, or undefined. */
  refusal(address) {
    if (this.total >= this.maxTotal) return 'capacity'
    return (this.#counts.get(address) ?? 0) >= this.maxPerAddress ? 'rate' : undefined
  }

  enter(address) {
    this.total += 1
    if (address) this.#counts.set(address, (this.#counts.get(address) ?? 0) + 1)
  }

  leave(address) {
    this.total -= 1
    const left = (this.#counts.get(address) ?? 0) - 1
    if (left > 0) this.#counts.set(address, left)
    else this.#counts.delete(address)
  }
}
