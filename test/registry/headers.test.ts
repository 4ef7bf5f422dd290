import { describe, expect, it } from 'vitest'
import { checkHeaders } from '../../src/registry/headers.ts'

describe('checkHeaders', () => {
  it('has nothing against ordinary headers', () => {
    const headers = {
      Authorization: 'Bearer abc.def==',
      'X-Api-Key': 'k',
      'x_under.score': '',
      Accept: '*/*',
      Date: '1',
    }
    expect(checkHeaders(headers)).toEqual([])
    expect(checkHeaders({})).toEqual([])
  })

  it.each([
    'Host',
    'Content-Type',
    'content-length',
    'Content-Encoding',
    'Transfer-Encoding',
    'Connection',
    'Keep-Alive',
    'TE',
    'Trailer',
    'Upgrade',
    'Expect',
    'Accept-Encoding',
    'Cookie',
    'Proxy-Authorization',
    'Proxy-Connection',
    'User-Agent',
    'webhook-id',
    'Webhook-Signature',
    'postrider-event',
    'POSTRIDER-ANYTHING',
    'X-Forwarded-For',
    'x-forwarded-host',
    'Transfer_Encoding',
    'webhook_id',
    'x_forwarded_for',
  ])('refuses to replace %s', (name) => {
    expect(checkHeaders({ [name]: 'x' })).toEqual([
      { name, message: expect.stringContaining('cannot be replaced') },
    ])
  })

  it.each(['', 'a b', 'a:b', 'ä', 'a\r\nb', 'a\0', '(x)', 'x,y', '__proto__'])(
    'refuses the name %j',
    (name) => {
      // As JSON has it: in a literal, `__proto__` would be something else.
      const headers = Object.fromEntries([[name, 'x']])
      expect(checkHeaders(headers)).toEqual([{ name, message: 'is not a valid header name' }])
    },
  )

  it.each([
    'a\rb',
    'a\nb',
    'a\r\nX-Evil: 1',
    'a\0b',
    'a\x7f',
    'a\x01',
    'ä',
    '🚚',
    ' a',
    'a ',
    7,
    null,
    ['a'],
  ])('refuses the value %j', (value) => {
    expect(checkHeaders({ 'X-Own': value })).toMatchObject([{ name: 'X-Own' }])
  })

  it('refuses names that differ by case only', () => {
    expect(checkHeaders({ 'X-Token': 'a', 'x-token': 'b' })).toEqual([
      { name: 'x-token', message: 'is the same header as "X-Token": names do not differ by case' },
    ])
  })

  it('allows 32 headers and 4 KiB, and no more', () => {
    expect(checkHeaders(many(32))).toEqual([])
    expect(checkHeaders(many(33))).toEqual([{ message: 'at most 32 headers are allowed' }])
    expect(checkHeaders({ 'X-Big': 'v'.repeat(4_091) })).toEqual([])
    expect(checkHeaders({ 'X-Big': 'v'.repeat(4_092) })).toEqual([
      { message: expect.stringContaining('4096 bytes') },
    ])
  })
})

function many(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`X-${n}`, 'v']))
}
