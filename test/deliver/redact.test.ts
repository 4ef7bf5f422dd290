import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redactAnswer, redactHeaders } from '../../src/deliver/redact.ts'

const token = 'to/k+en="q&a" <b>\'\\ end%2F'

function bodyOf(body: string, values: string[] = [token], bodyTruncated = false): string {
  return redactAnswer({ headers: {}, body, bodyTruncated }, values).body
}

describe('the history', () => {
  it('keeps the names of own headers in any case, and of no other header changes anything', () => {
    const sent = { 'webhook-id': 'a', 'X-Token': 'secret', authorization: 'Bearer t' }
    expect(redactHeaders(sent, ['x-token', 'Authorization'])).toEqual({
      'webhook-id': 'a',
      'X-Token': '[redacted]',
      authorization: '[redacted]',
    })
  })

  it.each<[string, (text: string) => string]>([
    ['as it is', (text) => text],
    ['in JSON', (text) => JSON.stringify(text).slice(1, -1)],
    ['in JSON with escaped slashes', (text) => JSON.stringify(text).slice(1, -1).replaceAll('/', '\\/')],
    [
      'in JSON that is safe in HTML',
      (text) =>
        JSON.stringify(text)
          .slice(1, -1)
          .replace(/[<>&'+]/g, unicode),
    ],
    ['in JSON in JSON', (text) => JSON.stringify(JSON.stringify(text)).slice(3, -3)],
    ['in a URL', encodeURIComponent],
    ['in HTML', (text) => text.replace(/["&<>']/g, (character) => `&${htmlNames[character]};`)],
    [
      'in HTML by numbers',
      (text) => text.replace(/["&<>'/]/g, (character) => `&#${character.charCodeAt(0)};`),
    ],
    [
      'in HTML by other numbers',
      (text) => text.replace(/[/+]/g, (one) => `&#x${one.charCodeAt(0).toString(16)};`),
    ],
  ])('does not keep the value of an own header that is echoed %s', (_, write) => {
    const body = bodyOf(`{"x-token":"${write(token)}","other":"kept %2F \\/ &amp;"}`)
    expect(body).toBe('{"x-token":"[redacted]","other":"kept %2F \\/ &amp;"}')
  })

  it('keeps neither the credentials behind their scheme nor what they say', () => {
    const basic = `Basic ${Buffer.from('user:pass word').toString('base64')}`
    const body = bodyOf('dXNlcjpwYXNzIHdvcmQ= and user:pass word and "pass word"', [basic])
    expect(body).toBe('[redacted] and [redacted] and "[redacted]"')
    expect(bodyOf('token: abcdefgh', ['Bearer abcdefgh'])).toBe('token: [redacted]')
  })

  it('keeps no beginning of a value at the end of an answer that was cut off', () => {
    const body = `{"x-token":"${JSON.stringify(token).slice(1, -1)}`
    for (let cut = body.length - 1; cut > 16; cut -= 1) {
      expect(bodyOf(body.slice(0, cut), [token], true)).toMatch(/^\{"x-token":"\[redacted\]\\?$/)
    }
    expect(bodyOf('nothing of it', [token], true)).toBe('nothing of it')
  })

  it('hides it in headers of the answer too, and leaves what is too short to be a secret', () => {
    const { headers, body } = redactAnswer(
      { headers: { 'x-echo': `a ${token} b`, 'x-five': 'fives' }, body: 'fives', bodyTruncated: true },
      [token, 'fives', ''],
    )
    expect(headers).toEqual({ 'x-echo': 'a [redacted] b', 'x-five': 'fives' })
    expect(body).toBe('fives')
  })

  it('hides values that overlap, repeat or hold one another', () => {
    expect(bodyOf('abcdefghij', ['abcdef', 'defghij', 'abcdefghi'])).toBe('[redacted]')
    expect(bodyOf('abcdefabcdef', ['abcdef'])).toBe('[redacted][redacted]')
  })

  it('changes nothing else, whatever the answer and the values are', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '\\', '%41', '%4', '&amp;', '\\u0061', 'é', '🚚', '"') }),
        fc.array(fc.string({ unit: fc.constantFrom('x', '/', '+', '%2F'), maxLength: 40 })),
        fc.boolean(),
        (text, values, truncated) => {
          expect(bodyOf(text, ['longer than any text', ...values], truncated)).toBe(text)
        },
      ),
    )
  })

  it('takes no longer for an answer that was made to take long', () => {
    const value = '\\%5c&#x5c;'.repeat(400)
    const startedMs = performance.now()
    for (const unit of ['\\', '%5c', '&#x0', '\\u00', value]) {
      bodyOf(unit.repeat(16_384 / unit.length), [value, `${value.slice(1)}x`], true)
    }
    expect(performance.now() - startedMs).toBeLessThan(2_000)
  })
})

const htmlNames: Record<string, string> = { '"': 'quot', '&': 'amp', '<': 'lt', '>': 'gt', "'": 'apos' }

function unicode(character: string): string {
  return `\\u00${character.charCodeAt(0).toString(16).toUpperCase()}`
}
