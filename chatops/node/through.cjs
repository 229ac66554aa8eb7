// The gate after the switch: what stands before the workers must answer well N times in a row, with the release it should
// have. It is asked on this host, by the name that users type.
// usage: through.cjs URL HOST RELEASE|- ANSWERS SECONDS
'use strict'
const { setTimeout: sleep } = require('node:timers/promises')
const { json } = require('./sockets.cjs')

const POLL_MS = 50
const TIMEOUT_MS = 2000

const [url, host, release, answers, seconds] = process.argv.slice(2)
const { request } = require(url.startsWith('https:') ? 'node:https' : 'node:http')

function ask() {
  return new Promise((resolve, reject) => {
    const options = { headers: { host }, servername: host, rejectUnauthorized: false, agent: false, timeout: TIMEOUT_MS }
    const asked = request(url, options, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text) => { if (body.length < 1048576) body += text })
      response.on('end', () => resolve({ status: response.statusCode, body }))
    })
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
    asked.on('error', reject)
    asked.end()
  })
}

/** Why an answer does not count; empty when it does. */
async function complaint() {
  try {
    const { status, body } = await ask()
    if (status < 200 || status > 299) return `answers ${status}`
    const { release: found } = json(body)
    return typeof found === 'string' && release !== '-' && found !== release ? `answers release \`${found}\` instead of \`${release}\`` : ''
  } catch (error) {
    return error.message || error.code
  }
}

async function main() {
  const end = Date.now() + Number(seconds) * 1000
  let row = 0
  let reason = ''
  while (row < Number(answers)) {
    reason = await complaint()
    row = reason ? 0 : row + 1
    if (reason && Date.now() > end) return console.log(`${url} ${reason}`), 1
    if (reason) await sleep(POLL_MS)
  }
  return 0
}

main().then((code) => process.exit(code))
