import { describe, expect, test } from 'vitest'
import type { JsonSchema } from '../../src/contract/event-types.ts'
import { checkSchema } from '../../src/event-types/check.ts'
import { compileSchema } from '../../src/event-types/compile.ts'
import { largeSchemas, refusedSchemas } from '../corpora/schemas.ts'

describe('a schema is refused, with the place, for', () => {
  test.each(Object.entries(refusedSchemas))('%s', (_name, [schema, path, message]) => {
    expect(checkSchema(schema)).toContainEqual({ path, message: expect.stringMatching(message) })
  })
})

const taken: Record<string, JsonSchema> = {
  'everything and nothing': true,
  'an empty one': {},
  'its edition': { $schema: 'https://json-schema.org/draft/2020-12/schema', $id: 'https://example.com/a' },
  'keywords that it does not know': {
    'x-owner': 'shop',
    discriminator: { propertyName: 'kind' },
    type: 'object',
  },
  'formats that it does not know': { type: 'string', format: 'iban' },
  'itself, for a value inside': {
    properties: { next: { $ref: '#' }, others: { items: { $ref: '#' } } },
  },
  'definitions of an older edition': {
    definitions: { a: { type: 'string' } },
    items: { $ref: '#/definitions/a' },
  },
  'a reference with escapes': {
    $defs: { 'a/b ~c': { type: 'string' } },
    properties: { one: { $ref: '#/$defs/a~1b%20~0c' }, other: { $ref: '#/$defs/a~1b ~0c' } },
  },
  'a reference to a property': { properties: { a: { type: 'string' }, b: { $ref: '#/properties/a' } } },
  'what is nested 32 deep': { items: { items: { items: { properties: { a: {} } } } } },
}

describe('a schema is taken with', () => {
  test.each(Object.entries({ ...taken, ...largeSchemas }))('%s, and becomes code', (_name, schema) => {
    expect(checkSchema(schema)).toEqual([])
    expect(compileSchema(schema).misfits(undefined, 0)).toBeInstanceOf(Array)
  })
})

test('names in references are read as JSON pointers', () => {
  const check = compileSchema(taken['a reference with escapes']!)
  expect(check.misfits({ one: 'a', other: 'b' }, 20)).toEqual([])
  expect(check.misfits({ one: 1 }, 10)).toEqual([{ path: 'data.one', message: 'must be a string' }])
})
