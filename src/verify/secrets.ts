import { VerificationError } from './verification-error.ts'

/** What a receiver verifies with: the secret that it shares with the sender (`v1`), or the sender's public key (`v1a`). */
export interface Secret {
  scheme: 'v1' | 'v1a'
  bytes: Uint8Array<ArrayBuffer>
}

/** @throws {VerificationError} `invalid_secret`, which never repeats it */
export function secretsOf(secret: unknown): Secret[] {
  const secrets: unknown[] = Array.isArray(secret) ? secret : [secret]
  if (secrets.length === 0) throw invalid('no secret was given: pass the secret of the webhook, "whsec_…"')
  return secrets.map(readSecret)
}

function readSecret(secret: unknown): Secret {
  if (secret === undefined || secret === null || secret === '') {
    throw invalid('the secret is missing: is the environment variable set that it comes from?')
  }
  // A file that a secret is read from mostly ends in a new line.
  const text = typeof secret === 'string' ? secret.trim() : ''
  if (text.startsWith('whsk_')) {
    throw invalid('this is the private key of a sender: pass the public key of the webhook, "whpk_…"')
  }
  if (text.startsWith('whpk_')) {
    const bytes = fromBase64(text.slice('whpk_'.length))
    if (bytes?.length === 32) return { scheme: 'v1a', bytes }
    throw invalid('the public key is not one of a webhook, "whpk_" and base64: copy it whole, without quotes')
  }
  const bytes = fromBase64(text.replace(/^whsec_/, ''))
  // An empty or short key would let anybody sign.
  if (bytes && bytes.length >= 24) return { scheme: 'v1', bytes }
  throw invalid('the secret is not one of a webhook, "whsec_" and base64: copy it whole, without quotes')
}

/** Standard base64, also without the padding; `undefined` for anything else. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined
  try {
    return Uint8Array.from(atob(text.replace(/=+$/, '')), (character) => character.charCodeAt(0))
  } catch {
    return undefined
  }
}

function invalid(message: string): VerificationError {
  return new VerificationError('invalid_secret', message)
}
