// What this browser remembers: localStorage, or plain memory where the browser forbids it.

import { isRoom, MAX_ROOMS } from './names.js'

class Forgetful {
  #map = new Map()
  keys() { return [...this.#map.keys()] }
  get(key) { return this.#map.get(key) ?? null }
  set(key, value) { this.#map.set(key, value) }
  remove(key) { this.#map.delete(key) }
}

class Lasting extends Forgetful {
  keys() { return [...new Set([...Object.keys(localStorage), ...super.keys()])] }
  get(key) { return localStorage.getItem(key) ?? super.get(key) }
  remove(key) { localStorage.removeItem(key); super.remove(key) }

  // A full disk quota must not lose what the user wrote: it then lives as long as the tab.
  set(key, value) {
    try {
      localStorage.setItem(key, value)
    } catch {
      super.set(key, value)
    }
  }
}

export function openMemory() {
  try {
    localStorage.getItem('chat.name')
    return new Lasting()
  } catch {
    return new Forgetful()
  }
}

// Names of the joined rooms with the newest seq the user has read in each; null where that is unknown.
export function loadRooms(memory) {
  try {
    const rooms = JSON.parse(memory.get('chat.rooms'))
    const known = Object.entries(rooms).filter(([name, read]) => isRoom(name) && (read === null || Number.isInteger(read)))
    return known.length > 0 ? known.slice(0, MAX_ROOMS) : [['lobby', null]]
  } catch {
    return [['lobby', null]]
  }
}

export function saveRooms(memory, rooms) {
  memory.set('chat.rooms', JSON.stringify(Object.fromEntries(rooms.map((room) => [room.name, room.read]))))
}
