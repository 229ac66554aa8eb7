// Whether something that the chat depends on answers: what its calls say, so that /health and senders need not wait.

const SLOW_MS = 1000

export class Dependency {
  /** Whether the last call succeeded; and whether one takes long: a busy machine is no reason to refuse anybody. */
  up = false
  slow = false
  output = 'not asked yet'

  /** `seconds` is the histogram of its calls. */
  constructor(name, kind, seconds, { metrics, log }) {
    Object.assign(this, { name, kind, seconds, gauge: metrics.dependencyUp, log })
  }

  /** Resolves to what `call` does, which must have a time limit of its own; `proves` that all works again, if it works. */
  async ask(op, call, proves = true) {
    const end = this.seconds.startTimer({ op })
    const result = call()
    const timer = setTimeout(() => (this.slow = true), SLOW_MS)
    await result.then(() => (this.up || proves) && this.#set(true), (error) => this.#set(false, error.message || error.code))
    clearTimeout(timer)
    this.slow = false
    this.milliseconds = end() * 1000
    return result
  }

  #set(up, output) {
    if (up && !this.up) this.log.info({ dependency: this.name }, 'dependency up')
    if (!up && output !== this.output) this.log.warn({ dependency: this.name, output }, 'dependency down')
    Object.assign(this, { up, output, time: new Date().toISOString() })
    this.gauge.set({ name: this.name }, Number(up))
  }
}
