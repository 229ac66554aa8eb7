// The frames of the wire: what clients may say, checked by hand, and what the server answers, encoded once.

const NAME = /^[\p{L}\p{N}](?:[\p{L}\p{N}\p{M} ._'-]*[\p{L}\p{N}\p{M}.])?$/u
const ROOM = /^[\p{L}\p{N}][\p{L}\p{N}\p{M}_-]{0,31}$/u
const CID = /^[A-Za-z0-9_-]{8,64}$/
// C0 without TAB and LF, DEL, C1, line separators, and the bidirectional overrides that disguise text.
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu
const MAX_NAME = 32
const MAX_TEXT = 4000
export const MAX_ROOMS = 32

/** A frame the client should not have sent: `code` and message go back to it. */
export class FrameError extends Error {
  constructor(message, code = 'bad_frame', cid = undefined) {
    super(message)
    this.code = code
    this.cid = cid
  }
}

/** The frame in `data`; throws FrameError unless it is a JSON object with a `type`. */
export function parseFrame(data) {
  let frame
  try {
    frame = JSON.parse(data)
  } catch {
    throw new FrameError('not JSON')
  }
  if (frame === null || typeof frame !== 'object' || typeof frame.type !== 'string') throw new FrameError('no frame type')
  return frame
}

/** A display name in its one written form (NFC, single spaces). */
export function readName(value) {
  const name = typeof value === 'string' ? value.normalize('NFC').trim().replace(/ +/g, ' ') : ''
  if (name.length > MAX_NAME || !NAME.test(name)) {
    throw new FrameError(`a name has 1 to ${MAX_NAME} letters, digits, spaces or . _ ' -`)
  }
  return name
}

export function readRoom(value) {
  if (typeof value !== 'string' || value !== value.normalize('NFC') || !ROOM.test(value)) {
    throw new FrameError('a room name has 1 to 32 letters, digits, _ or -')
  }
  return value
}

/** The last sequence number a client has seen, or null for none. */
export function readAfter(value) {
  if (value === null || value === undefined) return null
  if (!Number.isSafeInteger(value) || value < 0) throw new FrameError('`after` is no sequence number')
  return value
}

/** The rooms of a `hello` as [name, after] pairs. */
export function readRooms(value) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new FrameError('no `rooms`')
  const rooms = Object.entries(value)
  if (rooms.length > MAX_ROOMS) throw new FrameError(`more than ${MAX_ROOMS} rooms`)
  return rooms.map(([room, after]) => [readRoom(room), readAfter(after)])
}

/** The room, cid and clean text of a `send`. */
export function readSend(frame) {
  if (typeof frame.cid !== 'string' || !CID.test(frame.cid)) throw new FrameError('no `cid`')
  const { cid } = frame
  try {
    return { room: readRoom(frame.room), cid, text: readText(frame.text) }
  } catch (error) {
    error.cid = cid
    throw error
  }
}

function readText(value) {
  if (typeof value !== 'string') throw new FrameError('no `text`')
  const text = value.normalize('NFC').replace(CONTROLS, '').trim()
  if (text === '') throw new FrameError('the message is empty')
  if (text.length > MAX_TEXT) throw new FrameError(`a message has at most ${MAX_TEXT} characters`, 'too_large')
  return text
}

/** One stored message as the JSON text that travels to clients and other workers. */
export function encodeMessage({ room, seq, sender, text, time, cid }) {
  return JSON.stringify({ type: 'message', room, seq, from: sender, text, time, cid })
}

/** A `history` frame around messages that are JSON text already. */
export function encodeHistory(room, messages, reset) {
  return `{"type":"history","room":${JSON.stringify(room)},"messages":[${messages.join(',')}],"reset":${reset}}`
}
