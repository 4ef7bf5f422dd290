import Type from 'typebox'
import { describe, expect, expectTypeOf, test } from 'vitest'
import * as z from 'zod'
import { events as demoEvents } from '../../src/cli/demo/event-types.ts'
import { sampleEvent } from '../../src/cli/demo/samples.ts'
import { checkSchema } from '../../src/event-types/check.ts'
import { compileSchema } from '../../src/event-types/compile.ts'
import { defineEvents, type EventsOf } from '../../src/event-types/define.ts'
import { Postrider } from '../../src/postrider.ts'
import type { EventOf } from '../../src/verify/webhooks.ts'

const events = defineEvents({
  'order.paid': {
    description: 'An order was paid.',
    schema: Type.Object({
      order: Type.Integer(),
      method: Type.Union([Type.Literal('card'), Type.Literal('transfer')]),
      note: Type.Optional(Type.String()),
    }),
    example: { order: 7, method: 'card' },
  },
  'user.created': {
    schema: z.object({
      id: z.uuid(),
      email: z.email(),
      roles: z.array(z.enum(['admin', 'member'])),
      age: z.int().optional(),
    }),
  },
  'config.deployed': {
    schema: {
      type: 'object',
      properties: { version: { type: 'integer' }, tags: { type: 'array', items: { type: 'string' } } },
      required: ['version'],
    },
    deprecated: true,
  },
  'anything.at.all': {},
})

type Events = EventsOf<typeof events>

describe('definitions as code', () => {
  test('become what the API takes, whichever library they are of', () => {
    expect(events.definitions.map(({ name }) => name)).toEqual([
      'order.paid',
      'user.created',
      'config.deployed',
      'anything.at.all',
    ])
    const [paid, created, deployed, any] = events.definitions
    expect(paid).toMatchObject({
      description: 'An order was paid.',
      example: { order: 7, method: 'card' },
      schema: { type: 'object', required: ['order', 'method'] },
    })
    expect(created!.schema).toMatchObject({ type: 'object', required: ['id', 'email', 'roles'] })
    expect(deployed).toMatchObject({ deprecated: true, schema: { required: ['version'] } })
    expect(any).toEqual({ name: 'anything.at.all' })
    // As JSON they are the same: nothing of a library is left in them.
    expect(JSON.parse(JSON.stringify(events.definitions))).toEqual(events.definitions)
  })

  test('have schemas that are taken and mean what the library means', () => {
    for (const { schema = true } of events.definitions) expect(checkSchema(schema!)).toEqual([])
    const created = compileSchema(events.definitions[1]!.schema!)
    const user = { id: '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7', email: 'ada@example.com', roles: ['admin'] }
    expect(created.misfits(user, 100)).toEqual([])
    expect(created.misfits({ ...user, roles: ['guest'] }, 100)).toMatchObject([{ path: 'data.roles[0]' }])
    expect(created.misfits({ ...user, email: 'ada' }, 100)).toMatchObject([{ path: 'data.email' }])
    expect(created.misfits({ ...user, id: 'x' }, 100)).toMatchObject([{ path: 'data.id' }])
  })

  test('keep a property that is called as something of JSON Schema', () => {
    const schema = z.object({ $schema: z.string(), format: z.string(), pattern: z.string() })
    const [config] = defineEvents({ config: { schema } }).definitions
    const check = compileSchema(config!.schema!)
    expect(check.misfits({ $schema: 'https://example.com', format: 'email', pattern: 'a' }, 100)).toEqual([])
    expect(check.misfits({ format: 'email', pattern: 'a' }, 100)).toMatchObject([{ path: 'data.$schema' }])
  })

  test('may refer to themselves, in TypeBox and in Zod', () => {
    const folder = Type.Cyclic(
      { Folder: Type.Object({ name: Type.String(), folders: Type.Array(Type.Ref('Folder')) }) },
      'Folder',
    )
    const zodFolder = z.object({
      name: z.string(),
      get folders() {
        return z.array(zodFolder)
      },
    })
    const { definitions } = defineEvents({
      whole: { schema: folder },
      part: { schema: Type.Object({ root: folder, more: Type.Array(folder) }) },
      zod: { schema: zodFolder },
    })
    for (const { schema } of definitions) expect(checkSchema(schema!)).toEqual([])
    const [whole, part, ofZod] = definitions.map(({ schema }) => compileSchema(schema!))
    const good = { name: 'a', folders: [{ name: 'b', folders: [] }] }
    const bad = { name: 'a', folders: [{ name: 1, folders: [] }] }
    for (const check of [whole!, ofZod!]) {
      expect(check.misfits(good, 100)).toEqual([])
      expect(check.misfits(bad, 100)).toMatchObject([{ path: 'data.folders[0].name' }])
    }
    expect(part!.misfits({ root: good, more: [good] }, 100)).toEqual([])
    expect(part!.misfits({ root: good, more: [bad] }, 100)).toMatchObject([
      { path: 'data.more[0].folders[0].name' },
    ])
  })

  test('are refused where a schema cannot be told as JSON Schema', () => {
    expect(() => defineEvents({ a: { schema: z.object({ at: z.date() }) } })).toThrow(
      /the schema of a cannot be told/,
    )
    expect(() => defineEvents({ a: { schema: z.object({ n: z.bigint() }) } })).toThrow(TypeError)
    const silent = { '~standard': { version: 1, vendor: 'silent', validate: () => ({ value: 1 }) } }
    expect(() => defineEvents({ a: { schema: silent } })).toThrow(/update silent/)
    expect(() => defineEvents({ 'not a type': {} })).toThrow(/no event type/)
  })

  test('of a library that only has a method for it are asked by that', () => {
    const asked = {
      toJSONSchema: () => ({ $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'string' }),
    }
    expect(defineEvents({ a: { schema: asked } }).definitions).toEqual([
      { name: 'a', schema: { type: 'string' } },
    ])
  })
})

test('what the demo publishes fits what it defines', () => {
  for (const { name, schema, example } of demoEvents.definitions) {
    expect(checkSchema(schema!)).toEqual([])
    const check = compileSchema(schema!)
    expect(check.misfits(example, 1_000)).toEqual([])
    const samples = Array.from({ length: 8 }, (_, number) => sampleEvent(number))
    const data = samples.filter(({ type }) => type === name).map((sample) => sample.data)
    expect(data.length).toBeGreaterThan(0)
    expect(data.flatMap((each) => check.misfits(each, 1_000))).toEqual([])
  }
})

describe('the types of data', () => {
  test('are those of the schemas', () => {
    expectTypeOf<Events['order.paid']>().toEqualTypeOf<{
      order: number
      method: 'card' | 'transfer'
      note?: string
    }>()
    expectTypeOf<Events['user.created']['roles']>().toEqualTypeOf<('admin' | 'member')[]>()
    expectTypeOf<Events['config.deployed']['version']>().toEqualTypeOf<number>()
    expectTypeOf<Events['anything.at.all']>().toBeUnknown()
    expectTypeOf<EventOf<Events, 'order.paid'>['data']['order']>().toBeNumber()
  })

  test('hold for what is published', () => {
    const typed = (): unknown => {
      const postrider = new Postrider({ connectionString: 'postgresql://nobody@127.0.0.1:1/none', events })
      const projectId = '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7'
      return [
        () => postrider.publish({ projectId, type: 'order.paid', data: { order: 7, method: 'card' } }),
        () => postrider.publish({ projectId, type: 'anything.at.all', data: [1, 'a'] }),
        // @ts-expect-error -- there is no such type
        () => postrider.publish({ projectId, type: 'order.payed', data: { order: 7, method: 'card' } }),
        // @ts-expect-error -- that is the data of another type
        () => postrider.publish({ projectId, type: 'config.deployed', data: { order: 7, method: 'card' } }),
        // @ts-expect-error -- there is no such method of payment
        () => postrider.publish({ projectId, type: 'order.paid', data: { order: 7, method: 'cash' } }),
        // @ts-expect-error -- a property is missing
        () => postrider.publishMany([{ projectId, type: 'order.paid', data: { order: 7 } }]),
        () =>
          postrider.publishMany([
            { projectId, type: 'order.paid', data: { order: 7, method: 'transfer' } },
            { projectId, type: 'config.deployed', data: { version: 1, tags: ['a'] } },
          ]),
      ]
    }
    expect(typed).toBeTypeOf('function')
  })

  test('are anything for anybody who defines none', () => {
    const untyped = (): unknown => {
      const postrider = new Postrider({ connectionString: 'postgresql://nobody@127.0.0.1:1/none' })
      const projectId = '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7'
      const byInterface = new Postrider<{ 'a.b': { n: number } }>({ connectionString: '' })
      return [
        () => postrider.publish({ projectId, type: 'whatever', data: 1 }),
        () => byInterface.publish({ projectId, type: 'a.b', data: { n: 1 } }),
        // @ts-expect-error -- no other type is named
        () => byInterface.publish({ projectId, type: 'whatever', data: 1 }),
      ]
    }
    expect(untyped).toBeTypeOf('function')
  })
})
