// Says how the connection is: the banner while it is gone, the footer always.

import { byId } from './elements.js'

const LABELS = { online: 'Connected', connecting: 'Connecting', offline: 'Not connected', refused: 'Refused' }

export class Banner {
  #status = null
  #everOnline = false
  #ticker = null

  constructor(onRetry) {
    byId('retry').addEventListener('click', onRetry)
  }

  show(status) {
    this.#status = status
    this.#everOnline ||= status.state === 'online'
    byId('banner').hidden = status.state === 'online' || (status.state === 'connecting' && !this.#everOnline)
    const trouble = status.state === 'refused'
      ? `The server refused this session: ${status.reason}`
      : 'Connection lost. What you send waits here.'
    setText('banner-text', trouble)
    if (!byId('banner').hidden) setText('spoken', trouble)
    else if (byId('spoken').textContent !== '') setText('spoken', 'Connected again.')
    this.#showFooter(status)
    this.#showWait()
  }

  #showFooter({ state, worker, release }) {
    byId('state').dataset.state = state
    setText('state', LABELS[state])
    setText('where', worker === null ? '' : `worker ${worker} · release ${release}`)
  }

  #showWait() {
    clearTimeout(this.#ticker)
    const { state, retryAt } = this.#status
    byId('retry').hidden = state === 'connecting'
    const seconds = Math.ceil((retryAt - Date.now()) / 1000)
    setText('banner-wait', state === 'offline' && seconds > 0 ? `Next try in ${seconds} s.` : '')
    if (state === 'offline') this.#ticker = setTimeout(() => this.#showWait(), 500)
  }
}

// Unchanged text is left alone, so that a screen reader does not say it again.
function setText(id, text) {
  const node = byId(id)
  if (node.textContent !== text) node.textContent = text
}
