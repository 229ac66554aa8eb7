// Fan-out: a frame is encoded once, and a client gets all frames of one event-loop tick in one write.
//
// Writing to the socket beside `ws` is sound because every write here, and every frame `ws` itself sends with
// compression and fragmentation off, is a sequence of whole frames.
import { Sender } from 'ws'

const TEXT = { fin: true, opcode: 1, mask: false, readOnly: true, rsv1: false }

/** The bytes of one unmasked WebSocket text frame. */
export function encodeFrame(text) {
  return Buffer.concat(Sender.frame(Buffer.from(text), TEXT))
}

/** Queues frames per room; one flush per tick writes them to the room's members. */
export class Fanout {
  #metrics
  #dirty = new Set()

  constructor(metrics) {
    this.#metrics = metrics
  }

  /** Queue JSON texts for all members; `committed` is when (ms since 1970) they were stored, else undefined. */
  push(room, texts, committed) {
    if (room.members.size === 0) return
    if (this.#dirty.size === 0) setImmediate(() => this.#flush())
    this.#dirty.add(room)
    for (const text of texts) room.outgoing.push(encodeFrame(text))
    room.outgoingSince ??= committed
  }

  /** Write out what one room has queued, so that a member who joins now does not get it a second time. */
  flushRoom(room) {
    if (!this.#dirty.delete(room)) return
    const { deliveries, dropped, fanoutSeconds } = this.#metrics
    const bytes = Buffer.concat(room.outgoing)
    const members = [...room.members]
    const readers = members.filter((member) => member.write(bytes))
    deliveries.inc(readers.length * room.outgoing.length)
    dropped.inc({ reason: 'slow_consumer' }, (members.length - readers.length) * room.outgoing.length)
    if (room.outgoingSince) fanoutSeconds.observe(Math.max(0, Date.now() - room.outgoingSince) / 1000)
    room.outgoing = []
    room.outgoingSince = undefined
  }

  /** Members of several rooms get one write too: their sockets are held until all rooms are flushed. */
  #flush() {
    const members = this.#dirty.size > 1 ? new Set([...this.#dirty].flatMap((room) => [...room.members])) : []
    for (const member of members) member.socket.cork()
    for (const room of this.#dirty) this.flushRoom(room)
    for (const member of members) member.socket.uncork()
  }
}
