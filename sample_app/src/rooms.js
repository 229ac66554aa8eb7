// The rooms this process serves: clients join them, what is said is stored in batches and told, and a look at the store
// keeps them honest.
import { setTimeout as sleep } from 'node:timers/promises'
import { unavailable } from './protocol.js'
import { Room } from './room.js'

const BATCH_MS = 5
const BATCH_MAX = 2000
const RETRY_MS = 500
const TYPING_MAX = 100
const REFRESH_MS = 15_000
const LIFE_MS = 45_000

export class Rooms {
  all = new Map()
  instance = crypto.randomUUID()
  /** What is stored next; and what settles when all that was said is stored or refused. */
  #batch = []
  writing = Promise.resolve()
  /** Who is in the rooms of this process, as the other processes were told last. */
  #said = undefined

  constructor(chat) {
    this.chat = chat
  }

  /** Answer with the history after `after`, as fast as it is read, then follow the room; waits while the store is away. */
  async join(client, name, after) {
    if (!this.all.has(name)) this.all.set(name, new Room({ name, store: this.chat.store, metrics: this.chat.metrics }))
    const room = this.all.get(name)
    // A client that has seen more than this process must not be told to start over.
    const isBehind = () => client.rooms.has(name) && (room.last === undefined || after > room.last)
    if (isBehind() && !(await room.catchUp())) client.refuse(unavailable('the history is not available now'))
    while (isBehind() && !(await room.catchUp())) await sleep(RETRY_MS)
    while (client.reading) await client.reading
    if (this.all.get(name) !== room) return this.join(client, name, after)
    if (room.last === undefined) this.all.delete(name) // whoever waited for it has gone
    const rest = client.rooms.has(name) && room.admit(client, after)
    if (rest) return this.join(client, name, rest)
  }

  leave(client, name) {
    client.rooms.delete(name)
    this.all.get(name)?.members.delete(client)
  }

  /** Store {room, sender, cid, text}: resolves to {seq, duplicate}; after `unavailable` a cid may be repeated. */
  async say(entry) {
    if (!this.chat.store.up || this.#batch.length >= BATCH_MAX) throw unavailable('messages cannot be stored now')
    const place = this.#batch.push(entry) - 1
    if (place === 0) this.writing = this.#write(this.writing)
    const results = await this.writing
    return results[place]
  }

  /** One batch after the other; the next one fills meanwhile. An `ack` leaves ahead of its message, in the same write. */
  async #write(previous) {
    await previous.catch(() => {})
    await sleep(BATCH_MS)
    const batch = this.#batch
    this.#batch = []
    try {
      const { results, rows } = await this.chat.store.append(batch)
      const hint = { rows, committed: Date.now() }
      this.heard(hint)
      this.chat.bus?.publish(hint)
      return results
    } catch (error) {
      this.chat.log.error({ error: error.message, messages: batch.length }, 'messages not stored')
      throw unavailable('the message could not be stored')
    }
  }

  /** Somebody composes a message, which counts as one; large rooms are spared. */
  typing(client, name) {
    const room = this.all.get(name)
    if (!room?.members.has(client) || room.members.size > TYPING_MAX || client.takeMessage() > 0) return
    const hint = { room: name, text: JSON.stringify({ type: 'typing', room: name, from: client.name }) }
    if (this.chat.bus?.up) this.chat.bus.publish(hint)
    else this.heard(hint)
  }

  /** A hint, maybe from this process itself: rows that are stored, or the text of a frame that is not kept. */
  heard({ rows = [], committed, room, text }) {
    for (const [name, stored] of Map.groupBy(rows, (row) => row.room)) this.all.get(name)?.offer(stored, committed)
    if (text) this.all.get(room)?.push([text])
  }

  /** Read on where the store is ahead; where it is behind what it once said, it was lost or restored: start over. */
  async compare() {
    const before = [...this.all.values()].map((room) => [room, room.last])
    if (before.length === 0) return
    const lasts = await this.chat.store.lasts(before.map(([room]) => room.name))
    for (const [room, last] of before) {
      const newest = lasts.get(room.name) ?? 0
      if (newest > last) room.catchUp()
      if (newest < last && this.all.get(room.name) === room) {
        this.all.delete(room.name)
        for (const member of room.members) this.join(member, room.name, Infinity)
      }
    }
  }

  /** Forget the rooms that nobody is in; say in the store who is in the others, hear it, and tell their members. */
  async pulse() {
    for (const [name, { last, members }] of this.all) if (last >= 0 && members.size === 0) this.all.delete(name)
    const now = Date.now()
    const rooms = [...this.all.values()]
    const here = Object.fromEntries(rooms.map((room) => [room.name, room.names()]))
    // Said again when it has changed, before the others forget it, and to see whether the store takes anything again.
    const said = JSON.stringify([here, Math.floor(now / REFRESH_MS)])
    if (said !== this.#said || !this.chat.store.up) await this.chat.store.announce(this.instance, here, now + LIFE_MS)
    this.#said = said
    const elsewhere = await this.chat.store.present(this.instance, now)
    for (const room of rooms) room.tell(elsewhere.flatMap((process) => process.get(room.name) ?? []))
  }
}
