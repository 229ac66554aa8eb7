// One room as this browser knows it: messages by their dense seq, each exactly once and in order. No DOM.

const KEPT_MESSAGES = 1000

export class Room {
  constructor(name, read = null) {
    this.name = name
    this.read = read // newest seq the user has seen; null until the first history
    this.last = null // newest seq known here; null until the first history
    this.messages = []
    this.members = [] // names of the first people; `people` counts all
    this.people = 0
    this.early = new Map() // arrived ahead of a hole, by seq
    this.askedAfter = null
  }

  get unread() {
    return this.last === null || this.read === null ? 0 : Math.max(0, this.last - this.read)
  }

  get first() {
    return this.messages.length > 0 ? this.messages[0].seq : null
  }

  // Takes a live message; returns what became showable, in order: nothing for a repeat or while a hole is open.
  receive(message) {
    if (message.seq > (this.last ?? 0)) this.early.set(message.seq, message)
    return this.last === null ? [] : this.#takeNext()
  }

  // Takes a `history` frame; `fresh` says that what was shown before no longer counts.
  load(messages, reset) {
    const fresh = reset || this.last === null
    if (fresh) {
      this.messages = []
      this.last = messages.length > 0 ? messages[0].seq - 1 : 0
    }
    for (const message of messages) if (message.seq > this.last) this.early.set(message.seq, message)
    const added = this.#takeNext()
    this.read = Math.min(this.read ?? this.last, this.last)
    return { fresh, added }
  }

  // Puts older messages in front; the numbers must join on to what is there.
  prepend(older) {
    const fitting = older.filter((message) => message.seq < this.first)
    this.messages = [...fitting, ...this.messages]
    return fitting
  }

  // The seq to ask the server to continue from, once for each hole; null where there is none.
  holeAfter() {
    if (this.last === null || this.early.size === 0 || this.askedAfter === this.last) return null
    this.askedAfter = this.last
    return this.last
  }

  // A new socket asks for everything after `last`, so what was set aside is of no more use.
  forgetEarly() {
    this.early.clear()
    this.askedAfter = null
  }

  markRead() {
    if (this.last !== null) this.read = this.last
  }

  #takeNext() {
    for (const seq of this.early.keys()) if (seq <= this.last) this.early.delete(seq)
    const added = []
    while (this.early.has(this.last + 1)) {
      this.last += 1
      added.push(this.early.get(this.last))
      this.early.delete(this.last)
    }
    this.messages.push(...added)
    if (this.messages.length > KEPT_MESSAGES) this.messages.splice(0, this.messages.length - KEPT_MESSAGES)
    return added
  }
}
