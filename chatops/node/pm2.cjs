// Everything we ask of PM2, over its API in one process (a CLI call costs 0.6 s each).
// usage: pm2.cjs PM2_FOLDER start APPS.json | stop NAME... | save | kill
'use strict'
const fs = require('node:fs')
const path = require('node:path')
const { promisify } = require('node:util')

const [folder, verb, ...rest] = process.argv.slice(2)
const pm2 = require(path.join(folder, 'node_modules', 'pm2'))
const call = (name, ...values) => promisify(pm2[name].bind(pm2))(...values)
// Above the 25 s in which a worker ends by itself: PM2's own 1.6 s would cut every drain short.
// One signal, to the worker alone: it passes it on to what it runs.
const KILL_MS = 30_000

/** Starts what is not online yet; what PM2 has given up is deleted first, so that its counters begin anew. */
async function start(apps) {
  const known = new Map((await call('list')).map((item) => [item.name, item.pm2_env.status]))
  for (const app of apps) {
    if (known.get(app.name) === 'online') continue
    if (known.has(app.name)) await call('delete', app.name)
    await call('start', {
      exec_mode: 'fork', merge_logs: true, kill_timeout: KILL_MS, treekill: false, exp_backoff_restart_delay: 100, max_restarts: 1000,
      pmx: false, vizion: false, automation: false, ...app,
    })
    console.log(`started ${app.name}`)
  }
}

/** Deletes what is there of `names`; each gets SIGINT and the time to drain. */
async function stop(names) {
  const known = new Set((await call('list')).map((item) => item.name))
  const found = names.filter((name) => known.has(name))
  await Promise.all(found.map((name) => call('delete', name)))
  for (const name of found) console.log(`stopped ${name}`)
}

async function main() {
  await call('connect')
  if (verb === 'start') await start(JSON.parse(fs.readFileSync(rest[0], 'utf8')))
  if (verb === 'stop') await stop(rest)
  if (verb === 'kill') return call('killDaemon')
  await call('dump', true)
  return pm2.disconnect()
}

main().then(() => process.exit(0), (error) => {
  console.error(`PM2: ${error.message ?? error}`)
  process.exit(1)
})
