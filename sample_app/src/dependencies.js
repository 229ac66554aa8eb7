// Whether the store and Redis answer: asked in the background, so that /health and senders need not wait.

const INTERVAL_MS = 2000
const RETRY_MS = 500
const TIMEOUT_MS = 1000

/** Watches named dependencies; `probes` maps a name to {kind, ping()}. */
export class Dependencies {
  #states = new Map()
  #timers = new Map()

  constructor(probes, metrics, log) {
    Object.assign(this, { metrics, log })
    for (const [name, { kind, ping }] of Object.entries(probes)) {
      this.#states.set(name, { name, kind, ping, up: false, output: 'not asked yet' })
    }
  }

  start() {
    for (const state of this.#states.values()) this.#watch(state)
  }

  stop() {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.stopped = true
  }

  isUp(name) {
    return this.#states.get(name)?.up ?? true
  }

  /** Someone's call failed: do not wait for the next probe to say so. */
  failed(name, error) {
    this.#set(this.#states.get(name), false, error.message)
  }

  /** The last known states, without their probes. */
  all() {
    return [...this.#states.values()].map(({ ping, ...state }) => state)
  }

  /** One probe at a time: a hanging one counts as down, and the next waits for its end. */
  async #watch(state) {
    const started = performance.now()
    const slow = setTimeout(() => this.#set(state, false, `no answer in ${TIMEOUT_MS} ms`), TIMEOUT_MS)
    try {
      await state.ping()
      state.milliseconds = performance.now() - started
      this.#set(state, true)
    } catch (error) {
      this.#set(state, false, error.message || error.code)
    }
    clearTimeout(slow)
    if (this.stopped) return
    this.#timers.set(state.name, setTimeout(() => this.#watch(state), state.up ? INTERVAL_MS : RETRY_MS))
  }

  #set(state, up, output) {
    if (up && !state.up) this.log.info({ dependency: state.name }, 'dependency up')
    if (!up && output !== state.output) this.log.warn({ dependency: state.name, output }, 'dependency down')
    Object.assign(state, { up, output, time: new Date().toISOString() })
    this.metrics.dependencyUp.set({ name: state.name }, up ? 1 : 0)
  }
}
