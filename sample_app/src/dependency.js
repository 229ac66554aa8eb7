// Whether something that the chat depends on answers: what its calls say, so that /health and senders need not wait.

const SLOW_MS = 1000

export class Dependency {
  /** `fail` when the last call failed, `warn` while one takes long: a busy machine is no reason to refuse anybody. */
  status = 'fail'
  output = 'not asked yet'

  /** `seconds` is the histogram of its calls. */
  constructor(name, kind, seconds, { metrics, log }) {
    Object.assign(this, { name, kind, seconds, gauge: metrics.dependencyUp, log })
  }

  get up() {
    return this.status !== 'fail'
  }

  /** Resolves to what `call` does, which must have a time limit of its own. */
  async ask(op, call) {
    const slow = setTimeout(() => this.up && this.#set('warn', `no answer in ${SLOW_MS} ms`), SLOW_MS)
    const started = performance.now()
    try {
      const result = await call()
      this.#set('pass')
      return result
    } catch (error) {
      this.#set('fail', error.message || error.code)
      throw error
    } finally {
      clearTimeout(slow)
      this.milliseconds = performance.now() - started
      this.seconds.observe({ op }, this.milliseconds / 1000)
    }
  }

  #set(status, output) {
    if (status === 'pass' && this.status !== 'pass') this.log.info({ dependency: this.name }, 'dependency up')
    const trouble = status === 'warn' ? 'dependency slow' : 'dependency down'
    if (status !== 'pass' && output !== this.output) this.log.warn({ dependency: this.name, output }, trouble)
    Object.assign(this, { status, output, time: new Date().toISOString() })
    this.gauge.set({ name: this.name }, status === 'pass' ? 1 : 0)
  }
}
