import { describe, expect, test } from 'vitest'
import type { JsonSchema } from '../../src/contract/event-types.ts'
import { compareSchemas } from '../../src/event-types/compare.ts'
import { linesOf, planSync, refuseBreaking } from '../../src/event-types/plan.ts'

const base = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    count: { type: 'integer', minimum: 0, maximum: 10 },
    state: { enum: ['open', 'closed'] },
    user: { $ref: '#/$defs/user' },
    tags: { type: 'array', items: { type: 'string' } },
    note: { anyOf: [{ type: 'string' }, { type: 'null' }] },
  },
  required: ['id', 'count'],
  $defs: { user: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] } },
}

/** The base with one of its members changed. */
function withMember(name: string, schema: JsonSchema | undefined): JsonSchema {
  const { [name]: _, ...rest } = base.properties as Record<string, JsonSchema>
  return { ...base, properties: schema === undefined ? rest : { ...rest, [name]: schema } }
}

describe('a change', () => {
  test.each<[string, JsonSchema | null, string, string, 'publishers' | 'receivers' | null]>([
    ['a property is removed', withMember('state', undefined), 'data.state', 'is removed', 'receivers'],
    ['a property is new', withMember('extra', { type: 'string' }), 'data.extra', 'is new', null],
    [
      'one is required',
      { ...base, required: ['id', 'count', 'state'] },
      'data.state',
      'is required now',
      'publishers',
    ],
    ['one is optional', { ...base, required: ['id'] }, 'data.count', 'is optional now', 'receivers'],
    [
      'a type is narrowed',
      withMember('id', { type: 'string', maxLength: 5 }),
      'data.id',
      'has maxLength 5 now',
      'publishers',
    ],
    [
      'a type is another',
      withMember('id', { type: 'integer' }),
      'data.id',
      'can no longer be string',
      'publishers',
    ],
    [
      'a type is wider',
      withMember('id', { type: ['string', 'null'] }),
      'data.id',
      'can be null now',
      'receivers',
    ],
    [
      'a property that may be anything is new',
      { ...base, properties: { ...base.properties, extra: {} } },
      'data.extra',
      'is new',
      null,
    ],
    [
      'a value is removed',
      withMember('state', { enum: ['open'] }),
      'data.state',
      'can no longer be "closed"',
      'publishers',
    ],
    [
      'a value is added',
      withMember('state', { enum: ['open', 'closed', 'lost'] }),
      'data.state',
      'can be "lost", too',
      null,
    ],
    [
      'values are no longer limited',
      withMember('state', {}),
      'data.state',
      'is no longer limited to certain values',
      'receivers',
    ],
    [
      'a limit is tighter',
      withMember('count', { type: 'integer', minimum: 1, maximum: 10 }),
      'data.count',
      'has minimum 1 now',
      'publishers',
    ],
    [
      'a limit is looser',
      withMember('count', { type: 'integer', minimum: 0, maximum: 99 }),
      'data.count',
      'has maximum 99 now, which allows more',
      null,
    ],
    [
      'a limit is gone',
      withMember('count', { type: 'integer', minimum: 0 }),
      'data.count',
      'has no maximum any more',
      null,
    ],
    [
      'a pattern is new',
      withMember('id', { type: 'string', pattern: '^a' }),
      'data.id',
      'has pattern "^a" now',
      'publishers',
    ],
    [
      'entries are others',
      withMember('tags', { type: 'array', items: { type: 'integer' } }),
      'data.tags[]',
      'can no longer be string',
      'publishers',
    ],
    [
      'an alternative is gone',
      withMember('note', { anyOf: [{ type: 'string' }] }),
      'data.note',
      'has another anyOf',
      'publishers',
    ],
    [
      'an alternative is added',
      withMember('note', { anyOf: [...base.properties.note.anyOf, { type: 'integer' }] }),
      'data.note',
      'has further alternatives',
      'receivers',
    ],
    [
      'nothing else is taken',
      { ...base, additionalProperties: false },
      'data',
      'takes nothing that it does not name now',
      'publishers',
    ],
    [
      'behind a reference a property is required',
      {
        ...base,
        $defs: {
          user: {
            ...base.$defs.user,
            properties: { name: { type: 'string' }, age: { type: 'integer' } },
            required: ['name', 'age'],
          },
        },
      },
      'data.user.age',
      'is required now',
      'publishers',
    ],
    ['there is no schema any more', null, 'data', 'can be anything now', 'receivers'],
  ])('is told: %s', (_name, after, path, message, breaks) => {
    expect(compareSchemas(base, after)).toContainEqual({ path, message, breaks })
  })

  test('is none where only words for people are different, or the order of members', () => {
    const same = {
      title: 'Order',
      ...Object.fromEntries(Object.entries(base).toReversed()),
      description: 'of things',
    }
    expect(compareSchemas(base, same)).toEqual([])
    expect(compareSchemas(base, structuredClone(base))).toEqual([])
  })

  test('is none where a definition only moves', () => {
    const { user: _, ...properties } = base.properties
    const moved = { ...base, properties: { ...properties, user: base.$defs.user }, $defs: {} }
    expect(compareSchemas(base, moved)).toEqual([])
  })

  test('of a schema that holds itself comes to an end', () => {
    const list = (type: string) => ({ properties: { value: { type }, next: { $ref: '#' } } })
    expect(compareSchemas(list('string'), list('integer'))).toContainEqual({
      path: 'data.value',
      message: 'can no longer be string',
      breaks: 'publishers',
    })
  })

  test('from no schema to one breaks who publishes something else', () => {
    expect(compareSchemas(null, { type: 'object' })).toEqual([
      { path: 'data', message: 'must be object now', breaks: 'publishers' },
    ])
  })
})

describe('a plan', () => {
  const registered = { name: 'a', description: 'as it was', schema: base, example: null, deprecated: false }

  test('creates, updates, leaves alone, and names what only the project has', () => {
    const plan = planSync(
      [registered, { ...registered, name: 'other' }, { ...registered, name: 'same' }],
      [
        { name: 'a', schema: withMember('state', undefined), deprecated: true },
        { name: 'new', schema: true },
        { name: 'same', schema: base },
      ],
    )
    expect(plan.changes).toMatchObject([
      { name: 'a', kind: 'update', isBreaking: true, fields: ['deprecated'] },
      { name: 'new', kind: 'create', isBreaking: false },
      { name: 'same', kind: 'none', isBreaking: false },
    ])
    expect(plan.others).toEqual(['other'])
    expect(plan.changes.flatMap(linesOf)).toEqual([
      'a: data.state is removed (breaks receivers)',
      'a: has another deprecated',
      'new: is new',
    ])
    expect(() => refuseBreaking(plan)).toThrow(/a: data\.state is removed \(breaks receivers\)/)
  })

  test('that breaks nothing is let through, also where the schema is another one', () => {
    const plan = planSync([registered], [{ name: 'a', schema: withMember('extra', { type: 'string' }) }])
    expect(plan.changes).toMatchObject([{ kind: 'update', isBreaking: false }])
    expect(() => refuseBreaking(plan)).not.toThrow()
  })
})
