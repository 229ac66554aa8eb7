// A token bucket for what a connection sends.

const BURST_SECONDS = 4

/** Gains `rate` tokens a second, and holds four seconds' worth. */
export class TokenBucket {
  constructor(rate) {
    Object.assign(this, { rate, most: rate * BURST_SECONDS, tokens: rate * BURST_SECONDS, since: performance.now() })
  }

  /** Take a token: 0, or the milliseconds until there is one. */
  take() {
    const now = performance.now()
    this.tokens = Math.min(this.most, this.tokens + ((now - this.since) * this.rate) / 1000)
    this.since = now
    if (this.tokens < 1) return Math.ceil(((1 - this.tokens) * 1000) / this.rate)
    this.tokens -= 1
    return 0
  }
}
