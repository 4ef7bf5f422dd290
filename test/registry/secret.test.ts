import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { generateSecret, publicKeyOf, secretComplaint, signatureOf } from '../../src/registry/secret.ts'
import { verify } from '../../src/verify/verify.ts'

describe('secrets', () => {
  it('are generated new each time, in the form that is accepted', () => {
    const secrets = Array.from({ length: 100 }, () => generateSecret())
    expect(new Set(secrets).size).toBe(100)
    for (const secret of secrets) {
      expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
      expect(secretComplaint(secret)).toBeUndefined()
      expect(publicKeyOf(secret)).toBeNull()
    }
  })

  it('may be chosen: whsec_ and the base64 of 24 to 64 bytes', () => {
    for (const bytes of [24, 32, 64]) {
      expect(secretComplaint(`whsec_${Buffer.alloc(bytes, 7).toString('base64')}`)).toBeUndefined()
    }
  })

  it.each([
    ['', 'must begin with "whsec_"'],
    ['MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'must begin with "whsec_"'],
    [generateSecret('v1a'), 'must begin with "whsec_"'],
    ['whsec_', 'at least 24 bytes'],
    [`whsec_${Buffer.alloc(23).toString('base64')}`, 'at least 24 bytes'],
    [`whsec_${Buffer.alloc(65).toString('base64')}`, 'at most 64 bytes'],
    [`whsec_${Buffer.alloc(25, 7).toString('base64').replaceAll('=', '')}`, 'with padding'],
    [`whsec_${Buffer.alloc(33, 255).toString('base64url')}`, 'standard base64'],
    ['whsec_not base64 at all, not at all!!', 'standard base64'],
  ])('%s is refused with a clear word that does not repeat it', (secret, message) => {
    expect(secretComplaint(secret)).toContain(message)
    expect(secretComplaint(secret)).not.toContain(secret.slice(6) || 'whsec_ ')
  })
})

describe('private keys', () => {
  /** Of the reference implementations: a pair of seed and public key, and a seed alone. */
  const pair = 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=='
  const seed = 'whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk='
  const content = 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'

  it('give the signatures and the public key of the reference implementations', () => {
    expect(signatureOf(pair, content)).toBe(
      'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==',
    )
    expect(signatureOf(seed, content)).toBe(
      'v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==',
    )
    expect(publicKeyOf(pair)).toBe('whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=')
  })

  it('are generated new each time, as the pair of a seed and its public key', () => {
    const keys = Array.from({ length: 20 }, () => generateSecret('v1a'))
    expect(new Set(keys).size).toBe(20)
    for (const key of keys) {
      expect(secretComplaint(key, 'v1a')).toBeUndefined()
      expect(publicKeyOf(key)!.slice(5)).toBe(
        Buffer.from(key.slice(5), 'base64').subarray(32).toString('base64'),
      )
    }
  })

  it.each([
    [generateSecret(), 'must begin with "whsk_"'],
    ['whsk_', 'must hold 32 bytes, or 64'],
    [`whsk_${Buffer.alloc(33).toString('base64')}`, 'must hold 32 bytes, or 64'],
    [pair.replaceAll('=', ''), 'with padding'],
    [`whsk_${Buffer.alloc(64, 7).toString('base64')}`, 'the public key that belongs to it'],
  ])('%s is refused with a clear word', (secret, message) => {
    expect(secretComplaint(secret, 'v1a')).toContain(message)
  })
})

it('whatever is signed with either kind verifies, and nothing else', () => {
  const now = new Date()
  const timestamp = String(Math.floor(now.getTime() / 1_000))
  const kinds = (['v1', 'v1a'] as const).map((scheme) => {
    const secret = generateSecret(scheme)
    return { secret, known: publicKeyOf(secret) ?? secret }
  })
  fc.assert(
    fc.property(fc.uuid(), fc.jsonValue(), fc.constantFrom(0, 1), (id, value, kind) => {
      const { secret, known } = kinds[kind]!
      const body = JSON.stringify(value)
      const headers = {
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': signatureOf(secret, `${id}.${timestamp}.${body}`),
      }
      expect(verify({ secret: known, headers, body, now })).toEqual(JSON.parse(body))
      expect(() => verify({ secret: kinds[1 - kind]!.known, headers, body, now })).toThrow('signed with a')
      expect(() => verify({ secret: known, headers, body: `${body} `, now })).toThrow('no signature fits')
    }),
  )
})
