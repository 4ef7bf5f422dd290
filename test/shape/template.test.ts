import fc from 'fast-check'
import { query, type JSONValue } from 'json-p3'
import { describe, expect, it } from 'vitest'
import { ShapeError } from '../../src/shape/shape-error.ts'
import { compileTemplate, templateComplaints } from '../../src/shape/template.ts'

const envelope = JSON.stringify({
  id: '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7',
  timestamp: '2026-11-24T09:30:00.000Z',
  type: 'config.deployed',
  api_version: 'v1',
  project_id: '019a8c2e-0a3b-7d5c-9e1f-4b7a8c2d6e90',
  data: { items: [{ sku: 'a' }, { sku: 'b', 'a key': [1, null] }], total: 7, nothing: null, 'ü"\\': true },
})

const rendered = (template: unknown, of = envelope): unknown =>
  JSON.parse(compileTemplate(template).render(of))

describe('what a template makes of an envelope', () => {
  it.each<[string, unknown, unknown]>([
    ['a string', '$.type', 'config.deployed'],
    ['the whole of data', { payload: '$.data' }, { payload: JSON.parse(envelope).data }],
    ['a member of a member', { n: '$.data.total' }, { n: 7 }],
    ['an element, and one from the end', ['$.data.items[0].sku', '$.data.items[-1].sku'], ['a', 'b']],
    ['a quoted name', [`$.data.items[1]['a key'][0]`, '$.data["ü\\"\\\\"]'], [1, true]],
    [
      'nothing, where there is nothing',
      ['$.data.missing.deeper', '$.data.items[9]', '$.data.total[0]'],
      [null, null, null],
    ],
    ['nothing, where it is null', ['$.data.nothing'], [null]],
    ['what is no object or array', ['$.type.length', '$.data.items.length'], [null, null]],
    [
      'literals as they stand',
      { a: 1.5, b: [true, null, 'x', {}, []], $: '$' },
      { a: 1.5, b: [true, null, 'x', {}, []], $: '$' },
    ],
    ['names as they stand', { '$.type': 1 }, { '$.type': 1 }],
    [
      'what is not a path',
      ['$', '$type', ' $.type', 'at $.type', '$[0]'],
      ['$', '$type', ' $.type', 'at $.type', '$[0]'],
    ],
    ['an escaped path as a literal', ['$$.type', '$$$.type', '$$x'], ['$.type', '$$.type', '$$x']],
    ['no template at all but a literal', 'text', 'text'],
  ])('%s', (_, template, expected) => {
    expect(templateComplaints(template)).toEqual([])
    expect(rendered(template)).toEqual(expected)
  })

  it('keeps numbers to the digit, and the order of members', () => {
    const precise = '{"type":"a","data":{"n":12345678901234567890.123456789012345678901,"m":[1e3, -0.0]}}'
    const body = compileTemplate({ z: '$.data.n', a: '$.data.m', y: '$.type' }).render(precise)
    expect(body).toBe('{"z":12345678901234567890.123456789012345678901,"a":[1e3, -0.0],"y":"a"}')
  })

  it('is refused where it would be larger than 512 KiB', () => {
    const large = JSON.stringify({ data: 'x'.repeat(200_000) })
    expect(compileTemplate(['$.data', '$.data']).render(large)).toHaveLength(400_007)
    expect(() => compileTemplate(['$.data', '$.data', '$.data']).render(large)).toThrow(ShapeError)
    const wide = JSON.stringify({ data: 'ü'.repeat(300_000) })
    expect(() => compileTemplate('$.data').render(wide)).toThrow('512 KiB')
  })
})

/** A template, and paths of all kinds into `data`, whether or not there is something. */
const step = fc.oneof(
  fc.constantFrom('[0]', '[-1]', '[1]', '.a', '.b', `['c d']`, `["e'f"]`, '.length'),
  fc.string({ maxLength: 4 }).map((name) => `[${JSON.stringify(name)}]`),
)
const path = fc.array(step, { maxLength: 4 }).map((steps) => `$.data${steps.join('')}`)
const name = fc.oneof(fc.constantFrom('a', 'b', 'c d', `e'f`), fc.string({ maxLength: 4 }))
const { data } = fc.letrec<{ data: JSONValue }>((tie) => ({
  data: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.string(),
      fc.boolean(),
      fc.constant(null),
      fc.integer(),
    ),
    fc.array(tie('data'), { maxLength: 4 }),
    fc.dictionary(name, tie('data'), { maxKeys: 4 }),
  ),
}))
const { template } = fc.letrec<{ template: JSONValue }>((tie) => ({
  template: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.oneof(
      path,
      fc.constantFrom('$.type', '$$.type', '$', 'x'),
      fc.double({ noNaN: true, noDefaultInfinity: true, max: 1e9 }),
      fc.constant(null),
    ),
    fc.array(tie('template'), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 4 }), tie('template'), { maxKeys: 4 }),
  ),
}))

/** The simplest way there is: by values instead of texts. */
function naive(part: JSONValue, event: JSONValue): JSONValue {
  if (typeof part === 'string') {
    if (part.startsWith('$.')) return query(part, event).values()[0] ?? null
    return part.startsWith('$$') ? part.replace(/^\$(?=\$+\.)/, '') : part
  }
  if (Array.isArray(part)) return part.map((each) => naive(each, event))
  if (typeof part !== 'object' || part === null) return part
  return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, naive(value, event)]))
}

it('makes the JSON that a naive implementation makes, of any template and any data', () => {
  fc.assert(
    fc.property(template, data, (shape, given) => {
      const text = JSON.stringify({ type: 'a', data: given })
      const expected = JSON.stringify(naive(shape, JSON.parse(text)))
      expect(
        templateComplaints(shape).filter(({ message }) => !/levels|surrogate|u0000|digit/.test(message)),
      ).toEqual([])
      expect(JSON.stringify(rendered(shape, text))).toBe(expected)
    }),
    { numRuns: 300 },
  )
})

describe('a template that is refused says where and why', () => {
  const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)])

  it.each<[string, unknown, string, RegExp]>([
    ['no path', { a: ['$.data[', 1] }, 'payload_template.a[0]', /^"\$\.data\[" is no JSONPath: /],
    ['an empty name', '$.', 'payload_template', /^"\$\." is no JSONPath: /],
    ['a wildcard', { a: '$.data.*' }, 'payload_template.a', /may name one value alone/],
    ['a slice', { a: '$.data[0:2]' }, 'payload_template.a', /may name one value alone/],
    ['two names', { a: `$.data['a','b']` }, 'payload_template.a', /may name one value alone/],
    ['a filter', { a: '$.data[?@.a == 1]' }, 'payload_template.a', /may name one value alone/],
    ['descendants', { a: '$..sku' }, 'payload_template.a', /may name one value alone/],
    [
      'too many levels',
      nested(11),
      `payload_template${'[0]'.repeat(10)}`,
      /^is nested deeper than 10 levels$/,
    ],
    [
      'too many paths',
      Array.from({ length: 101 }, () => '$.id'),
      'payload_template',
      /^may have at most 100 paths$/,
    ],
    ['too much', 'x'.repeat(16_383), 'payload_template', /^must have at most 16,384 bytes/],
    ['a number that no double holds', { a: 2 ** 60 }, 'payload_template.a', /cannot be kept to the digit/],
    ['half of a character', { a: '\ud800' }, 'payload_template.a', /surrogate/],
    ['a name that cannot be stored', { a: { '\0': 1 } }, 'payload_template.a', /has a name that/],
    ['what is no JSON', { a: 1n }, 'payload_template.a', /cannot be written as JSON/],
  ])('%s', (_, wrong, place, message) => {
    expect(templateComplaints(wrong)).toEqual([{ path: place, message: expect.stringMatching(message) }])
  })

  it('and as much as is allowed is taken', () => {
    expect(templateComplaints(nested(10))).toEqual([])
    expect(templateComplaints('x'.repeat(16_382))).toEqual([])
    expect(templateComplaints(Array.from({ length: 100 }, () => '$.id'))).toEqual([])
  })
})
