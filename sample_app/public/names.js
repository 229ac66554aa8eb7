// What rooms and people may be called: the server's rules, so that the page can say at once what is wrong. No DOM.

const ROOM = /^[\p{L}\p{N}][\p{L}\p{N}\p{M}_-]{0,31}$/u

export const MAX_ROOMS = 32
export const ROOM_RULE = 'A room name has 1 to 32 letters, digits, _ or -'

export function isRoom(name) {
  return ROOM.test(name)
}

// A name in the one form in which the server writes it.
export function tidy(name) {
  return name.normalize('NFC').trim().replace(/ +/g, ' ')
}
