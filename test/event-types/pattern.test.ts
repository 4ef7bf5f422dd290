import { describe, expect, test } from 'vitest'
import { metered } from '../../src/event-types/meter.ts'
import { LinearPattern } from '../../src/event-types/pattern.ts'

const texts = [
  '',
  'a',
  'ab',
  'abc',
  'A-1',
  '12',
  'é',
  '😀',
  'a\nb',
  '/path/to',
  'x'.repeat(63),
  'x'.repeat(64),
  '\u00a0',
  '漢字',
]

describe('a pattern finds what JavaScript finds', () => {
  test.each([
    '',
    'a',
    '^a',
    'b$',
    '^$',
    '^[a-z]+$',
    '^[A-Za-z0-9_-]+$',
    '^\\d{2}$',
    '^x{1,63}$',
    '^(?:a|b|c)+$',
    '^\\/path\\/',
    '^\\u0061',
    '^\\u{61}b?$',
    '^\\ud83d\\ude00$',
    '^\\u{1f600}$',
    '^\\p{L}+$',
    '[^a-z]',
    'a.b',
    '^\\w\\W\\w$',
    '\\ba',
    '^(?<first>a)b',
    'a{2}',
    'a{x',
  ])('%s', (pattern) => {
    const javascript = pattern === 'a{x' ? /a\{x/u : new RegExp(pattern, 'u')
    const linear = new LinearPattern(pattern)
    for (const text of texts) {
      expect({ text, found: metered(10_000, () => linear.test(text)) }).toEqual({
        text,
        found: javascript.test(text),
      })
    }
  })
})

test('what it has learned of a text is forgotten, and it goes on finding the same', () => {
  const pattern = new LinearPattern('^[a-z]*[^a-z][a-z]*$')
  for (let round = 0; round < 40; round += 1) {
    const text = `${'a'.repeat(500)}${String.fromCodePoint(0x4e00 + round)}${'b'.repeat(500)}`
    expect(metered(100_000, () => pattern.test(text))).toBe(true)
    expect(metered(100_000, () => pattern.test(`${text}!`))).toBe(false)
  }
})
