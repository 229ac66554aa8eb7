// The rooms this process serves: joined by clients, fed by commits and hints, kept honest by a look at the store.
import { setTimeout as sleep } from 'node:timers/promises'
import { Fanout } from './fanout.js'
import { encodeMessage } from './protocol.js'
import { Room } from './room.js'

const PULSE_MS = 1000
const VERSION_MS = 20
const RETRY_MS = 500
const PRESENCE_REFRESH_MS = 15_000
const PRESENCE_LIFE_MS = 45_000
const KEEP_PULSES = 30
const TYPING_MAX = 100

export class Rooms {
  #rooms = new Map()
  #announced = { told: [], until: 0 }
  #version

  constructor(chat) {
    this.chat = chat
    this.fanout = new Fanout(chat.metrics)
  }

  get size() {
    return this.#rooms.size
  }

  start() {
    setInterval(() => this.#pulse(), PULSE_MS)
    if (this.chat.store.version && !this.chat.bus) setInterval(() => this.#watchVersion(), VERSION_MS)
  }

  async stop() {
    await this.chat.store.announce(this.chat.config.instance, [], Date.now(), 0).catch(() => {})
  }

  /** Answer with the history after `after`, then follow the room; waits for as long as the store is away. */
  async join(client, name, after) {
    const room = this.#rooms.get(name) ?? this.#open(name)
    // A client that has seen more than this process must not be told to start over.
    while ((room.last === undefined || after > room.last) && !(await room.catchUp())) await sleep(RETRY_MS)
    await client.drained()
    if (!client.rooms.has(name)) return
    const { count, outcome } = room.admit(client, after)
    this.chat.metrics.resumes.inc({ outcome })
    this.chat.metrics.resumeMessages.inc(count)
  }

  leave(client, name) {
    client.rooms.delete(name)
    this.#rooms.get(name)?.dismiss(client)
  }

  /** Rows this process has stored: to its own members and, as a hint, to the other processes. */
  committed(rows) {
    const now = Date.now()
    for (const [name, stored] of Map.groupBy(rows, (row) => row.room)) {
      const texts = stored.map(encodeMessage)
      this.#rooms.get(name)?.offer(stored[0].seq, texts, now)
      this.chat.bus?.publish(name, stored[0].seq, texts, now)
    }
  }

  heard(name, { first, texts, committed }) {
    const room = this.#rooms.get(name)
    if (first > 0) room?.offer(first, texts, committed)
    else for (const text of texts) room?.whisper(text)
  }

  /** Somebody composes a message; large rooms are spared. */
  typing(client, name) {
    const room = this.#rooms.get(name)
    if (!room?.members.has(client) || room.members.size > TYPING_MAX) return
    const text = JSON.stringify({ type: 'typing', room: name, from: client.name })
    room.whisper(text, client)
    this.chat.bus?.publish(name, 0, [text], Date.now())
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
      this.#version = this.chat.store.version()
      if (this.#version !== before) await this.#compare()
    } catch {
      this.#version = undefined
    }
  }

  async #pulse() {
    try {
      this.#forget()
      await this.#announce()
      await this.#compare()
      await this.#present()
    } catch (error) {
      this.chat.log.debug({ error: error.message }, 'rooms not compared with the store')
    }
  }

  #loaded() {
    return [...this.#rooms.values()].filter((room) => room.last !== undefined)
  }

  #occupied() {
    return this.#loaded().filter((room) => room.members.size > 0)
  }

  /** Read on where the store is ahead; start over where it is behind what it once said. */
  async #compare() {
    const before = this.#loaded().map((room) => [room, room.last])
    if (before.length === 0) return
    const lasts = await this.chat.store.lasts(before.map(([room]) => room.name))
    for (const [room, last] of before) {
      const stored = lasts.get(room.name) ?? 0
      if (stored > room.last) room.catchUp()
      else if (stored < last) room.startOver()
    }
  }

  /** Tell the other processes who is here, when that changes and before they forget it. */
  async #announce() {
    const now = Date.now()
    const here = this.#occupied().map((room) => room.here)
    const { told, until } = this.#announced
    const same = here.length === told.length && here.every((one, index) => one === told[index])
    if (same && (here.length === 0 || now < until)) return
    await this.chat.store.announce(this.chat.config.instance, here, now, now + PRESENCE_LIFE_MS)
    this.#announced = { told: here, until: now + PRESENCE_REFRESH_MS }
  }

  /** The larger a room, the rarer its presence frames: about 500 a second from one process. */
  async #present() {
    const now = Date.now()
    const due = this.#occupied().filter((room) => now >= room.quietUntil)
    if (due.length === 0) return
    const rows = await this.chat.store.present(due.map((room) => room.name), now, this.chat.config.instance)
    const elsewhere = Map.groupBy(rows, (row) => row.room)
    for (const room of due) {
      room.quietUntil = now + room.members.size * 2
      room.announce(elsewhere.get(room.name) ?? [])
    }
  }

  #forget() {
    for (const room of this.#loaded()) {
      room.idlePulses = room.members.size > 0 ? 0 : room.idlePulses + 1
      if (room.idlePulses < KEEP_PULSES) continue
      this.#rooms.delete(room.name)
      this.chat.bus?.unwatch(room.name)
    }
  }
}
