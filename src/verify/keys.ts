import { createHmac, createPublicKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto'
import type { Secret } from './secrets.ts'

/** For one request: answers of each signature, `v1,…`, whether the owner of this secret made it. */
export function signedBy({ scheme, bytes }: Secret, content: Uint8Array): (signature: string) => boolean {
  return scheme === 'v1' ? bySharedSecret(bytes, content) : byPublicKey(bytes, content)
}

function bySharedSecret(secret: Uint8Array, content: Uint8Array): (signature: string) => boolean {
  const expected = Buffer.from(`v1,${createHmac('sha256', secret).update(content).digest('base64')}`)
  // As text, so that no other spelling of the same bytes passes, and in constant time.
  return (signature) => {
    const given = Buffer.from(signature)
    return given.length === expected.length && timingSafeEqual(given, expected)
  }
}

function byPublicKey(bytes: Uint8Array, content: Uint8Array): (signature: string) => boolean {
  const key = ed25519Key(bytes)
  return (signature) => {
    const given = Buffer.from(signature.slice('v1a,'.length), 'base64')
    // Here too no other spelling of the same bytes passes.
    if (given.length !== 64 || signature !== `v1a,${given.toString('base64')}`) return false
    return verify(null, content, key, given)
  }
}

/** The DER of an Ed25519 public key (RFC 8410, section 4) up to its 32 bytes. */
const spkiHead = Buffer.from('302a300506032b6570032100', 'hex')

function ed25519Key(bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([spkiHead, bytes]), format: 'der', type: 'spki' })
}
