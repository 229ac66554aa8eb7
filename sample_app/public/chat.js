// Ties the page together: the session in connection.js, the elements in index.html, and what the user does.

import { Banner } from './banner.js'
import { clock, fetchMessages, openSocket, soon } from './browser.js'
import { Connection } from './connection.js'
import { byId, element, memberRow, roomRow } from './elements.js'
import { Log } from './log.js'
import { loadRooms, openMemory, saveRooms } from './memory.js'
import { isRoom, MAX_ROOMS, ROOM_RULE, tidy } from './names.js'
import { Outbox } from './outbox.js'
import { Typing } from './typing.js'

const memory = openMemory()
let session = null
let active = null // the room on the screen
let roomsShown = ''
const banner = new Banner(() => session.wake())
const drawSoon = soon(draw)
const typing = new Typing(() => session.typing(active.name))
const log = new Log({ fetchBefore, onEdit: editAgain })

async function fetchBefore(room, after, limit) {
  const messages = await fetchMessages(room, after, limit)
  if (messages === null) notice('Earlier messages could not be read. Try again in a moment.')
  return messages ?? []
}

// --- session ---

function enter(name) {
  memory.set('chat.name', name)
  log.me = name
  byId('me').textContent = name
  byId('entrance').hidden = true
  byId('chat').hidden = false
  session = new Connection({
    name, open: openSocket, clock, random: Math.random, outbox: new Outbox(memory, name), onChange,
  })
  for (const [room, read] of loadRooms(memory)) session.join(room, read)
  choose(session.rooms.keys().next().value)
  session.start()
}

function askName(problem) {
  session?.stop()
  byId('chat').hidden = true
  byId('entrance').hidden = false
  byId('name').value = memory.get('chat.name') ?? ''
  byId('name-problem').textContent = problem
  byId('name').focus()
}

const changes = {
  status: () => showStatus(),
  rooms: () => showRooms(),
  messages: (event) => showMessages(event),
  outbox: () => drawSoon(),
  presence: (event) => event.room === active?.name && showMembers(),
  typing: (event) => event.room === active.name && event.from !== session.name && typing.heard(event.from),
  notice: (event) => notice(event.text),
}

function onChange(event) {
  changes[event.type](event)
}

function showStatus() {
  const { state, reason } = session.status
  banner.show(session.status)
  if (state === 'online') notice('')
  else typing.clear()
  if (state === 'refused' && session.status.worker === null) askName(reason)
}

function showMessages({ room, fresh, added }) {
  if (room !== active.name) return showRooms()
  if (fresh) log.show(active)
  else log.append(added)
  for (const message of added) typing.stopped(message.from)
  drawSoon()
}

function draw() {
  showOutbox()
  markRead()
}

// What is not sent yet belongs to this name and this room, so both stay until it is.
function showOutbox() {
  const waiting = session.outbox.in(active.name)
  log.draw(waiting)
  byId('rename').disabled = session.outbox.unsent > 0
  byId('leave').disabled = waiting.length > 0
}

// --- rooms ---

function choose(name) {
  active = session.rooms.get(name)
  typing.clear()
  byId('room-title').textContent = name
  byId('leave').hidden = session.rooms.size === 1
  log.show(active)
  draw()
  showMembers()
  byId('rooms').querySelector('[aria-current]').scrollIntoView({ block: 'nearest', inline: 'nearest' })
}

function markRead() {
  if (document.visibilityState === 'visible') active.markRead()
  showRooms()
}

function showRooms() {
  const rooms = [...session.rooms.values()]
  saveRooms(memory, rooms)
  const picture = JSON.stringify([active?.name, ...rooms.map((room) => [room.name, room.unread])])
  if (picture !== roomsShown) drawRooms(rooms)
  roomsShown = picture
}

function drawRooms(rooms) {
  const focused = document.activeElement?.dataset.room
  const rows = rooms.map((room) => roomRow(room, room === active, choose))
  byId('rooms').replaceChildren(...rows)
  rows.map((row) => row.firstChild).find((button) => button.dataset.room === focused)?.focus()
  const unread = rooms.reduce((sum, room) => sum + room.unread, 0)
  document.title = unread > 0 ? `(${unread}) Chat` : 'Chat'
}

function showMembers() {
  const { members, people } = active
  const more = people - members.length
  byId('people-count').textContent = people === 1 ? '1 person' : `${people} people`
  byId('members').replaceChildren(...members.map(memberRow))
  if (more > 0) byId('members').append(element('li', 'more', `and ${more} more`))
}

function joinProblem(name) {
  if (!isRoom(name)) return ROOM_RULE
  const full = session.rooms.size >= MAX_ROOMS && !session.rooms.has(name)
  return full ? `You are in ${MAX_ROOMS} rooms, which is the most. Leave one first.` : ''
}

function leave() {
  session.leave(active.name)
  choose(session.rooms.keys().next().value)
  byId('text').focus()
}

function step(by) {
  const names = [...session.rooms.keys()]
  const index = names.indexOf(active.name) + by + names.length
  choose(names[index % names.length])
}

// --- writing ---

function send() {
  const box = byId('text')
  const text = box.value.trim()
  if (text === '') return
  notice('')
  box.value = ''
  typing.sent()
  log.toBottom()
  session.send(active.name, text)
}

function editAgain(item) {
  session.outbox.discard(item.cid)
  showOutbox()
  const box = byId('text')
  box.value = box.value === '' ? item.text : `${box.value}\n${item.text}`
  box.focus()
}

function notice(text) {
  byId('notice').textContent = text
}

// --- what the user does ---

function onSubmit(id, action) {
  byId(id).addEventListener('submit', (event) => {
    event.preventDefault()
    action()
  })
}

onSubmit('name-form', () => {
  const name = tidy(byId('name').value)
  if (name === '') return
  enter(name)
  byId('text').focus()
})

onSubmit('join-form', () => {
  const name = tidy(byId('room-name').value)
  const problem = joinProblem(name)
  notice(problem)
  if (problem !== '') return
  byId('room-name').value = ''
  session.join(name)
  choose(name)
  byId('text').focus()
})

onSubmit('send-form', send)

byId('text').addEventListener('input', () => typing.composing())
byId('text').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  send()
})

byId('leave').addEventListener('click', leave)
byId('rename').addEventListener('click', () => askName(''))
document.addEventListener('keydown', (event) => {
  if (byId('chat').hidden || !event.altKey || !['ArrowUp', 'ArrowDown'].includes(event.key)) return
  event.preventDefault()
  step(event.key === 'ArrowUp' ? -1 : 1)
})
document.addEventListener('click', (event) => {
  if (!byId('people').contains(event.target)) byId('people').open = false
})
byId('people').addEventListener('keydown', (event) => {
  if (event.key === 'Escape') byId('people').open = false
})
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState !== 'visible' || byId('chat').hidden) return
  session.wake()
  markRead()
})
window.addEventListener('online', () => session?.wake())

const known = memory.get('chat.name')
if (known) enter(known)
else askName('')
