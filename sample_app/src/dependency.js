// Whether something that the chat depends on answers: what its calls say, so that /health and senders need not wait.

const SLOW_MS = 1000
const WORDS = { pass: 'up', warn: 'slow', fail: 'down' }

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
    const end = this.seconds.startTimer({ op })
    try {
      const result = await call()
      this.#set('pass')
      return result
    } catch (error) {
      this.#set('fail', error.message || error.code)
      throw error
    } finally {
      clearTimeout(slow)
      this.milliseconds = end() * 1000
    }
  }

  #set(status, output) {
    const level = status === 'pass' ? 'info' : 'warn'
    if (output !== this.output) this.log[level]({ dependency: this.name, output }, `dependency ${WORDS[status]}`)
    Object.assign(this, { status, output, time: new Date().toISOString() })
    this.gauge.set({ name: this.name }, Number(status === 'pass'))
  }
}
