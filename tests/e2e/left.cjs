// What of the app runs and lies about on a host, as JSON: run it there as the app's user, with PM2_HOME.
'use strict'
const fs = require('fs')
const path = require('path')

const ROOT = '/srv/chat'
const RUN = `${ROOT}/run`
const FOLDERS = ['', 'releases', 'modules', 'state', 'run', 'shared/secrets', 'shared/env']
const PROGRAM = /state\/(provision|firewall|prepare|switch|settle)\.sh|npm ci/

function link(name) {
  try {
    return fs.readlinkSync(path.join(RUN, name))
  } catch {
    return ''
  }
}

function records() {
  const found = {}
  for (const set of fs.readdirSync(RUN).filter((name) => !['live', 'previous'].includes(name))) {
    for (const file of fs.readdirSync(path.join(RUN, set)).filter((name) => name.endsWith('.pid.json'))) {
      const record = JSON.parse(fs.readFileSync(path.join(RUN, set, file)))
      found[record.name] = record.pid
    }
  }
  return found
}

function processes() {
  const found = []
  for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      found.push([Number(pid), fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ')])
    } catch {} // it has ended
  }
  return found
}

function litter() {
  const unfinished = (name) => /\.new$|^stage\./.test(name)
  return FOLDERS.flatMap((folder) => fs.readdirSync(path.join(ROOT, folder)).filter(unfinished).map((name) => path.join(folder, name)))
}

const tool = fs.readdirSync(`${ROOT}/tools`).find((name) => name.startsWith('pm2-'))
const pm2 = require(`${ROOT}/tools/${tool}/node_modules/pm2`)
pm2.connect(true, () => pm2.list((error, list) => {
  const running = processes()
  console.log(JSON.stringify({
    live: link('live'),
    previous: link('previous'),
    records: records(),
    pm2: Object.fromEntries((list ?? []).map((one) => [one.name, [one.pm2_env.status, one.pid]])),
    workers: running.filter(([, words]) => /launch\.cjs/.test(words)).map(([pid]) => pid).sort((a, b) => a - b),
    programs: running.filter(([, words]) => PROGRAM.test(words)).map(([, words]) => words),
    litter: litter(),
    versions: ['runtime', 'tools'].map((folder) => fs.readdirSync(`${ROOT}/${folder}`).filter((name) => name !== 'current').length),
  }))
  process.exit(0)
}))
