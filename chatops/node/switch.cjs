// The switch of traffic: one rename of run/live. Refuses when `live` is not what the plan was made for.
// usage: switch.cjs RUN_FOLDER SET EXPECTED   (EXPECTED: the set that is live now, `-` for none)
'use strict'
const fs = require('node:fs')
const path = require('node:path')

function target(link) {
  try {
    return fs.readlinkSync(link)
  } catch {
    return '-'
  }
}

const [run, set, expected] = process.argv.slice(2)
const live = path.join(run, 'live')
const found = target(live)
if (found !== expected && found !== set) {
  console.log(`live is \`${found}\`, the plan expected \`${expected}\`: somebody else changed it`)
  process.exit(1)
}
const fresh = path.join(run, `live.${process.pid}`)
fs.symlinkSync(set, fresh)
fs.renameSync(fresh, live)
console.log(`live: ${found} -> ${set}`)
