// The chat's fan-out with Socket.IO's own rooms, over WebSocket only.
import { Server } from 'socket.io'
import { identify, listen, number } from './chat.js'

// Packets wait in the connection's own queue while the socket below it is busy.
const waiting = ({ conn }) => conn.writeBuffer.reduce((sum, { data }) => sum + data.length, 0)
const server = listen(() => [...io.sockets.sockets.values()].reduce((sum, socket) => sum + waiting(socket), 0))
const io = new Server(server, { transports: ['websocket'], maxHttpBufferSize: 32 * 1024 })

io.on('connection', (socket) => {
  let name
  socket.on('hello', (frame) => {
    name = identify(frame)
    if (name === undefined) return socket.disconnect(true)
    socket.emit('welcome', { type: 'welcome', name })
    for (const room of Object.keys(frame.rooms)) {
      socket.join(room)
      socket.emit('history', { type: 'history', room, messages: [], reset: false })
    }
  })
  socket.on('send', (frame) => {
    const message = number(frame, name)
    socket.emit('ack', { type: 'ack', cid: frame.cid, room: frame.room, seq: message.seq })
    io.to(frame.room).emit('message', message)
  })
})
