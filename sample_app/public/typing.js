// Who is writing: tells the server at most every two seconds, and shows the others for a moment.

import { byId } from './elements.js'

const TELL_EVERY_MS = 2_000
const SHOWN_MS = 4_000

export class Typing {
  #toldAt = 0
  #timers = new Map() // by name, for the room on the screen

  constructor(tell) {
    this.tell = tell
  }

  composing() {
    const now = Date.now()
    if (now - this.#toldAt < TELL_EVERY_MS) return
    this.#toldAt = now
    this.tell()
  }

  sent() {
    this.#toldAt = 0
  }

  heard(name) {
    clearTimeout(this.#timers.get(name))
    this.#timers.set(name, setTimeout(() => this.stopped(name), SHOWN_MS))
    this.#show()
  }

  stopped(name) {
    clearTimeout(this.#timers.get(name))
    if (this.#timers.delete(name)) this.#show()
  }

  clear() {
    for (const name of [...this.#timers.keys()]) this.stopped(name)
  }

  #show() {
    const names = [...this.#timers.keys()]
    const who = names.length > 2 ? 'Several people are' : `${names.join(' and ')} ${names.length > 1 ? 'are' : 'is'}`
    byId('typing').textContent = names.length > 0 ? `${who} typing…` : ''
  }
}
