// The rooms this process serves: joined by clients, fed by commits and hints, kept honest by a look at the store.
import { setTimeout as sleep } from 'node:timers/promises'
import { Room } from './room.js'

const RETRY_MS = 500
const TYPING_MAX = 100
const REFRESH_MS = 15_000
const LIFE_MS = 45_000

export class Rooms {
  all = new Map()
  /** Who this process has said is in its rooms, and until when (ms since 1970) it need not say it again. */
  #said = '{}'
  #saidUntil = Infinity

  constructor(chat) {
    this.chat = chat
  }

  /** Answer with the history after `after`, then follow the room; waits for as long as the store is away. */
  async join(client, name, after) {
    await client.drained()
    if (!this.all.has(name)) this.all.set(name, new Room(name, this.chat))
    const room = this.all.get(name)
    // A client that has seen more than this process must not be told to start over.
    while ((room.last === undefined || after > room.last) && !(await room.catchUp())) await sleep(RETRY_MS)
    if (this.all.get(name) !== room) return this.join(client, name, after)
    if (client.rooms.has(name)) room.admit(client, after)
  }

  leave(client, name) {
    client.rooms.delete(name)
    this.all.get(name)?.members.delete(client)
  }

  /** Rows this process has stored: to its own members and, as a hint, to the other processes. */
  committed(rows) {
    for (const [room, stored] of Map.groupBy(rows, (row) => row.room)) {
      const hint = { room, rows: stored, committed: Date.now() }
      this.heard(hint)
      this.chat.bus?.publish(hint)
    }
  }

  /** A hint: rows that are stored, or a text that is not kept. */
  heard({ room: name, rows, committed, text }) {
    const room = this.all.get(name)
    if (rows) room?.offer(rows, committed)
    else room?.whisper(text)
  }

  /** Somebody composes a message; large rooms are spared. */
  typing(client, name) {
    const room = this.all.get(name)
    if (!room?.members.has(client) || room.members.size > TYPING_MAX) return
    const text = JSON.stringify({ type: 'typing', room: name, from: client.name })
    room.whisper(text, client)
    this.chat.bus?.publish({ room: name, text })
  }

  /** Hints may have been lost. */
  catchUp() {
    for (const room of this.all.values()) room.catchUp()
  }

  /** Read on where the store is ahead; start over where it is behind what it once said. */
  async compare() {
    const before = this.#loaded().map((room) => [room, room.last])
    if (before.length === 0) return
    const lasts = await this.chat.store.lasts(before.map(([room]) => room.name))
    for (const [room, last] of before) room.compare(lasts.get(room.name) ?? 0, last)
  }

  /** Forget the rooms that nobody is in; say in the store who is in the others, hear it, and tell their members. */
  async pulse() {
    const now = Date.now()
    for (const { name, members } of this.#loaded()) if (members.size === 0) this.all.delete(name)
    const rooms = this.#loaded()
    await this.#announce(Object.fromEntries(rooms.map((room) => [room.name, room.names()])), now)
    const elsewhere = await this.chat.store.present(this.chat.config.instance, now)
    for (const room of rooms) {
      room.elsewhere = elsewhere.flatMap((process) => process[room.name] ?? [])
      room.tell(now)
    }
  }

  /** Only when it has changed, and before the other processes forget it. */
  async #announce(rooms, now) {
    const text = JSON.stringify(rooms)
    if (text === this.#said && now < this.#saidUntil) return
    await this.chat.store.announce(this.chat.config.instance, rooms, now + LIFE_MS)
    this.#said = text
    this.#saidUntil = now + REFRESH_MS
  }

  #loaded() {
    return [...this.all.values()].filter((room) => room.last !== undefined)
  }
}
