// What the session needs from the browser: time, a socket, and the stored messages.

const FRAME_MS = 16

export const clock = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}

// Gives a function that runs `callback` a screen frame later, once for all its calls until then: a flood of messages is
// drawn together. A timer, because a page in the background gets no animation frames.
export function soon(callback) {
  let waiting = false
  return () => {
    if (waiting) return
    waiting = true
    setTimeout(() => {
      waiting = false
      callback()
    }, FRAME_MS)
  }
}

export function openSocket() {
  const address = new URL('ws', location.href)
  address.protocol = address.protocol.replace('http', 'ws')
  return new WebSocket(address)
}

// Up to `limit` stored messages after `after`, or null when they cannot be had now.
export async function fetchMessages(room, after, limit) {
  const answer = await fetch(`api/rooms/${encodeURIComponent(room)}/messages?after=${after}&limit=${limit}`).catch(() => null)
  return answer?.ok ? (await answer.json()).messages : null
}
