import Type from 'typebox'
import { expect, test } from 'vitest'
import { PostriderError } from '../../src/contract/errors.ts'
import { NewEvents } from '../../src/contract/events.ts'
import {
  EventType,
  FreeText,
  Name,
  nullable,
  oneOf,
  optional,
  strict,
  Time,
  Uuid,
} from '../../src/contract/text.ts'
import { validate } from '../../src/contract/validate.ts'
import { NewWebhook } from '../../src/contract/webhooks.ts'

function errorsOf(schema: Type.TSchema, value: unknown): readonly { path: string; message: string }[] {
  try {
    validate(schema, value)
    return []
  } catch (error) {
    return (error as PostriderError).errors
  }
}

const shape = strict({
  name: Name,
  id: optional(nullable(Uuid)),
  time: optional(Time),
  role: optional(oneOf(['view', 'manage'])),
  list: optional(Type.Array(Type.Integer({ minimum: 1, maximum: 9 }), { minItems: 1, maxItems: 2 })),
  none: optional(nullable(Type.Array(Type.Integer({ minimum: 1 }), { maxItems: 2 }))),
})

test.each([
  [{}, 'name', 'is missing'],
  [{ name: 5 }, 'name', 'must be a string'],
  [{ name: null }, 'name', 'must be a string'],
  [{ name: '' }, 'name', 'must not be empty'],
  [{ name: 'x'.repeat(256) }, 'name', 'must have at most 255 characters'],
  [{ name: 'a\u202e' }, 'name', 'must not contain control or text-direction characters'],
  [{ name: 'a', id: 5 }, 'id', 'must be a string or null'],
  [{ name: 'a', id: 'x' }, 'id', 'must be a UUID'],
  [{ name: 'a', time: '2026-02-29T00:00:00Z' }, 'time', 'must be a time such as 2026-11-24T09:30:00.000Z'],
  [{ name: 'a', time: null }, 'time', 'must be a string'],
  [{ name: 'a', role: 'root' }, 'role', 'must be "view" or "manage"'],
  [{ name: 'a', list: [] }, 'list', 'must have at least 1 entry'],
  [{ name: 'a', list: [1, 2, 3] }, 'list', 'must have at most 2 entries'],
  [{ name: 'a', list: [0] }, 'list[0]', 'must be at least 1'],
  [{ name: 'a', list: [1, 10] }, 'list[1]', 'must be at most 9'],
  [{ name: 'a', list: ['1'] }, 'list[0]', 'must be a whole number'],
  [{ name: 'a', list: [1.5] }, 'list[0]', 'must be a whole number'],
  [{ name: 'a', none: 1 }, 'none', 'must be an array or null'],
  [{ name: 'a', none: [1, 2, 3] }, 'none', 'must have at most 2 entries'],
  [{ name: 'a', none: [1, 0] }, 'none[1]', 'must be at least 1'],
  [{ name: 'a', none: [null] }, 'none[0]', 'must be a whole number'],
  [{ name: 'a', nmae: 'b' }, 'nmae', 'unknown field `nmae`: did you mean `name`?'],
  [{ name: 'a', 'a/b~c': 1 }, 'a/b~c', 'unknown field `a/b~c`'],
  [{ name: 'a', whatever: 1 }, 'whatever', 'unknown field `whatever`'],
  [[], '', 'must be an object'],
  [null, '', 'must be an object'],
  ['x', '', 'must be an object'],
])('%j is told as %s %s', (value, path, message) => {
  expect(errorsOf(shape, value)).toEqual([{ path, message }])
})

test('each field is told once, with its place', () => {
  const errors = errorsOf(NewEvents, {
    events: [
      { type: 'a', data: 1 },
      { type: 'a..b', id: 'x' },
    ],
  })
  expect(errors).toEqual([
    { path: 'events[1].data', message: 'is missing' },
    { path: 'events[1].type', message: expect.stringContaining('config.deployed') },
    { path: 'events[1].id', message: 'must be a UUID' },
  ])
  expect(errorsOf(NewWebhook, { name: 'a', url: 'b', headers: { 'x.y': 5 } })).toEqual([
    { path: 'headers.x.y', message: 'must be a string' },
  ])
})

test('what code names and gives nothing is not there', () => {
  const changes = strict({ name: optional(Name), policy: optional(strict({ order: optional(Name) })) })
  expect(Object.keys(validate(changes, { name: undefined, policy: { order: undefined } }))).toEqual([
    'policy',
  ])
  expect(validate(changes, { policy: { order: undefined } })).toEqual({ policy: {} })
  const given = { name: 'a', policy: {} }
  expect(validate(changes, given)).toBe(given)
  expect(errorsOf(shape, { name: undefined })).toEqual([{ path: 'name', message: 'is missing' }])
  expect(errorsOf(shape, { name: 'a', nmae: undefined })).toMatchObject([{ path: 'nmae' }])
})

test('of a great many errors the first are told, without looking at all of them', () => {
  const fields = Object.fromEntries(Array.from({ length: 500_000 }, (_, index) => [`field${index}`, 1]))
  const manyOf = (event: object) => Array.from({ length: 1_000_000 }, () => event)
  const before = process.cpuUsage()
  expect(errorsOf(shape, { name: 'a', ...fields })).toHaveLength(8)
  expect(errorsOf(NewEvents, { events: manyOf({}) })).toHaveLength(16)
  expect(errorsOf(NewEvents, { events: manyOf({ type: 'a', data: 1 }) })).toEqual([
    { path: 'events', message: 'must have at most 1,000 entries' },
  ])
  expect(process.cpuUsage(before).user / 1e6).toBeLessThan(2)
})

test('text of any length is refused in words, and runs no pattern out of its stack', () => {
  const time = strict({ name: Name, time: Time, type: EventType })
  for (const text of ['a.', '[u=a-', 'a-', 'T', '\ud83d\ude00', '1']) {
    const long = text.repeat(8_000_000 / text.length)
    expect(errorsOf(time, { name: long, time: `2026-11-24T09:30:00Z${long}`, type: long })).toEqual([
      { path: 'name', message: 'must have at most 255 characters' },
      { path: 'time', message: 'must have at most 64 characters' },
      { path: 'type', message: 'must have at most 255 characters' },
    ])
  }
  // Wrong far behind what is looked at: refused all the same.
  expect(errorsOf(strict({ text: FreeText }), { text: `${'a'.repeat(200_000)}\0` })).toEqual([
    { path: '', message: 'is not valid' },
  ])
})

test('an unknown field of great length does not come back whole', () => {
  const [error] = errorsOf(shape, { name: 'a', ['x'.repeat(10_000)]: 1 })
  expect(error!.path.length + error!.message.length).toBeLessThan(300)
})

test('names from prototypes are neither fields nor given', () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    expect(errorsOf(shape, JSON.parse(`{"name":"a","${name}":1}`))[0]!.message).toContain('unknown field')
  }
  expect(errorsOf(shape, JSON.parse('{"__proto__":{"name":"a"}}'))).toContainEqual({
    path: 'name',
    message: 'is missing',
  })
})

test('the error says it all in one sentence', () => {
  expect(() => validate(shape, { nam: 'a' })).toThrow(
    'name is missing; unknown field `nam`: did you mean `name`?',
  )
})
