import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { answerText } from '../../src/api/answer.ts'
import { findUnstorable } from '../../src/api/body.ts'
import { digitsWrittenOut, findLongNumber, membersAt, memberText } from '../../src/api/raw-json.ts'
import { createTestDatabase } from '../support/database.ts'

const { database } = await createTestDatabase()

describe('a member is taken out as it was written', () => {
  test.each([
    ['{"a":1,"b":2}', 'b', '2'],
    [' { "a" : [1, {"a": 3}] , "b" : "x" } ', 'a', '[1, {"a": 3}]'],
    ['{"a":1,"a":2}', 'a', '2'],
    ['{"\\u0061":1e400}', 'a', '1e400'],
    ['{"x":{"a":1},"a":"}\\"{","y":[{"a":2}]}', 'a', '"}\\"{"'],
    ['{"x":["a","a"],"a":{}}', 'a', '{}'],
    ['{"x":"a","a":null}', 'a', 'null'],
    ['{"":1}', '', '1'],
    ['{}', 'a', undefined],
    ['["a",1]', 'a', undefined],
  ])('%s: %s is %s', (json, name, text) => {
    expect(memberText(json, name)).toBe(text)
  })

  test('and means the same, whatever is around it', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(3), (object, spaces) => {
        const json = JSON.stringify(object, null, spaces)
        for (const [name, value] of Object.entries(object)) {
          expect(JSON.parse(memberText(json, name)!)).toEqual(JSON.parse(JSON.stringify(value)))
        }
      }),
    )
  })

  test('with the number of the object that it is in', () => {
    const json = '[{"data":1},{"type":"data"},{"data":{"data":2}}]'
    expect(Array.from(membersAt(json, 2), ({ name, object, text }) => `${object} ${name} ${text}`)).toEqual([
      '0 data 1',
      '1 type "data"',
      '2 data {"data":2}',
    ])
  })
})

test('digits are counted as PostgreSQL writes a number', async () => {
  const digits = fc.stringMatching(/^\d{1,12}$/)
  const number = fc
    .tuple(
      fc.constantFrom('', '-'),
      fc.stringMatching(/^(0|[1-9]\d{0,12})$/),
      fc.option(digits),
      fc.option(fc.integer({ min: -40, max: 40 })),
    )
    .map(
      ([sign, whole, fraction, exponent]) =>
        `${sign}${whole}${fraction === null ? '' : `.${fraction}`}${exponent === null ? '' : `e${exponent}`}`,
    )
  const numbers = fc.sample(number, 2_000)
  const { rows } = await database.query<{ text: string }>(
    'SELECT value::text AS text FROM unnest($1::jsonb[]) WITH ORDINALITY AS given (value, place) ORDER BY place',
    [numbers],
  )
  rows.forEach(({ text }, index) => {
    expect({ number: numbers[index], digits: digitsWrittenOut(numbers[index]!) }).toEqual({
      number: numbers[index],
      digits: text.replace(/[-.]/g, '').length,
    })
  })
})

test('a long number is found where it is, and what only looks like one is not', () => {
  const long = '1'.repeat(1_001)
  expect(findLongNumber(`{"events":[{"data":1},{"data":{"a b":[0,${long}]}}]}`)?.path).toBe(
    'events[1].data.a b[1]',
  )
  expect(findLongNumber(`{"a":"${long}","b":"1e5000","1e5000":1}`)).toBeUndefined()
  expect(findLongNumber(`{"a":${long.slice(1)}}`)).toBeUndefined()
})

test('what PostgreSQL cannot store is found wherever it is', () => {
  const find = (value: unknown, levels = 1) => findUnstorable(JSON.stringify(value), value, levels)
  expect(find({ data: { a: ['x', '\0'] } })?.path).toBe('data.a[1]')
  expect(find({ data: { 'a\0': 1 } })?.path).toContain('data.')
  expect(find({ name: '\ud800' })?.path).toBe('name')
  expect(find({ name: '\ud83d\ude00', data: '\\u0000 \\ud800' })).toBeUndefined()
  let deep: unknown = 1
  for (let levels = 0; levels < 64; levels += 1) deep = [deep]
  expect(find({ data: deep })).toBeUndefined()
  expect(find({ data: [deep] })).toMatchObject({ path: 'data' })
  expect(find({ events: [{ data: deep }] }, 3)).toBeUndefined()
  expect(find({ events: [{ data: 1 }, { data: { a: deep } }] }, 3)).toMatchObject({ path: 'events[1].data' })
})

test('an answer takes its raw member as it stands', () => {
  expect(answerText({ id: 'a', payload: '{"n": 1.10}' }, 'payload')).toBe('{"id":"a","payload":{"n": 1.10}}')
  expect(answerText({ payload: '1e400' }, 'payload')).toBe('{"payload":1e400}')
  expect(answerText({ at: new Date(0) })).toBe('{"at":"1970-01-01T00:00:00.000Z"}')
})
