// The rooms this process serves: joined by clients, fed by commits and hints, kept honest by a look at the store.
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeMessage } from './protocol.js'
import { Room } from './room.js'

const PULSE_MS = 1000
const VERSION_MS = 20
const RETRY_MS = 500
const PRESENCE_REFRESH_MS = 15_000
const PRESENCE_LIFE_MS = 45_000
const KEEP_EMPTY_MS = 30_000
const TYPING_MAX = 100

export class Rooms {
  bus
  #rooms = new Map()
  #loading = new Map()
  #timers = []
  #announced = 0
  #changed = false
  #version

  constructor({ config, store, fanout, metrics, log }) {
    Object.assign(this, { config, store, fanout, metrics, log })
  }

  get size() {
    return this.#rooms.size
  }

  start() {
    this.#timers.push(setInterval(() => this.#pulse(), PULSE_MS))
    if (this.store.version && !this.config.redisUrl) this.#timers.push(setInterval(() => this.#watchVersion(), VERSION_MS))
  }

  async stop() {
    for (const timer of this.#timers) clearInterval(timer)
    await this.store.announce(this.config.instance, [], Date.now(), 0).catch(() => {})
  }

  /** Answer with the history after `after`, then follow the room; waits for as long as the store is away. */
  async join(client, name, after) {
    const room = await this.#get(name)
    // A client that has seen more than this process must not be told to start over.
    while (after > room.last && !(await room.catchUp())) await sleep(RETRY_MS)
    await client.drained()
    if (!client.rooms.has(name)) return
    const { count, outcome } = room.admit(client, after)
    this.#changed = true
    this.metrics.resumes.inc({ outcome })
    this.metrics.resumeMessages.inc(count)
  }

  leave(client, name) {
    client.rooms.delete(name)
    this.#rooms.get(name)?.dismiss(client)
    this.#changed = true
  }

  /** Rows this process has stored: to its own members and, as a hint, to the other processes. */
  committed(rows) {
    const now = Date.now()
    for (const [name, stored] of Map.groupBy(rows, (row) => row.room)) {
      const texts = stored.map(encodeMessage)
      this.#rooms.get(name)?.offer(stored[0].seq, texts, now)
      this.bus.publish(name, stored[0].seq, texts, now)
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
    this.bus.publish(name, 0, [text], Date.now())
  }

  /** Hints may have been lost: subscribe again, and read on in the store. */
  follow() {
    for (const room of this.#rooms.values()) this.#follow(room)
  }

  #get(name) {
    const room = this.#rooms.get(name)
    if (room?.last !== undefined) return room
    if (!this.#loading.has(name)) this.#loading.set(name, this.#load(name).finally(() => this.#loading.delete(name)))
    return this.#loading.get(name)
  }

  async #follow(room) {
    await this.bus.watch(room.name)
    await room.catchUp()
  }

  async #load(name) {
    const room = new Room(name, this)
    this.#rooms.set(name, room)
    this.#follow(room)
    while (room.last === undefined) {
      await room.load().catch(() => sleep(RETRY_MS))
    }
    return room
  }

  #watchVersion() {
    if (this.#rooms.size === 0) return
    try {
      const version = this.store.version()
      if (version !== this.#version) this.#compare().catch(() => {})
      this.#version = version
    } catch {
      this.#version = undefined
    }
  }

  async #pulse() {
    this.#forget()
    if (this.#rooms.size === 0 && !this.#changed) return
    try {
      await this.#announce()
      await this.#compare()
      await this.#present()
    } catch (error) {
      this.#changed = true
      this.log.debug({ error: error.message }, 'rooms not compared with the store')
    }
  }

  #loaded() {
    return [...this.#rooms.values()].filter((room) => room.last !== undefined)
  }

  /** Read on where the store is ahead; start over where it is behind what it once said. */
  async #compare() {
    const before = this.#loaded().map((room) => [room, room.last])
    const lasts = await this.store.lasts(before.map(([room]) => room.name))
    for (const [room, last] of before) {
      const stored = lasts.get(room.name) ?? 0
      if (stored > room.last) room.catchUp()
      else if (stored < last) await room.startOver()
    }
  }

  async #announce() {
    const now = Date.now()
    if (!this.#changed && now < this.#announced + PRESENCE_REFRESH_MS) return
    this.#changed = false
    const occupied = this.#loaded().filter((room) => room.members.size > 0)
    await this.store.announce(this.config.instance, occupied.map((room) => room.present()), now, now + PRESENCE_LIFE_MS)
    this.#announced = now
  }

  /** The larger a room, the rarer its presence frames: about 500 a second from one process. */
  async #present() {
    const now = Date.now()
    const due = this.#loaded().filter((room) => room.members.size > 0 && now >= (room.quietUntil ?? 0))
    if (due.length === 0) return
    const rows = await this.store.present(due.map((room) => room.name), now, this.config.instance)
    const elsewhere = Map.groupBy(rows, (row) => row.room)
    for (const room of due) {
      room.elsewhere = elsewhere.get(room.name) ?? []
      room.quietUntil = now + room.members.size * 2
      room.announce()
    }
  }

  #forget() {
    const limit = Date.now() - KEEP_EMPTY_MS
    for (const room of this.#loaded()) {
      if (room.members.size > 0 || room.emptySince > limit) continue
      this.#rooms.delete(room.name)
      this.bus.unwatch(room.name)
    }
  }
}
