// Signed tokens: base64url(JSON {name, exp}) + "." + base64url(HMAC-SHA256 of that text), `exp` in seconds since 1970.
import { createHmac, timingSafeEqual } from 'node:crypto'

/** {name, expires in ms since 1970} of a valid token, else undefined. */
export function readToken(token, secret) {
  if (typeof token !== 'string' || token.length > 1024) return undefined
  const [body, signature, ...rest] = token.split('.')
  if (!signature || rest.length > 0) return undefined
  if (!sameText(signature, createHmac('sha256', secret).update(body).digest('base64url'))) return undefined
  const { name, exp } = parse(Buffer.from(body, 'base64url')) ?? {}
  return exp * 1000 > Date.now() ? { name, expires: exp * 1000 } : undefined
}

function parse(json) {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** Compare two secrets in a time that does not tell where they differ. */
export function sameText(left, right) {
  const [a, b] = [left, right].map((text) => createHmac('sha256', 'compare').update(text).digest())
  return timingSafeEqual(a, b)
}
