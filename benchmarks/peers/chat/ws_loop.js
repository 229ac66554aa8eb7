// The chat's fan-out as most people write it with ws: a loop of send() over the members of the room.
import { WebSocketServer } from 'ws'
import { identify, listen, number } from './chat.js'

const rooms = new Map()
const sockets = new WebSocketServer({
  server: listen(() => [...sockets.clients].reduce((sum, { bufferedAmount }) => sum + bufferedAmount, 0)),
  path: '/ws',
  maxPayload: 32 * 1024,
})

sockets.on('connection', (socket) => {
  const tell = (frame) => socket.send(JSON.stringify(frame))
  let name
  const joined = new Set()
  socket.on('error', () => {})
  socket.on('close', () => { for (const members of joined) members.delete(socket) })
  socket.on('message', (data) => {
    const frame = JSON.parse(data)
    if (frame.type === 'send') {
      const message = number(frame, name)
      tell({ type: 'ack', cid: frame.cid, room: frame.room, seq: message.seq })
      const text = JSON.stringify(message)
      for (const member of rooms.get(frame.room)) member.send(text)
    } else if (frame.type === 'hello') {
      name = identify(frame)
      if (name === undefined) return socket.close(1008)
      tell({ type: 'welcome', name })
      for (const room of Object.keys(frame.rooms)) {
        if (!rooms.has(room)) rooms.set(room, new Set())
        joined.add(rooms.get(room).add(socket))
        tell({ type: 'history', room, messages: [], reset: false })
      }
    }
  })
})
