// Signed tokens: base64url(JSON {name, exp}) + "." + base64url(HMAC-SHA256 of that text), `exp` in seconds since 1970.
import { createHmac, hash, timingSafeEqual } from 'node:crypto'

/** {name, expires in ms since 1970} of a valid token, else undefined. */
export function readToken(token, secret) {
  if (typeof token !== 'string' || token.length > 1024) return undefined
  const [body, signature = '', ...rest] = token.split('.')
  const expected = createHmac('sha256', secret).update(body).digest('base64url')
  if (rest.length > 0 || !sameText(signature, expected)) return undefined
  try {
    const { name, exp } = JSON.parse(Buffer.from(body, 'base64url'))
    return exp * 1000 > Date.now() ? { name, expires: exp * 1000 } : undefined
  } catch {
    return undefined
  }
}

/** Compare two secrets in a time that does not tell where they differ. */
export const sameText = (left, right) => timingSafeEqual(hash('sha256', left, 'buffer'), hash('sha256', right, 'buffer'))
