// One WebSocket from hello to close: frames in and out, handshake deadline, heartbeat. No DOM.

const HANDSHAKE_MS = 10_000
const PROBE_MS = 5_000

export class Link {
  #socket
  #clock
  #on
  #awaited
  #cancelDeadline
  #cancelHeartbeat = () => {}
  #cancelProbe = () => {}
  #silent = false
  #closed = false

  // `on` is {frame(link, frame), ready(link), closed(link)}; ready comes once, after the welcome and every history.
  constructor({ open, clock, hello, on }) {
    this.#clock = clock
    this.#on = on
    this.#awaited = new Set(Object.keys(hello.rooms))
    this.rooms = new Set(this.#awaited)
    this.ready = false
    this.draining = false
    this.welcome = null
    this.#cancelDeadline = clock.after(HANDSHAKE_MS, () => this.drop())
    this.#socket = open()
    this.#socket.onopen = () => this.send(hello)
    this.#socket.onmessage = (event) => this.#receive(event.data)
    this.#socket.onclose = () => this.#finish()
  }

  send(frame) {
    if (!this.#closed) this.#socket.send(JSON.stringify(frame))
  }

  // Ends quietly: nobody is told, because somebody better has taken over.
  retire() {
    this.#stop()
    this.#socket.close(1000)
  }

  // Gives a dead connection up at once; the browser's own close event could take minutes.
  drop() {
    this.#socket.close()
    this.#finish()
  }

  // Asks for a sign of life, for instance after the computer slept.
  probe() {
    this.#silent = true
    this.send({ type: 'ping', t: this.#clock.now() })
    this.#cancelProbe()
    this.#cancelProbe = this.#clock.after(PROBE_MS, () => {
      if (this.#silent) this.drop()
    })
  }

  #receive(data) {
    if (this.#closed) return
    this.#silent = false
    const frame = JSON.parse(data)
    if (frame.type === 'welcome') this.#greet(frame)
    if (frame.type === 'history') this.#awaited.delete(frame.room)
    this.#on.frame(this, frame)
    this.#checkReady()
  }

  #greet(frame) {
    this.welcome = frame
    this.#beat(frame.heartbeat_ms)
  }

  #checkReady() {
    if (this.ready || this.#closed || this.welcome === null || this.#awaited.size > 0) return
    this.ready = true
    this.#cancelDeadline()
    this.#on.ready(this)
  }

  #beat(interval) {
    this.#cancelHeartbeat = this.#clock.after(interval, () => {
      this.probe()
      this.#beat(interval)
    })
  }

  #finish() {
    if (this.#closed) return
    this.#stop()
    this.#on.closed(this)
  }

  #stop() {
    this.#closed = true
    this.#cancelDeadline()
    this.#cancelHeartbeat()
    this.#cancelProbe()
  }
}
