// The message log of the room on the screen: adds rows, keeps the place, loads earlier messages.

import { byId, messageRow, pendingRow } from './elements.js'

const NEAR_BOTTOM_PX = 80
const PAGE = 50

export class Log {
  #box = byId('log')
  #list = byId('messages')
  #pending = byId('pending')
  #earlier = byId('earlier')
  #newest = byId('newest')
  #room = null
  #added = [] // in the room, not on the screen yet
  #following = true // new messages come into view by themselves
  #top = 0 // where the view was put last

  // `fetchBefore(room, after, limit)` gives older messages; `onEdit(item)` gets a refused message back.
  constructor({ me, fetchBefore, onEdit }) {
    this.me = me
    this.fetchBefore = fetchBefore
    this.onEdit = onEdit
    this.#box.addEventListener('scroll', () => this.#noteScroll())
    this.#newest.addEventListener('click', () => this.toBottom())
    this.#earlier.addEventListener('click', () => this.#showEarlier())
    new ResizeObserver(() => this.#keepPlace()).observe(this.#box)
  }

  // Draws a room from its start; the live region stays silent meanwhile.
  show(room) {
    this.#room = room
    this.#added = []
    this.#box.setAttribute('aria-busy', 'true')
    this.#list.replaceChildren(...this.#rows(room.messages, undefined))
    this.#showEdges()
    this.toBottom()
    requestAnimationFrame(() => this.#box.removeAttribute('aria-busy'))
  }

  append(added) {
    this.#added.push(...added)
  }

  // Draws what was appended, and what waits to be sent.
  draw(waiting) {
    if (this.#added.length > 0) this.#drawAdded()
    this.#pending.replaceChildren(...waiting.map((item) => pendingRow(item, this.onEdit)))
    this.#showEdges()
    this.#keepPlace()
  }

  #drawAdded() {
    const before = this.#room.messages.at(-1 - this.#added.length)
    const kept = this.#added.slice(-this.#room.messages.length)
    this.#added = []
    this.#list.append(...this.#rows(kept, before))
    while (this.#list.children.length > this.#room.messages.length) this.#list.firstChild.remove()
    this.#newest.hidden = this.#following
  }

  toBottom() {
    this.#following = true
    this.#newest.hidden = true
    this.#keepPlace()
  }

  #rows(messages, first) {
    return messages.map((message, index) => {
      const before = index === 0 ? first : messages[index - 1]
      return messageRow(message, before, message.from === this.me)
    })
  }

  #showEdges() {
    this.#earlier.hidden = (this.#room.first ?? 1) <= 1
    const nothing = this.#list.children.length + this.#pending.children.length === 0
    byId('empty').hidden = !nothing || this.#room.last === null
  }

  // Only a move upwards is the reader's wish to stay there: the box and what is in it also change size by themselves.
  #noteScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.#box
    if (scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM_PX) this.#following = true
    else if (scrollTop < this.#top) this.#following = false
    this.#top = scrollTop
    if (this.#following) this.#newest.hidden = true
  }

  #keepPlace() {
    if (!this.#following) return
    this.#box.scrollTop = this.#box.scrollHeight
    this.#top = this.#box.scrollTop
  }

  async #showEarlier() {
    const room = this.#room
    const after = Math.max(0, room.first - 1 - PAGE)
    this.#earlier.disabled = true
    const older = await this.fetchBefore(room.name, after, room.first - 1 - after)
    this.#earlier.disabled = false
    if (room === this.#room) this.#prepend(room.prepend(older))
  }

  #prepend(fitting) {
    const height = this.#box.scrollHeight
    this.#list.firstChild?.replaceWith(...this.#rows(this.#room.messages.slice(0, fitting.length + 1), undefined))
    this.#box.scrollTop += this.#box.scrollHeight - height
    this.#showEdges()
  }
}
