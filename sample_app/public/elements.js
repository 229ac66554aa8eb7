// Builds page elements from plain values; text goes in as text only.

const HUES = 8
const SAME_AUTHOR_MS = 5 * 60_000
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })

export const byId = (id) => document.getElementById(id)

export function element(tag, className, text) {
  const node = document.createElement(tag)
  if (className) node.className = className
  if (text !== undefined) node.textContent = text
  return node
}

function hue(name) {
  let sum = 0
  for (const character of name) sum = (sum * 31 + character.codePointAt(0)) >>> 0
  return String(sum % HUES)
}

function avatar(name) {
  const node = element('span', 'avatar', [...name.trim()][0]?.toUpperCase() ?? '?')
  node.setAttribute('aria-hidden', 'true')
  node.dataset.hue = hue(name)
  return node
}

function timeOf(iso) {
  const moment = new Date(iso)
  const node = element('time', '', Number.isNaN(moment.valueOf()) ? '' : CLOCK.format(moment))
  node.dateTime = iso
  return node
}

function sameDay(before, message) {
  return new Date(before.time).toDateString() === new Date(message.time).toDateString()
}

function continues(before, message) {
  return before?.from === message.from && sameDay(before, message)
    && new Date(message.time) - new Date(before.time) < SAME_AUTHOR_MS
}

function bubble(text) {
  const node = element('p', 'text', text)
  node.dir = 'auto'
  return node
}

// One message row; `before` is the message above it, `mine` says that this user wrote it.
export function messageRow(message, before, mine) {
  const row = element('li', mine ? 'message mine' : 'message')
  row.dataset.seq = message.seq
  if (!before || !sameDay(before, message)) row.dataset.day = dayOf(message.time)
  const head = element('div', continues(before, message) ? 'head unseen' : 'head')
  if (continues(before, message)) row.classList.add('continued')
  head.append(element('bdi', 'from', message.from), timeOf(message.time))
  row.append(avatar(message.from), head, bubble(message.text))
  return row
}

function dayOf(iso) {
  const moment = new Date(iso)
  return Number.isNaN(moment.valueOf()) ? '' : DAY.format(moment)
}

// A message that is not stored yet; `onEdit(item)` gets a refused one back.
export function pendingRow(item, onEdit) {
  const row = element('li', item.problem === undefined ? 'message mine waiting' : 'message mine refused')
  row.append(bubble(item.text))
  if (item.problem === undefined) {
    row.append(element('span', 'note', item.seq === undefined ? 'Waiting to be sent' : 'Sent'))
    return row
  }
  const edit = element('button', 'quiet', 'Edit')
  edit.addEventListener('click', () => onEdit(item))
  row.append(element('span', 'note', `Not sent: ${item.problem}`), edit)
  return row
}

export function roomRow(room, active, onChoose) {
  const row = element('li')
  const button = element('button', 'room')
  button.dataset.room = room.name
  button.append(element('bdi', '', room.name))
  if (active) button.setAttribute('aria-current', 'true')
  if (room.unread > 0) {
    button.append(element('span', 'badge', room.unread > 99 ? '99+' : String(room.unread)), element('span', 'unseen', 'unread'))
  }
  button.addEventListener('click', () => onChoose(room.name))
  row.append(button)
  return row
}

export function memberRow(name) {
  const row = element('li')
  row.append(avatar(name), element('bdi', '', name))
  return row
}
