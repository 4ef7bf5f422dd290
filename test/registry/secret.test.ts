import { describe, expect, it } from 'vitest'
import { generateSecret, parseSecret, secretComplaint } from '../../src/registry/secret.ts'

describe('secrets', () => {
  it('are generated new each time, in the form that is accepted', () => {
    const secrets = Array.from({ length: 100 }, generateSecret)
    expect(new Set(secrets).size).toBe(100)
    for (const secret of secrets) expect(parseSecret(secret)).toHaveLength(32)
  })

  it('may be chosen: whsec_ and the base64 of 24 to 64 bytes', () => {
    expect(parseSecret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')).toHaveLength(24)
    expect(parseSecret(`whsec_${Buffer.alloc(64, 7).toString('base64')}`)).toHaveLength(64)
  })

  it.each([
    ['', 'must begin with "whsec_"'],
    ['MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'must begin with "whsec_"'],
    ['whsec_', 'at least 24 bytes'],
    [`whsec_${Buffer.alloc(23).toString('base64')}`, 'at least 24 bytes'],
    [`whsec_${Buffer.alloc(65).toString('base64')}`, 'at most 64 bytes'],
    [`whsec_${Buffer.alloc(25, 7).toString('base64').replaceAll('=', '')}`, 'with padding'],
    [`whsec_${Buffer.alloc(33, 255).toString('base64url')}`, 'standard base64'],
    ['whsec_not base64 at all, not at all!!', 'standard base64'],
  ])('%s is refused with a clear word that does not repeat it', (secret, message) => {
    expect(secretComplaint(secret)).toContain(message)
    expect(() => parseSecret(secret)).toThrow(message)
  })
})
