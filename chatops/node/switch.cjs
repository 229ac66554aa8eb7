// The switch of traffic: one rename of run/live. Refuses when `live` is not what the plan was made for.
// usage: switch.cjs RUN_FOLDER SET EXPECTED PREVIOUS   (EXPECTED: the set that is live now; PREVIOUS: the one that stays
// warm; `-` for none)
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

/** Points a link at another set, by rename: it is never absent. */
function point(name, to) {
  const fresh = path.join(run, `${name}.${process.pid}`)
  fs.symlinkSync(to, fresh)
  fs.renameSync(fresh, path.join(run, name))
}

const [run, set, expected, previous] = process.argv.slice(2)
const live = path.join(run, 'live')
const found = target(live)
if (found !== expected && found !== set) {
  console.log(`live is \`${found}\`, the plan expected \`${expected}\`: somebody else changed it`)
  process.exit(1)
}
if (previous !== '-') point('previous', previous)
point('live', set)
console.log(`live: ${found} -> ${set}`)
