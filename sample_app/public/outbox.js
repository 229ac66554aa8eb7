// Messages that the server has not acknowledged yet. One storage key a message, so that two tabs never overwrite each other. No DOM.

import { isRoom } from './names.js'

const PREFIX = 'chat.outbox.'

// Works without `crypto.randomUUID`, which browsers only offer over HTTPS.
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = (bytes[6] & 0x0f) | 0x40
  bytes[8] = (bytes[8] & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

export class Outbox {
  #storage
  #items = []

  // Only what `from` wrote is resent: the server tells repeats by room, sender and cid.
  constructor(storage, from) {
    this.#storage = storage
    this.from = from
    this.#items = storage.keys()
      .filter((key) => key.startsWith(PREFIX))
      .map((key) => readItem(storage.get(key)))
      .filter((item) => item !== null && item.from === from)
      .sort((a, b) => a.at - b.at || a.order - b.order)
  }

  add(room, text, at) {
    const cid = uuid()
    const order = 1 + (this.#items.at(-1)?.order ?? 0)
    const item = { cid, room, text, from: this.from, at, order }
    this.#items.push(item)
    this.#storage.set(PREFIX + cid, JSON.stringify(item))
    return item
  }

  // The oldest message that still has to be sent.
  next() {
    return this.#items.find((item) => item.seq === undefined && item.problem === undefined)
  }

  get unsent() {
    return this.#items.filter((item) => item.seq === undefined && item.problem === undefined).length
  }

  // Where they belong: maybe to rooms that another tab has joined, and this one not.
  get rooms() {
    return this.#items.map((item) => item.room)
  }

  in(room) {
    return this.#items.filter((item) => item.room === room)
  }

  // Acknowledged: out of the storage now; shown until the message itself arrives (see `arrived`).
  acknowledge(cid, seq) {
    this.#storage.remove(PREFIX + cid)
    const item = this.#find(cid)
    if (item) item.seq = seq
  }

  // The room now shows everything up to `seq`.
  arrived(room, seq) {
    this.#items = this.#items.filter((item) => item.room !== room || item.seq === undefined || item.seq > seq)
  }

  // The server will never take this one: keep it on the screen, with the reason.
  refuse(cid, problem) {
    this.#storage.remove(PREFIX + cid)
    const item = this.#find(cid)
    if (item) item.problem = problem
    return item
  }

  discard(cid) {
    this.#storage.remove(PREFIX + cid)
    const item = this.#find(cid)
    this.#items = this.#items.filter((other) => other !== item)
    return item
  }

  #find(cid) {
    return this.#items.find((item) => item.cid === cid)
  }
}

function readItem(text) {
  try {
    const item = JSON.parse(text)
    return typeof item?.cid === 'string' && typeof item.text === 'string' && isRoom(item.room) ? item : null
  } catch {
    return null
  }
}
