import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto'
import { LRUCache } from 'lru-cache'

/**
 * What signs, by Standard Webhooks: a shared secret, `whsec_` and the base64 of 24 to 64 random bytes, or the private key
 * of an Ed25519 pair, `whsk_` and the base64 of its seed and public key, of which receivers know the public one, `whpk_`.
 * (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme)
 */
export type SignatureScheme = 'v1' | 'v1a'

const prefixes = { v1: 'whsec_', v1a: 'whsk_' } as const satisfies Record<SignatureScheme, string>
const publicPrefix = 'whpk_'
const minSecretBytes = 24
const maxSecretBytes = 64
const seedBytes = 32
/** The seed, and after it the public key. */
const pairBytes = 64

export function generateSecret(scheme: SignatureScheme = 'v1'): string {
  if (scheme === 'v1') return prefixes.v1 + randomBytes(32).toString('base64')
  const { privateKey } = generateKeyPairSync('ed25519')
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' })
  const key = Buffer.concat([Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')])
  return prefixes.v1a + key.toString('base64')
}

/** What is wrong with a secret that a user chose, as the end of a sentence that never repeats it, or `undefined`. */
export function secretComplaint(secret: string, scheme: SignatureScheme = 'v1'): string | undefined {
  const prefix = prefixes[scheme]
  if (!secret.startsWith(prefix)) return `must begin with "${prefix}" for the signature scheme ${scheme}`
  const base64 = secret.slice(prefix.length)
  const key = Buffer.from(base64, 'base64')
  // Node reads anything as base64; receivers' libraries do not.
  if (key.toString('base64') !== base64) return `must be standard base64 (with padding) after "${prefix}"`
  if (scheme === 'v1a') return privateKeyComplaint(key)
  if (key.length < minSecretBytes) return `must hold at least ${minSecretBytes} bytes`
  if (key.length > maxSecretBytes) return `must hold at most ${maxSecretBytes} bytes`
  return undefined
}

function privateKeyComplaint(key: Buffer): string | undefined {
  if (key.length === seedBytes) return undefined
  if (key.length !== pairBytes) return `must hold ${seedBytes} bytes, or ${pairBytes} with the public key`
  const isPair = rawPublicKey(privateKeyOf(key)).equals(key.subarray(seedBytes))
  return isPair ? undefined : 'must hold a seed and the public key that belongs to it'
}

/** The public key of a secret as receivers are given it, or `null` where there is none: `v1` has a shared secret. */
export function publicKeyOf(secret: string): string | null {
  const key = keyOfSecret(secret)
  return key.type === 'private' ? publicPrefix + rawPublicKey(key).toString('base64') : null
}

/** One entry of `webhook-signature`: the scheme and the base64 of the signature. */
export function signatureOf(secret: string, content: string): string {
  const key = keyOfSecret(secret)
  return key.type === 'private'
    ? `v1a,${sign(null, Buffer.from(content), key).toString('base64')}`
    : `v1,${createHmac('sha256', key).update(content).digest('base64')}`
}

/** As `KeyObject`s: an HMAC with one takes 4 µs, one that is given the bytes 27; making an Ed25519 key takes as long. */
const keys = new LRUCache<string, KeyObject>({ max: 10_000 })

function keyOfSecret(secret: string): KeyObject {
  const kept = keys.get(secret)
  if (kept) return kept
  const key = readKey(secret)
  keys.set(secret, key)
  return key
}

/** A secret from before this program may have any form: then its text is the key. */
function readKey(secret: string): KeyObject {
  if (secret.startsWith(prefixes.v1)) {
    return createSecretKey(Buffer.from(secret.slice(prefixes.v1.length), 'base64'))
  }
  if (secretComplaint(secret, 'v1a') === undefined) {
    return privateKeyOf(Buffer.from(secret.slice(prefixes.v1a.length), 'base64'))
  }
  return createSecretKey(Buffer.from(secret))
}

/** The DER of an Ed25519 private key (RFC 8410, section 7) up to its seed. */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex')

function privateKeyOf(key: Buffer): KeyObject {
  const der = Buffer.concat([pkcs8Head, key.subarray(0, seedBytes)])
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

function rawPublicKey(key: KeyObject): Buffer {
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' })
  return Buffer.from(x, 'base64url')
}
