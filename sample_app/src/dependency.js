// Whether something that the chat depends on answers: what the last call said, so that /health and senders need not wait.

const SLOW_MS = 1000

export class Dependency {
  up = false
  output = 'not asked yet'

  /** `seconds` is the histogram of its calls. */
  constructor(name, kind, seconds, { metrics, log }) {
    Object.assign(this, { name, kind, seconds, gauge: metrics.dependencyUp, log })
  }

  /** Resolves to what `call` does; while that hangs, the dependency counts as down. */
  async ask(op, call) {
    const slow = setTimeout(() => this.#set(false, `no answer in ${SLOW_MS} ms`), SLOW_MS)
    const started = performance.now()
    try {
      const result = await call()
      this.#set(true)
      return result
    } catch (error) {
      this.#set(false, error.message || error.code)
      throw error
    } finally {
      clearTimeout(slow)
      this.milliseconds = performance.now() - started
      this.seconds.observe({ op }, this.milliseconds / 1000)
    }
  }

  #set(up, output) {
    if (up && !this.up) this.log.info({ dependency: this.name }, 'dependency up')
    if (!up && output !== this.output) this.log.warn({ dependency: this.name, output }, 'dependency down')
    Object.assign(this, { up, output, time: new Date().toISOString() })
    this.gauge.set({ name: this.name }, up ? 1 : 0)
  }
}
