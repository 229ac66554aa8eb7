// What rooms and people may be called: the rules of the server, which reads this file too, and of the page. No DOM.

const ROOM = /^[\p{L}\p{N}][\p{L}\p{N}\p{M}_-]{0,31}$/u

export const MAX_ROOMS = 32
export const ROOM_RULE = 'A room name has 1 to 32 letters, digits, _ or -'

export const isRoom = (name) => ROOM.test(name) && name === name.normalize('NFC')

// A name in its one written form: NFC, single spaces.
export const tidy = (name) => name.normalize('NFC').trim().replace(/ +/g, ' ')
