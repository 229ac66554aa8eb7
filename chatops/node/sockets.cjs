// Small questions over a worker's Unix socket: HTTP answers and the WebSocket handshake.
'use strict'
const crypto = require('node:crypto')
const http = require('node:http')

// RFC 6455, section 1.3.
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

// A masked close frame with code 1000: the app shall not think that the connection was lost.
const GOODBYE = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])

/** {status, body} of one request; rejects when nothing answers within `timeout` ms. */
function ask(socketPath, path, { method = 'GET', timeout = 2000 } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, path, method, timeout, agent: false, headers: { host: 'localhost' } }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text) => { if (body.length < 1048576) body += text })
      response.on('end', () => resolve({ status: response.statusCode, body }))
    })
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeout} ms`)))
    request.on('error', reject)
    request.end()
  })
}

/** The JSON of a body, or {}. */
function json(body) {
  try {
    const value = JSON.parse(body)
    return value !== null && typeof value === 'object' ? value : {}
  } catch {
    return {}
  }
}

/** Resolves when the socket completes a WebSocket handshake; rejects with the reason otherwise. */
function handshake(socketPath, path, timeout = 2000) {
  const key = crypto.randomBytes(16).toString('base64')
  const wanted = crypto.createHash('sha1').update(key + GUID).digest('base64')
  const headers = { host: 'localhost', connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': key }
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, path, headers, timeout, agent: false })
    request.on('timeout', () => request.destroy(new Error(`no WebSocket handshake within ${timeout} ms`)))
    request.on('error', reject)
    request.on('response', (response) => reject(new Error(`WebSocket handshake on ${path} answered ${response.statusCode}`), response.resume()))
    request.on('upgrade', (response, socket) => {
      socket.end(GOODBYE)
      if (response.headers['sec-websocket-accept'] === wanted) resolve()
      else reject(new Error('WebSocket handshake with a wrong Sec-WebSocket-Accept'))
    })
    request.end()
  })
}

module.exports = { ask, handshake, json }
