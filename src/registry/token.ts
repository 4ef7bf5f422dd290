import { createHash, createHmac, randomBytes } from 'node:crypto'

/** What opens a session or a link: 32 random bytes. Stored is only its hash, a plain one: there is nothing to guess. */
export function newToken(): { token: string; hash: Buffer } {
  const token = randomBytes(32).toString('base64url')
  return { token, hash: hashOfToken(token) }
}

export function hashOfToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** What only who has the token can say, such as in a header that no page of others can set. */
export function csrfTokenOf(token: string): string {
  return createHmac('sha256', token).update('csrf').digest('base64url')
}
