// Whether the store and Redis answer: asked in the background, so that /health and senders need not wait.
import { setTimeout as sleep } from 'node:timers/promises'

const INTERVAL_MS = 2000
const RETRY_MS = 500
const TIMEOUT_MS = 1000

/** Watches named dependencies; `probes` maps a name to {kind, ping()}. */
export class Dependencies {
  states = {}

  constructor(probes, { metrics, log }) {
    Object.assign(this, { metrics, log })
    for (const [name, { kind, ping }] of Object.entries(probes)) {
      this.states[name] = { name, kind, up: false, output: 'not asked yet' }
      this.#watch(this.states[name], ping)
    }
  }

  isUp(name) {
    return this.states[name]?.up ?? true
  }

  /** Someone's call failed: do not wait for the next probe to say so. */
  failed(name, error) {
    this.#set(this.states[name], false, error.message)
  }

  /** One probe at a time: a hanging one counts as down, and the next waits for its end. */
  async #watch(state, ping) {
    while (true) {
      const started = performance.now()
      const slow = setTimeout(() => this.#set(state, false, `no answer in ${TIMEOUT_MS} ms`), TIMEOUT_MS)
      const error = await ping().then(() => undefined, (reason) => reason)
      clearTimeout(slow)
      state.milliseconds = performance.now() - started
      this.#set(state, !error, error?.message || error?.code)
      await sleep(state.up ? INTERVAL_MS : RETRY_MS)
    }
  }

  #set(state, up, output) {
    if (up && !state.up) this.log.info({ dependency: state.name }, 'dependency up')
    if (!up && output !== state.output) this.log.warn({ dependency: state.name, output }, 'dependency down')
    Object.assign(state, { up, output, time: new Date().toISOString() })
    this.metrics.dependencyUp.set({ name: state.name }, up ? 1 : 0)
  }
}
