// Fan-out: a frame is encoded once, and a client gets all frames of one event-loop tick in one write.
//
// Writing to the socket beside `ws` is sound because every write here, and every frame `ws` itself sends with
// compression and fragmentation off, is a sequence of whole frames.
import { Sender } from 'ws'

const TEXT = { fin: true, opcode: 1, mask: false, readOnly: true, rsv1: false }

/** The audiences for which frames wait in this tick. */
const waiting = new Set()

/** The bytes of one unmasked WebSocket text frame. */
export const encodeFrame = (text) => Buffer.concat(Sender.frame(Buffer.from(text), TEXT))

/** Members who get the same frames: queued, and written to each at once when the tick ends. */
export class Audience {
  members = new Set()
  #frames = []
  #committed = undefined

  /** `given` has the `metrics` that count deliveries. */
  constructor(given) {
    Object.assign(this, given)
  }

  /** Queue JSON texts for all members; `committed` is when (ms since 1970) they were stored, else undefined. */
  push(texts, committed) {
    if (this.members.size === 0 || texts.length === 0) return
    if (waiting.size === 0) setImmediate(flushAll)
    waiting.add(this)
    for (const text of texts) this.#frames.push(encodeFrame(text))
    this.#committed ??= committed
  }

  /** Write out what is queued, so that a member who joins now does not get it a second time. */
  flush() {
    if (!waiting.delete(this)) return
    const { deliveries, dropped, fanoutSeconds } = this.metrics
    const bytes = Buffer.concat(this.#frames)
    const readers = [...this.members].filter((member) => member.write(bytes))
    deliveries.inc(readers.length * this.#frames.length)
    dropped.inc({ reason: 'slow_consumer' }, (this.members.size - readers.length) * this.#frames.length)
    if (this.#committed) fanoutSeconds.observe(Math.max(0, Date.now() - this.#committed) / 1000)
    this.#frames = []
    this.#committed = undefined
  }
}

/** Members of several audiences get one write too: their sockets are held until all are flushed. */
function flushAll() {
  const members = waiting.size > 1 ? new Set([...waiting].flatMap((audience) => [...audience.members])) : []
  for (const member of members) member.socket.cork()
  for (const audience of waiting) audience.flush()
  for (const member of members) member.socket.uncork()
}
