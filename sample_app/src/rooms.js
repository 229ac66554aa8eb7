// The rooms this process serves: joined by clients, fed by commits and hints, kept honest by a look at the store.
import { setTimeout as sleep } from 'node:timers/promises'
import { Fanout } from './fanout.js'
import { Presence } from './presence.js'
import { encodeMessage } from './protocol.js'
import { Room } from './room.js'

const PULSE_MS = 1000
const VERSION_MS = 20
const RETRY_MS = 500
const TYPING_MAX = 100

export class Rooms {
  #rooms = new Map()
  #version

  constructor(chat) {
    this.chat = chat
    this.fanout = new Fanout(chat.metrics)
    this.presence = new Presence(chat, this.fanout)
  }

  get size() {
    return this.#rooms.size
  }

  start() {
    setInterval(() => this.#pulse(), PULSE_MS)
    // Without hints, a store that says cheaply when it has changed makes messages cross workers at once.
    if (this.chat.store.version && !this.chat.bus) setInterval(() => this.#watchVersion(), VERSION_MS)
  }

  /** Answer with the history after `after`, then follow the room; waits for as long as the store is away. */
  async join(client, name, after) {
    await client.drained()
    const room = this.#rooms.get(name) ?? this.#open(name)
    // A client that has seen more than this process must not be told to start over.
    while ((room.last === undefined || after > room.last) && !(await room.catchUp())) await sleep(RETRY_MS)
    if (this.#rooms.get(name) !== room) return this.join(client, name, after)
    if (!client.rooms.has(name)) return
    const { count, outcome } = room.admit(client, after)
    this.presence.greet(client, room)
    this.chat.metrics.resumes.inc({ outcome })
    this.chat.metrics.resumeMessages.inc(count)
  }

  leave(client, name) {
    client.rooms.delete(name)
    this.#rooms.get(name)?.members.delete(client)
  }

  /** Rows this process has stored: to its own members and, as a hint, to the other processes. */
  committed(rows) {
    for (const [name, stored] of Map.groupBy(rows, (row) => row.room)) {
      const hint = { first: stored[0].seq, texts: stored.map(encodeMessage), committed: Date.now() }
      this.#rooms.get(name)?.offer(hint)
      this.chat.bus?.publish(name, hint)
    }
  }

  heard(name, hint) {
    const room = this.#rooms.get(name)
    if (hint.first > 0) room?.offer(hint)
    else for (const text of hint.texts) room?.whisper(text)
  }

  /** Somebody composes a message; large rooms are spared. */
  typing(client, name) {
    const room = this.#rooms.get(name)
    if (!room?.members.has(client) || room.members.size > TYPING_MAX) return
    const text = JSON.stringify({ type: 'typing', room: name, from: client.name })
    room.whisper(text, client)
    this.chat.bus?.publish(name, { first: 0, texts: [text] })
  }

  /** Hints may have been lost: subscribe again, and read on in the store. */
  follow() {
    for (const room of this.#rooms.values()) this.#follow(room)
  }

  async #follow(room) {
    await this.chat.bus?.watch(room.name)
    await room.catchUp()
  }

  #open(name) {
    const room = new Room(name, this.chat.store, this.fanout, this.chat.log)
    this.#rooms.set(name, room)
    this.#follow(room)
    return room
  }

  async #watchVersion() {
    try {
      const before = this.#version
      this.#version = await this.chat.store.version()
      if (this.#version !== before) await this.#compare()
    } catch {
      this.#version = undefined
    }
  }

  async #pulse() {
    try {
      this.#forget()
      await this.presence.pulse(this.#loaded())
      await this.#compare()
    } catch (error) {
      this.chat.log.debug({ error: error.message }, 'rooms not compared with the store')
    }
  }

  /** Read on where the store is ahead; start over where it is behind what it once said. */
  async #compare() {
    const before = this.#loaded().map((room) => [room, room.last])
    if (before.length === 0) return
    const lasts = await this.chat.store.lasts(before.map(([room]) => room.name))
    for (const [room, last] of before) room.compare(lasts.get(room.name) ?? 0, last)
  }

  #forget() {
    for (const { name, members } of this.#loaded()) {
      if (members.size > 0) continue
      this.#rooms.delete(name)
      this.chat.bus?.unwatch(name)
    }
  }

  #loaded() {
    return [...this.#rooms.values()].filter((room) => room.last !== undefined)
  }
}
