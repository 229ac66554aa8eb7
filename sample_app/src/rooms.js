// The rooms this process serves: joined by clients, fed by commits and hints, kept honest by a look at the store.
import { setTimeout as sleep } from 'node:timers/promises'
import { Fanout } from './fanout.js'
import { Presence } from './presence.js'
import { encodeMessage } from './protocol.js'
import { Room } from './room.js'

const RETRY_MS = 500
const TYPING_MAX = 100

export class Rooms {
  all = new Map()

  constructor(chat) {
    this.chat = chat
    this.fanout = new Fanout(chat.metrics)
    this.presence = new Presence(chat, this.fanout)
  }

  /** Answer with the history after `after`, then follow the room; waits for as long as the store is away. */
  async join(client, name, after) {
    await client.drained()
    const room = this.all.get(name) ?? this.#open(name)
    // A client that has seen more than this process must not be told to start over.
    while ((room.last === undefined || after > room.last) && !(await room.catchUp())) await sleep(RETRY_MS)
    if (this.all.get(name) !== room) return this.join(client, name, after)
    if (!client.rooms.has(name)) return
    const { count, outcome } = room.admit(client, after)
    this.presence.greet(client, room)
    this.chat.metrics.resumes.inc({ outcome })
    this.chat.metrics.resumeMessages.inc(count)
  }

  leave(client, name) {
    client.rooms.delete(name)
    this.all.get(name)?.members.delete(client)
  }

  /** Rows this process has stored: to its own members and, as a hint, to the other processes. */
  committed(rows) {
    for (const [name, stored] of Map.groupBy(rows, (row) => row.room)) {
      const hint = { room: name, first: stored[0].seq, texts: stored.map(encodeMessage), committed: Date.now() }
      this.all.get(name)?.offer(hint)
      this.chat.bus?.publish(hint)
    }
  }

  heard(hint) {
    const room = this.all.get(hint.room)
    if (hint.first > 0) room?.offer(hint)
    else for (const text of hint.texts) room?.whisper(text)
  }

  /** Somebody composes a message; large rooms are spared. */
  typing(client, name) {
    const room = this.all.get(name)
    if (!room?.members.has(client) || room.members.size > TYPING_MAX) return
    const text = JSON.stringify({ type: 'typing', room: name, from: client.name })
    room.whisper(text, client)
    this.chat.bus?.publish({ room: name, first: 0, texts: [text] })
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

  /** Forget the rooms that nobody is in, and tell the members of the others who is. */
  async pulse() {
    for (const { name, members } of this.#loaded()) if (members.size === 0) this.all.delete(name)
    await this.presence.pulse(this.#loaded())
  }

  #open(name) {
    const room = new Room(name, this.chat.store, this.fanout, this.chat.log)
    this.all.set(name, room)
    return room
  }

  #loaded() {
    return [...this.all.values()].filter((room) => room.last !== undefined)
  }
}
