// Presence: each process says in the store who is in its rooms, and tells its members who is there in all.
import { encodeFrame } from './fanout.js'

const REFRESH_MS = 15_000
const LIFE_MS = 45_000
const SHOWN = 100
const QUIET_MS_PER_MEMBER = 2

export class Presence {
  #said = '{}'
  #until = Infinity

  constructor({ store, config, fanout }) {
    Object.assign(this, { store, fanout, instance: config.instance })
  }

  /** Show a client who has just been admitted the others; in a large room what they were told last will do. */
  greet(client, room) {
    client.write(encodeFrame(room.members.size > SHOWN && room.presence ? room.presence : frame(room)))
  }

  /** Say who is in the rooms, and tell their members; the larger a room, the rarer: about 500 frames a second. */
  async pulse(rooms) {
    const now = Date.now()
    await this.#say(Object.fromEntries(rooms.map((room) => [room.name, names(room)])), now)
    const elsewhere = await this.store.present(this.instance, now)
    for (const room of rooms) room.elsewhere = elsewhere.flatMap((process) => process[room.name] ?? [])
    for (const room of rooms) if (now >= room.quietUntil) this.#tell(room, now)
  }

  /** Only when it has changed, and before the other processes forget it. */
  async #say(rooms, now) {
    const text = JSON.stringify(rooms)
    if (text === this.#said && now < this.#until) return
    await this.store.announce(this.instance, rooms, now + LIFE_MS)
    this.#said = text
    this.#until = now + REFRESH_MS
  }

  #tell(room, now) {
    const text = frame(room)
    if (text === room.presence) return
    room.presence = text
    room.quietUntil = now + room.members.size * QUIET_MS_PER_MEMBER
    this.fanout.push(room, [text])
  }
}

function names({ members }) {
  return [...new Set(members.values().map(({ name }) => name))]
}

function frame(room) {
  const all = [...new Set([...names(room), ...room.elsewhere])]
  return JSON.stringify({ type: 'presence', room: room.name, members: all.sort().slice(0, SHOWN), total: all.length })
}
