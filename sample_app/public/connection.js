// Keeps one chat session going over many sockets: reconnects, hands over on drain, resends what was not acknowledged. No DOM.

import { Link } from './link.js'
import { Room } from './room.js'

const BACKOFF_BASE_MS = 500
const BACKOFF_CAP_MS = 30_000
const HAND_OVER_ATTEMPT = 2
const STABLE_MS = 30_000
const ACK_MS = 10_000
const RETRY_MS = 1_000

// Full jitter: anything between nothing and a ceiling that doubles with every attempt.
export function backoff(attempt, random) {
  return random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** attempt)
}

export class Connection {
  #open
  #clock
  #random
  #onChange
  #primary = null // the socket that sends; ready
  #candidate = null // the socket that is being set up, beside the primary or alone
  #cancelTimer = null
  #attempt = 0
  #readySince = 0
  #inFlight = null

  // `open()` gives a WebSocket; `clock` is {now(), after(ms, callback) -> cancel}; `onChange(event)` hears every change.
  constructor({ name, open, clock, random, outbox, onChange }) {
    this.name = name
    this.outbox = outbox
    this.rooms = new Map()
    this.status = { state: 'connecting', retryAt: null, worker: null, release: null, reason: null }
    this.#open = open
    this.#clock = clock
    this.#random = random
    this.#onChange = onChange
  }

  // The server takes messages for rooms that one is in.
  start() {
    for (const room of this.outbox.rooms) this.join(room)
    this.#connect()
  }

  stop() {
    this.#clearTimer()
    this.#clearInFlight()
    this.#candidate?.retire()
    this.#primary?.retire()
    this.#candidate = this.#primary = null
  }

  // Comes back at once, for instance because the network did; a socket that looks open has to prove it.
  wake() {
    if (this.#primary) this.#primary.probe()
    else if (!this.#candidate) this.#connect()
  }

  join(name, read = null) {
    if (this.rooms.has(name)) return this.rooms.get(name)
    const room = new Room(name, read)
    this.rooms.set(name, room)
    if (this.#primary) this.#joinOn(this.#primary, room)
    this.#onChange({ type: 'rooms' })
    return room
  }

  leave(name) {
    this.rooms.delete(name)
    this.#primary?.rooms.delete(name)
    this.#primary?.send({ type: 'leave', room: name })
    this.#onChange({ type: 'rooms' })
  }

  send(room, text) {
    this.outbox.add(room, text, this.#clock.now())
    this.#onChange({ type: 'outbox', room })
    this.#pump()
  }

  typing(room) {
    this.#primary?.send({ type: 'typing', room })
  }

  // --- sockets ---

  #connect() {
    this.#clearTimer()
    const rooms = {}
    for (const room of this.rooms.values()) {
      room.forgetEarly()
      rooms[room.name] = room.last
    }
    if (!this.#primary) this.#setStatus({ state: 'connecting', retryAt: null })
    this.#candidate = new Link({
      open: this.#open,
      clock: this.#clock,
      hello: { type: 'hello', name: this.name, rooms },
      on: {
        frame: (link, frame) => this.#receive(link, frame),
        ready: (link) => this.#promote(link),
        closed: (link) => this.#lost(link),
      },
    })
  }

  #promote(link) {
    const old = this.#primary
    this.#primary = link
    this.#candidate = null
    this.#readySince = this.#clock.now()
    old?.retire()
    for (const room of this.rooms.values()) if (!link.rooms.has(room.name)) this.#joinOn(link, room)
    for (const name of link.rooms) if (!this.rooms.has(name)) link.send({ type: 'leave', room: name })
    const { worker, release } = link.welcome
    this.#setStatus({ state: 'online', retryAt: null, worker, release, reason: null })
    if (link.draining) this.#schedule(this.#nextDelay())
    this.#clearInFlight()
    this.#pump()
  }

  #lost(link) {
    if (link === this.#candidate) this.#candidate = null
    if (link === this.#primary) {
      this.#primary = null
      this.#clearInFlight()
      if (this.#clock.now() - this.#readySince >= STABLE_MS) this.#attempt = 0
    }
    if (!this.#candidate && !this.#cancelTimer) this.#schedule(this.#nextDelay())
    if (!this.#primary) this.#setStatus({ state: this.#candidate ? 'connecting' : 'offline' })
  }

  // While the old socket still works there is no hurry, and a failure says nothing about the time after it.
  #nextDelay() {
    if (this.#primary) return backoff(HAND_OVER_ATTEMPT, this.#random)
    const delay = backoff(this.#attempt, this.#random)
    this.#attempt += 1
    return delay
  }

  #schedule(delay) {
    this.#clearTimer()
    this.status.retryAt = this.#clock.now() + delay
    this.#cancelTimer = this.#clock.after(delay, () => {
      this.#cancelTimer = null
      if (!this.#candidate) this.#connect()
    })
  }

  #clearTimer() {
    this.#cancelTimer?.()
    this.#cancelTimer = null
  }

  #setStatus(change) {
    Object.assign(this.status, change)
    this.#onChange({ type: 'status' })
  }

  // --- frames ---

  #receive(link, frame) {
    const room = this.rooms.get(frame.room)
    if (frame.type === 'drain') this.#drain(link, frame.reconnect_in_ms)
    else if (frame.type === 'error') this.#error(link, frame)
    else if (frame.type === 'ack') this.#acknowledge(frame)
    else if (!room) return
    else if (frame.type === 'message') this.#show(link, room, { fresh: false, added: room.receive(frame) })
    else if (frame.type === 'history') this.#show(link, room, room.load(frame.messages, frame.reset))
    else if (frame.type === 'presence') this.#setMembers(room, frame)
    else if (frame.type === 'typing') this.#onChange({ type: 'typing', room: room.name, from: frame.from })
  }

  #show(link, room, { fresh, added }) {
    const after = room.holeAfter()
    if (after !== null) link.send({ type: 'join', room: room.name, after })
    if (!fresh && added.length === 0) return
    this.outbox.arrived(room.name, room.last)
    this.#onChange({ type: 'messages', room: room.name, fresh, added })
  }

  #setMembers(room, { members, total }) {
    room.members = members
    room.people = total ?? members.length
    this.#onChange({ type: 'presence', room: room.name })
  }

  #joinOn(link, room) {
    link.rooms.add(room.name)
    link.send({ type: 'join', room: room.name, after: room.last })
  }

  // Make before break: the new socket is opened while this one still works; #promote closes it.
  #drain(link, delay) {
    link.draining = true
    if (link === this.#primary && !this.#candidate && !this.#cancelTimer) this.#schedule(delay)
  }

  #error(link, frame) {
    if (frame.code === 'unauthorized' || (frame.code === 'bad_frame' && link.welcome === null)) {
      this.stop()
      this.#setStatus({ state: 'refused', retryAt: null, reason: frame.message })
    } else if (frame.cid === undefined) {
      this.#onChange({ type: 'notice', text: frame.message })
    } else if (frame.code === 'rate_limited' || frame.code === 'unavailable') {
      this.#retryLater(frame)
    } else {
      const item = this.outbox.refuse(frame.cid, frame.message)
      this.#onChange({ type: 'notice', text: `Not sent: ${frame.message}` })
      this.#settled(frame.cid, item?.room)
    }
  }

  // --- outbox: one message in flight, so that waiting ones can never overtake each other ---

  #pump() {
    const item = this.outbox.next()
    if (!this.#primary || this.#inFlight || !item) return
    this.#primary.send({ type: 'send', room: item.room, text: item.text, cid: item.cid })
    const link = this.#primary
    this.#inFlight = { cid: item.cid, cancel: this.#clock.after(ACK_MS, () => link.drop()) }
  }

  #acknowledge(frame) {
    this.outbox.acknowledge(frame.cid, frame.seq)
    this.outbox.arrived(frame.room, this.rooms.get(frame.room)?.last ?? Infinity)
    this.#settled(frame.cid, frame.room)
  }

  #settled(cid, room) {
    this.#onChange({ type: 'outbox', room })
    if (this.#inFlight?.cid !== cid) return
    this.#clearInFlight()
    this.#pump()
  }

  #retryLater(frame) {
    if (this.#inFlight?.cid !== frame.cid) return
    this.#inFlight.cancel()
    this.#inFlight.cancel = this.#clock.after(frame.retry_after_ms ?? RETRY_MS, () => {
      this.#inFlight = null
      this.#pump()
    })
  }

  #clearInFlight() {
    this.#inFlight?.cancel()
    this.#inFlight = null
  }
}
