import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/**
 * Keys look like `prk_<id as 32 hex digits>_<43 characters of secret><6 of checksum>`. The id finds the row, so that
 * the hash is compared here and in constant time; the checksum tells a mistyped key without a query.
 */

const keyForm = /^(prk_([0-9a-f]{32})_[A-Za-z0-9_-]{43})([A-Za-z0-9_-]{6})$/

export function generateKey(id: string): string {
  const unchecked = `prk_${id.replaceAll('-', '')}_${randomBytes(32).toString('base64url')}`
  return unchecked + checksum(unchecked)
}

/** The id in a key, or `undefined` for what cannot be one. */
export function idOfKey(key: string): string | undefined {
  const [, unchecked, hex, check] = keyForm.exec(key) ?? []
  if (unchecked === undefined || hex === undefined || check !== checksum(unchecked)) return undefined
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** What is stored instead of a key. A plain hash is enough for 32 random bytes: there is nothing to guess. */
export function hashOfKey(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

/** Stands for the hash of a key that does not exist: no key has it. */
export const noHash = Buffer.alloc(32)

export function isSameHash(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other)
}

function checksum(unchecked: string): string {
  return hashOfKey(unchecked).toString('base64url').slice(0, 6)
}
