import { createHmac, createPublicKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto'
import { VerificationError } from './verification-error.ts'

/** What a receiver verifies with: the secret that it shares with the sender (`v1`), or the sender's public key (`v1a`). */
export interface Key {
  scheme: 'v1' | 'v1a'
  /** For one request: answers of each signature, `v1,…`, whether this key's owner made it. */
  signed: (content: Buffer) => (signature: string) => boolean
}

/** @throws {VerificationError} `invalid_secret`, which never repeats it */
export function keysOf(secret: unknown): Key[] {
  const secrets: unknown[] = Array.isArray(secret) ? secret : [secret]
  if (secrets.length === 0) throw invalid('no secret was given: pass the secret of the webhook, "whsec_…"')
  return secrets.map(keyOf)
}

function keyOf(secret: unknown): Key {
  const text = typeof secret === 'string' ? secret : ''
  if (text.startsWith('whsk_')) {
    throw invalid('this is the private key of a sender: pass the public key of the webhook, "whpk_…"')
  }
  return text.startsWith('whpk_')
    ? publicKey(bytesOf(text.slice('whpk_'.length)))
    : sharedSecret(bytesOf(text.replace(/^whsec_/, '')))
}

function sharedSecret(key: Buffer): Key {
  // An empty or short key would let anybody sign.
  if (key.length < 24) throw invalid('the secret is not one of a webhook: "whsec_" and base64')
  return {
    scheme: 'v1',
    signed(content) {
      const expected = Buffer.from(`v1,${createHmac('sha256', key).update(content).digest('base64')}`)
      // As text, so that no other spelling of the same bytes passes, and in constant time.
      return (signature) => {
        const given = Buffer.from(signature)
        return given.length === expected.length && timingSafeEqual(given, expected)
      }
    },
  }
}

function publicKey(bytes: Buffer): Key {
  if (bytes.length !== 32) throw invalid('the public key is not one of a webhook: "whpk_" and base64')
  const key = ed25519Key(bytes)
  return {
    scheme: 'v1a',
    signed: (content) => (signature) => {
      const given = Buffer.from(signature.slice('v1a,'.length), 'base64')
      // Here too no other spelling of the same bytes passes.
      if (given.length !== 64 || signature !== `v1a,${given.toString('base64')}`) return false
      return verify(null, content, key, given)
    },
  }
}

/** The DER of an Ed25519 public key (RFC 8410, section 4) up to its 32 bytes. */
const spkiHead = Buffer.from('302a300506032b6570032100', 'hex')

function ed25519Key(bytes: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([spkiHead, bytes]), format: 'der', type: 'spki' })
}

function bytesOf(base64: string): Buffer {
  return /^[A-Za-z0-9+/]+={0,2}$/.test(base64) ? Buffer.from(base64, 'base64') : Buffer.alloc(0)
}

function invalid(message: string): VerificationError {
  return new VerificationError('invalid_secret', message)
}
