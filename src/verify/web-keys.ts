import { fromBase64, type Secret } from './secrets.ts'

/** The same as in `keys.ts` with WebCrypto, which compares in constant time by itself. */
export async function signedBy(
  { scheme, bytes }: Secret,
  content: Uint8Array<ArrayBuffer>,
): Promise<(signature: string) => Promise<boolean>> {
  const algorithm = scheme === 'v1' ? 'HMAC' : 'Ed25519'
  const parameters = scheme === 'v1' ? { name: 'HMAC', hash: 'SHA-256' } : { name: 'Ed25519' }
  const key = await crypto.subtle.importKey('raw', bytes, parameters, false, ['verify'])
  return async (signature) => {
    const [version, base64 = ''] = signature.split(',', 2)
    const given = version === scheme ? fromBase64(base64) : undefined
    // No other spelling of the same bytes passes.
    if (!given || signature !== `${scheme},${btoa(String.fromCharCode(...given))}`) return false
    return crypto.subtle.verify(algorithm, key, given, content)
  }
}
