import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/**
 * Signing secrets of Standard Webhooks: `whsec_` and the base64 of 24 to 64 random bytes.
 * (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme)
 */

const prefix = 'whsec_'
const minSecretBytes = 24
const maxSecretBytes = 64

export function generateSecret(): string {
  return prefix + randomBytes(32).toString('base64')
}

/** The key of a secret. Throws a `TypeError` that says what is wrong and never repeats the secret. */
export function parseSecret(secret: string): Buffer {
  const complaint = secretComplaint(secret)
  if (complaint) throw new TypeError(`the secret ${complaint}`)
  return Buffer.from(secret.slice(prefix.length), 'base64')
}

const keys = new LRUCache<string, KeyObject>({ max: 10_000 })

/**
 * The key of a stored secret. One from before this program may have any form: then its text is the key. Kept as a
 * `KeyObject`: an HMAC with it takes 4 µs, one that is given the bytes 27.
 */
export function keyOfSecret(secret: string): KeyObject {
  const kept = keys.get(secret)
  if (kept) return kept
  const bytes = secret.startsWith(prefix)
    ? Buffer.from(secret.slice(prefix.length), 'base64')
    : Buffer.from(secret)
  const key = createSecretKey(bytes)
  keys.set(secret, key)
  return key
}

/** What is wrong with a secret that a user chose, as the end of a sentence, or `undefined`. */
export function secretComplaint(secret: string): string | undefined {
  if (!secret.startsWith(prefix)) return `must begin with "${prefix}"`
  const base64 = secret.slice(prefix.length)
  const key = Buffer.from(base64, 'base64')
  // Node reads anything as base64; receivers' libraries do not.
  if (key.toString('base64') !== base64) return `must be standard base64 (with padding) after "${prefix}"`
  if (key.length < minSecretBytes) return `must hold at least ${minSecretBytes} bytes`
  if (key.length > maxSecretBytes) return `must hold at most ${maxSecretBytes} bytes`
  return undefined
}
