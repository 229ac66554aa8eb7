// A token bucket for what a connection sends.

/** Holds `seconds` worth of tokens and gains `rate` a second. */
export class TokenBucket {
  constructor(rate, seconds) {
    Object.assign(this, { rate, burst: rate * seconds, tokens: rate * seconds, since: performance.now() })
  }

  /** Take `cost` tokens where `left` stay: 0, or the milliseconds until there are as many. */
  take(cost, left = 0) {
    const now = performance.now()
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.since) * this.rate) / 1000)
    this.since = now
    const missing = cost + left - this.tokens
    if (missing > 0) return Math.ceil((missing * 1000) / this.rate)
    this.tokens -= cost
    return 0
  }
}
