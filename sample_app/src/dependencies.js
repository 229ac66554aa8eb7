// Whether the store and Redis answer: asked in the background, so that /health and senders need not wait.
import { setTimeout as sleep } from 'node:timers/promises'

const INTERVAL_MS = 2000
const RETRY_MS = 500
const TIMEOUT_MS = 1000

/** Watches named dependencies; `probes` maps a name to {kind, ping()}. */
export class Dependencies {
  constructor(probes, metrics, log) {
    Object.assign(this, { metrics, log })
    const unknown = { up: false, output: 'not asked yet' }
    this.states = Object.entries(probes).map(([name, probe]) => ({ name, ...probe, ...unknown }))
    for (const state of this.states) this.#watch(state)
  }

  isUp(name) {
    return this.#find(name)?.up ?? true
  }

  /** Someone's call failed: do not wait for the next probe to say so. */
  failed(name, error) {
    this.#set(this.#find(name), false, error.message)
  }

  #find(name) {
    return this.states.find((state) => state.name === name)
  }

  /** One probe at a time: a hanging one counts as down, and the next waits for its end. */
  async #watch(state) {
    while (true) {
      const started = performance.now()
      const slow = setTimeout(() => this.#set(state, false, `no answer in ${TIMEOUT_MS} ms`), TIMEOUT_MS)
      const error = await state.ping().catch((reason) => reason)
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
