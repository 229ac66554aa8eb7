// The page's files: read once at boot, so that no request can name any other file.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** A Map of URL path -> {body, type, tag} for the files of a flat directory. */
export function readFiles(directory) {
  const names = existsSync(directory) ? readdirSync(directory).filter((name) => TYPES[path.extname(name)]) : []
  const files = new Map(names.map((name) => [`/${name}`, readFile(path.join(directory, name))]))
  if (files.has('/index.html')) files.set('/', files.get('/index.html'))
  return files
}

function readFile(file) {
  const body = readFileSync(file)
  return { body, type: TYPES[path.extname(file)], tag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` }
}
