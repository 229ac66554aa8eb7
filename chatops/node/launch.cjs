// Starts one worker: gives it its environment (secrets come from files, never from PM2), leaves a record of the
// process for whoever watches, and runs the app's command, inside this process where that is `node FILE ...`.
// usage: launch.cjs (under PM2, with CHATOPS_WORKER=SPEC.json) | launch.cjs run SPEC.json COMMAND...
'use strict'
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { spawn } = require('node:child_process')
const { runMain } = require('node:module')

// Node reads these once, at its start: for an app that is given one, this process has started too early.
const AT_START = ['NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS']

const restarts = Number(process.env.restart_time ?? 0) // before `clean` takes it away

/** spec: {name, release, cwd, command, socket, ops, data, env_file, secrets_dir, secrets: [names], record} */
function environment(spec) {
  const env = JSON.parse(fs.readFileSync(spec.env_file, 'utf8'))
  for (const name of spec.secrets) env[name] = fs.readFileSync(path.join(spec.secrets_dir, name), 'utf8')
  return { NODE_ENV: 'production', DATA_DIR: spec.data, ...env, RELEASE: spec.release }
}

/** What `status` and `monitor` read instead of asking PM2: one small file, written by rename. `group`: what we started. */
function leaveRecord(spec, group) {
  const record = {
    name: spec.name, release: spec.release, pid: process.pid, started: Date.now() / 1000,
    restarts, group,
  }
  fs.writeFileSync(`${spec.record}.new`, JSON.stringify(record), { mode: 0o600 })
  fs.renameSync(`${spec.record}.new`, spec.record)
}

/** PM2 gives its children every setting as a variable; the app gets only what a shell would give it. */
function clean() {
  const kept = ['PATH', 'HOME', 'LANG', 'TZ', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE']
  for (const name of Object.keys(process.env)) if (!kept.includes(name)) delete process.env[name]
}

/** A killed process leaves its socket's file behind, and most servers stumble over it. */
async function removeStale(file) {
  const taken = await new Promise((resolve) => {
    const socket = net.connect(file, () => resolve(true))
    socket.on('connect', () => socket.destroy())
    socket.on('error', () => resolve(false))
  })
  if (!taken) fs.rmSync(file, { force: true })
}

async function serve(spec) {
  await removeStale(spec.socket)
  leaveRecord(spec)
  process.umask(0o007) // the proxy reaches the socket through its folder's group
  clean()
  const given = environment(spec)
  Object.assign(process.env, given, { PORT: spec.socket, OPS_SOCKET: spec.ops, WORKER: spec.name })
  process.chdir(spec.cwd)
  const plain = /^node\s+([\w./@-]+)((?:\s+[\w./:=@-]+)*)$/.exec(spec.command)
  if (!plain || plain[1].startsWith('-') || AT_START.some((name) => given[name])) return supervise(spec)
  process.argv = [process.argv[0], path.resolve(plain[1]), ...plain[2].split(/\s+/).filter(Boolean)]
  // PM2 says SIGINT, platforms say SIGTERM: an app that knows only the latter drains, too.
  process.on('SIGINT', () => process.listenerCount('SIGINT') > 1 || process.kill(process.pid, 'SIGTERM'))
  return runMain() // as `node FILE` does: also FILE without its ending, a folder, and `require.main === module`
}

/** Any other command runs in a process group of its own that gets our signals and whose end is ours. */
function supervise(spec) {
  const child = spawn('/bin/sh', ['-c', `${npm()}${spec.command}`], { stdio: 'inherit', detached: true })
  const tell = () => {
    try {
      process.kill(-child.pid, 'SIGTERM')
    } catch {} // it has ended
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, tell)
  outlive(child.pid)
  leaveRecord(spec, child.pid)
  child.on('exit', (code, signal) => process.exit(status(code, signal)))
}

/** Where npm lies beside our Node it is named: the links of some packages of Node do not survive their packing. */
function npm() {
  const folder = path.resolve(path.dirname(process.execPath), '../lib/node_modules/npm/bin')
  const there = ['npm', 'npx'].filter((name) => fs.existsSync(path.join(folder, `${name}-cli.js`)))
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`
  return there.map((name) => `${name}() { ${quoted(process.execPath)} ${quoted(path.join(folder, `${name}-cli.js`))} "$@"; }\n`).join('')
}

/** Ends what is left of a process group when we end, also when we are killed: then our end of the pipe closes. */
function outlive(group) {
  const text = `trap '' INT TERM HUP; read -r _; kill -TERM -${group} 2>/dev/null || exit 0; sleep 25; kill -KILL -${group} 2>/dev/null`
  spawn('/bin/sh', ['-c', text], { stdio: ['pipe', 'ignore', 'ignore'], detached: true, cwd: '/' })
}

/** What a shell would say of a process's end. */
function status(code, signal) {
  return signal ? 128 + os.constants.signals[signal] : code
}

function once(spec, [command, ...rest]) {
  const env = { ...process.env, ...environment(spec), WORKER: 'run' }
  const child = spawn(command, rest, { cwd: spec.cwd, env, stdio: 'inherit' })
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  process.on('SIGINT', () => {}) // the terminal has told the child already
  child.on('error', (error) => {
    process.stderr.write(`cannot run \`${command}\`: ${error.code}\n`)
    process.exit(127)
  })
  child.on('exit', (code, signal) => process.exit(status(code, signal)))
}

function read(file) {
  return JSON.parse(fs.readFileSync(file, 'utf8'))
}

if (process.argv[2] === 'run') once(read(process.argv[3]), process.argv.slice(4))
else {
  Promise.resolve().then(() => serve(read(process.env.CHATOPS_WORKER))).catch((error) => {
    console.error(error)
    process.exit(1)
  })
}
