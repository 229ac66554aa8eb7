// The frames of the wire: what clients may say, checked by hand, and what the server answers, encoded once.
import { isRoom, tidy } from '../public/names.js'

const NAME = /^[\p{L}\p{N}](?:[\p{L}\p{N}\p{M} ._'-]{0,30}[\p{L}\p{N}\p{M}.])?$/u
const CID = /^[A-Za-z0-9_-]{8,64}$/
// What is not seen and may disguise what is: controls but for TAB and LF, line separators, marks of direction, invisible
// spaces, tags. Left are flags like Scotland's, which tags make, joiners, which letters and emoji need, and Arabic signs.
const UNSEEN = /(\p{RGI_Emoji_Tag_Sequence})|[[\p{C}\p{Zl}\p{Zp}]--[\p{Cn}\p{Co}\t\n\u0600-\u0605\u06dd\u08e2\u200c\u200d]]/gv
const MAX_TEXT = 4000

/** Why a frame is refused: message, `code` and maybe `retry_after_ms` go back to the client. */
export class FrameError extends Error {
  constructor(message, code = 'bad_frame', retryAfterMs = undefined) {
    super(message)
    Object.assign(this, { code, retryAfterMs })
  }
}

/** Throws a FrameError unless `valid`. */
export function check(valid, message, code) {
  if (!valid) throw new FrameError(message, code)
}

/** What a client may repeat in two seconds, because the store should be back. */
export const unavailable = (message) => new FrameError(message, 'unavailable', 2000)

/** The frame in `data`: a JSON object with a `type`. */
export function parseFrame(data, isBinary) {
  check(!isBinary, 'frames are text')
  let frame
  try {
    frame = JSON.parse(data)
  } catch {
    throw new FrameError('not JSON')
  }
  check(typeof frame?.type === 'string', 'no frame type')
  return frame
}

/** A display name in its one written form. */
export function readName(value) {
  const name = typeof value === 'string' ? tidy(value) : ''
  check(NAME.test(name) && name.length <= 32, "a name has 1 to 32 letters, digits, spaces or . _ ' -")
  return name
}

export function readRoom(value) {
  check(typeof value === 'string' && isRoom(value), 'a room name has 1 to 32 letters, digits, _ or -')
  return value
}

/** The last sequence number a client has seen, or null for none. */
export function readAfter(value = null) {
  check(value === null || (Number.isSafeInteger(value) && value >= 0), '`after` is no sequence number')
  return value
}

/** The rooms of a `hello` as [name, after] pairs. */
export function readRooms(value = {}) {
  check(value !== null && typeof value === 'object' && !Array.isArray(value), 'no `rooms`')
  return Object.entries(value).map(([room, after]) => [readRoom(room), readAfter(after)])
}

/** The client's own id of a message, or undefined. */
export const readCid = (value) => (typeof value === 'string' && CID.test(value) ? value : undefined)

/** The room, cid and clean text of a `send`. */
export function readSend({ room, cid, text }) {
  check(readCid(cid), 'no `cid`')
  const clean = typeof text === 'string' ? text.replace(UNSEEN, '$1').normalize('NFC').trim() : ''
  check(clean !== '', 'the message is empty')
  check(clean.length <= MAX_TEXT, `a message has at most ${MAX_TEXT} characters`, 'too_large')
  return { room: readRoom(room), cid, text: clean }
}

/** One stored message as the JSON text that travels to clients and other workers. */
export const encodeMessage = ({ room, seq, sender, text, time, cid }) =>
  JSON.stringify({ type: 'message', room, seq, from: sender, text, time, cid })

/** A `history` frame around messages that are JSON text already. */
export const encodeHistory = (room, messages, reset) =>
  `{"type":"history","room":${JSON.stringify(room)},"messages":[${messages.join(',')}],"reset":${reset}}`
