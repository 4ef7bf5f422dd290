import { createDecipheriv, randomBytes, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Binding, Cipher, isSealed } from '../../src/registry/secrets.ts'

const key = (id: string) => ({ id, key: randomBytes(32) })
const [k1, k2] = [key('k1'), key('k2')]
const cipher = new Cipher([k2, k1])
const binding: Binding = {
  projectId: '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7',
  webhookId: '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d8',
  column: 'secret',
}

test('what was sealed is opened again, and looks different each time', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (plain) => {
      const sealed = cipher.seal(plain, binding)
      expect(sealed).toMatch(/^v1\.k2\.[A-Za-z0-9_-]+$/)
      expect(cipher.unseal(sealed, binding)).toBe(plain)
      expect(cipher.seal(plain, binding)).not.toBe(sealed)
    }),
  )
})

test('the longest secret under the longest key id fits the column', () => {
  const long = new Cipher([key('k'.repeat(32))])
  const secret = `whsec_${randomBytes(64).toString('base64')}`
  expect(long.seal(secret, binding).length).toBeLessThanOrEqual(255)
})

test('an older key still opens, the newest one seals', () => {
  const old = new Cipher([k1]).seal('secret', binding)
  expect(old).toMatch(/^v1\.k1\./)
  expect(cipher.unseal(old, binding)).toBe('secret')
})

test('a key that is missing is told by its name alone', () => {
  const sealed = cipher.seal('secret', binding)
  expect(() => new Cipher([k1]).unseal(sealed, binding)).toThrow(
    expect.objectContaining({
      code: 'internal',
      message: 'The encryption key "k2" is needed and was not given.',
    }),
  )
  expect(() => new Cipher([]).unseal(sealed, binding)).toThrow(/"k2"/)
  expect(() => new Cipher([]).seal('secret', binding)).toThrow(/no encryption key/)
})

test('a value is opened only where it belongs', () => {
  const sealed = cipher.seal('secret', binding)
  const elsewhere: Binding[] = [
    { ...binding, projectId: binding.webhookId },
    { ...binding, webhookId: binding.projectId },
    { ...binding, column: 'previous_secret' },
    { ...binding, column: 'headers', header: 'x-a' },
  ]
  for (const other of elsewhere) expect(() => cipher.unseal(sealed, other)).toThrow(/cannot be opened/)
  const header = cipher.seal('a', { ...binding, column: 'headers', header: 'x-a' })
  expect(() => cipher.unseal(header, { ...binding, column: 'headers', header: 'x-b' })).toThrow(
    /cannot be opened/,
  )
  expect(cipher.unseal(sealed, { ...binding, projectId: binding.projectId.toUpperCase() })).toBe('secret')
})

test('every value of two webhooks of two projects opens in its own place and in no other', () => {
  const ids = Array.from({ length: 4 }, () => randomUUID())
  const places = ids.slice(0, 2).flatMap((projectId) =>
    ids.slice(2).flatMap((webhookId): Binding[] => [
      { projectId, webhookId, column: 'secret' },
      { projectId, webhookId, column: 'previous_secret' },
      ...['x-a', 'X-A', 'x-b', ''].map((header) => ({
        projectId,
        webhookId,
        column: 'headers' as const,
        header,
      })),
    ]),
  )
  const sealed = places.map((place, index) => cipher.seal(`value ${index}`, place))
  for (const [at, place] of places.entries()) {
    for (const [of, value] of sealed.entries()) {
      if (of === at) expect(cipher.unseal(value, place)).toBe(`value ${of}`)
      else expect(() => cipher.unseal(value, place)).toThrow(/cannot be opened/)
    }
  }
})

test('the form does not change: it is AES-256-GCM, with the whole place as additional data', () => {
  const place = { ...binding, column: 'headers' as const, header: 'x-a' }
  const [version, id, text] = cipher.seal('value', place).split('.')
  expect([version, id]).toEqual(['v1', 'k2'])
  const bytes = Buffer.from(text!, 'base64url')
  const decipher = createDecipheriv('aes-256-gcm', k2.key, bytes.subarray(0, 12))
  decipher.setAAD(Buffer.from(`["webhooks","${binding.projectId}","${binding.webhookId}","headers","x-a"]`))
  decipher.setAuthTag(bytes.subarray(-16))
  expect(decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8')).toBe('value')
})

test('keys and ids of another form are refused, without the key', () => {
  for (const [keys, words] of [
    [[{ id: 'k.1', key: randomBytes(32) }], /id of an encryption key must be/],
    [[{ id: '', key: randomBytes(32) }], /id of an encryption key must be/],
    [[{ id: 'k1', key: randomBytes(31) }], /"k1" must have 32 bytes/],
    [[k1, k2, key('k1')], /must be distinct/],
  ] as const) {
    expect(() => new Cipher(keys)).toThrow(words)
  }
})

test('a changed bit, another key under the same name and a shorter tag are refused', () => {
  const sealed = cipher.seal('secret', binding)
  const [, , text] = sealed.split('.')
  const bytes = Buffer.from(text!, 'base64url')
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Buffer.from(bytes)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    expect(() => cipher.unseal(`v1.k2.${changed.toString('base64url')}`, binding)).toThrow(/cannot be opened/)
  }
  expect(() => new Cipher([{ id: 'k2', key: randomBytes(32) }]).unseal(sealed, binding)).toThrow(
    /cannot be opened/,
  )
  const shorter = `v1.k2.${bytes.subarray(0, -1).toString('base64url')}`
  expect(() => cipher.unseal(shorter, binding)).toThrow(/cannot be opened/)
})

test('a value from before encryption is taken as it is', () => {
  for (const plain of [
    'whsec_abc',
    'secret',
    '',
    'v1',
    'v1.',
    'v1.k2',
    'v1.k2.short',
    'v1.k2.x y',
    'v2.k2.abc',
  ]) {
    expect(isSealed(plain)).toBe(false)
    expect(cipher.unseal(plain, binding)).toBe(plain)
  }
  expect(isSealed(cipher.seal('', binding))).toBe(true)
})
