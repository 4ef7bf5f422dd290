// oxlint-disable unicorn/no-thenable -- `then` is a keyword of JSON Schema
import type { JsonSchema } from '../../src/contract/event-types.ts'

/** Schemas that somebody may register: those that are refused, and those that are taken and mean harm. */

type Rules = { [keyword: string]: unknown }

function nested(levels: number): Rules {
  let schema: Rules = { type: 'string' }
  for (let level = 0; level < levels; level += 1) schema = { items: schema }
  return schema
}

function nestedArray(levels: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < levels; level += 1) value = [value]
  return value
}

/** Each with the place that is told, and a word of why. */
export const refusedSchemas: Record<string, [schema: Rules, path: string, message: RegExp]> = {
  'a type that does not exist': [{ type: 'text' }, 'type', /no JSON Schema/],
  'a type that is a number': [{ properties: { a: { type: 3 } } }, 'properties.a.type', /no JSON Schema/],
  'required that is no list': [{ required: 'name' }, 'required', /no JSON Schema/],
  'items of an older edition': [{ items: [{ type: 'string' }] }, 'items', /no JSON Schema/],
  'a pattern that is no text': [{ pattern: 1 }, 'pattern', /no JSON Schema/],
  'another edition': [{ $schema: 'http://json-schema.org/draft-07/schema#' }, '$schema', /2020-12/],
  'dependencies of an older edition': [{ dependencies: { a: ['b'] } }, 'dependencies', /older edition/],
  'a reference to another server': [{ $ref: 'https://example.com/a.json' }, '$ref', /this document/],
  'a reference to a file': [{ $ref: 'file:///etc/passwd' }, '$ref', /this document/],
  'a reference to the schema of schemas': [
    { $ref: 'https://json-schema.org/draft/2020-12/schema' },
    '$ref',
    /this document/,
  ],
  'a reference to nothing': [
    { properties: { a: { $ref: '#/$defs/a' } } },
    'properties.a.$ref',
    /this document/,
  ],
  'a reference to what is no schema': [
    { 'x-hidden': { type: 'string' }, $ref: '#/x-hidden' },
    '$ref',
    /this document/,
  ],
  'a reference into a value': [
    { const: { a: {} }, properties: { a: { $ref: '#/const/a' } } },
    'properties.a.$ref',
    /this document/,
  ],
  'a reference by an anchor': [
    { $anchor: 'here', properties: { a: { $ref: '#here' } } },
    '$anchor',
    /not supported/,
  ],
  'an id inside': [
    { properties: { a: { $id: 'https://example.com/a' } } },
    'properties.a.$id',
    /not supported/,
  ],
  'a dynamic reference': [
    { $dynamicAnchor: 'a', items: { $dynamicRef: '#a' } },
    '$dynamicAnchor',
    /not supported/,
  ],
  'a recursive reference of 2019-09': [
    { items: { $recursiveRef: '#' } },
    'items.$recursiveRef',
    /older edition/,
  ],
  'one that runs asynchronously': [{ $async: true }, '$async', /no keyword/],
  'itself, for the same value': [{ $ref: '#' }, '', /itself/],
  'a circle of references': [
    { $defs: { a: { $ref: '#/$defs/b' }, b: { allOf: [{ $ref: '#/$defs/a' }] } }, $ref: '#/$defs/a' },
    '$defs.a',
    /itself/,
  ],
  'a circle through not': [{ not: { $ref: '#' } }, '', /itself/],
  'a circle through dependentSchemas': [{ dependentSchemas: { 'a/b': { $ref: '#' } } }, '', /itself/],
  'a pattern that is none': [{ pattern: '(' }, 'pattern', /no regular expression/],
  'a lookahead': [{ pattern: '^(?!a)' }, 'pattern', /lookaround/],
  'a backreference': [{ pattern: '(a)\\1' }, 'pattern', /no regular expression/],
  'a pattern of a property name': [
    { patternProperties: { '(': {} } },
    'patternProperties',
    /no regular expression/,
  ],
  'a pattern without end': [{ pattern: 'a'.repeat(1_001) }, 'pattern', /characters/],
  'a repetition of repetitions': [{ pattern: '((a{100}){100}){100}' }, 'pattern', /too long/],
  'many long patterns': [
    { allOf: Array.from({ length: 20 }, () => ({ pattern: `^[a-z]{600}$` })) },
    '',
    /too many and too long patterns/,
  ],
  'a name that would change the prototype': [
    JSON.parse('{"properties": {"__proto__": {"type": "string"}}}') as Rules,
    'properties',
    /__proto__/,
  ],
  'more than 64 KiB': [
    { enum: Array.from({ length: 9_000 }, (_, index) => `value ${index}`) },
    '',
    /65,536 bytes/,
  ],
  'too many schemas': [{ allOf: Array.from({ length: 1_001 }, () => ({ minimum: 1 })) }, '', /1000 schemas/],
  'too many values': [{ enum: Array.from({ length: 5_001 }, (_, index) => index) }, 'enum', /5000 entries/],
  'too deep': [{ const: nestedArray(70) }, '', /64 levels/],
  'references too deep': [
    {
      $defs: Object.fromEntries(
        Array.from({ length: 160 }, (_, index) => [
          `a${index}`,
          index === 159 ? { type: 'number' } : { anyOf: [{ $ref: `#/$defs/a${index + 1}` }] },
        ]),
      ),
      $ref: '#/$defs/a0',
    },
    '',
    /too many and too deep/,
  ],
  'schemas too deep': [nested(33), 'items.'.repeat(33).slice(0, -1), /nested deeper/],
}

/** Taken, and as large as they may be. */
export const largeSchemas: Record<string, JsonSchema> = {
  'many alternatives': { anyOf: Array.from({ length: 900 }, (_, index) => ({ const: index })) },
  'many properties': {
    type: 'object',
    properties: Object.fromEntries(
      Array.from({ length: 900 }, (_, index) => [`property${index}`, { type: 'string' }]),
    ),
    required: Array.from({ length: 900 }, (_, index) => `property${index}`),
    additionalProperties: false,
  },
  'many references to one': {
    $defs: { a: { type: 'object', properties: { b: { type: 'string', minLength: 3 } }, required: ['b'] } },
    properties: Object.fromEntries(
      Array.from({ length: 900 }, (_, index) => [`property${index}`, { $ref: '#/$defs/a' }]),
    ),
  },
  'a long chain of references': {
    $defs: Object.fromEntries(
      Array.from({ length: 140 }, (_, index) => [
        `a${index}`,
        index === 139 ? { type: 'number' } : { anyOf: [{ $ref: `#/$defs/a${index + 1}` }] },
      ]),
    ),
    $ref: '#/$defs/a0',
  },
  'nothing evaluated twice': {
    allOf: Array.from({ length: 300 }, (_, index) => ({
      properties: { [`property${index}`]: { type: 'number' } },
    })),
    unevaluatedProperties: false,
  },
}

/** Data nested in `next`, which ends in what does not fit. */
function chain(levels: number): unknown {
  let value: unknown = 'no'
  for (let level = 0; level < levels; level += 1) value = { next: value }
  return value
}

/** Letters of which no part of some length comes again. */
function withoutPeriod(length: number): string {
  let state = 1
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return (state >> 16) % 2 === 0 ? 'a' : 'b'
  }).join('')
}

/** What takes exponential or quadratic time where nobody counts: schema and data. */
export const endlessChecks: Record<string, [schema: JsonSchema, data: unknown]> = {
  'two ways at each step of a chain of references': [
    {
      $defs: Object.fromEntries(
        Array.from({ length: 60 }, (_, index) => [
          `a${index}`,
          index === 59
            ? { type: 'number' }
            : { anyOf: [{ $ref: `#/$defs/a${index + 1}` }, { $ref: `#/$defs/a${index + 1}` }] },
        ]),
      ),
      $ref: '#/$defs/a0',
    },
    'no',
  ],
  'twice the same at each step, and all of it fits': [
    {
      $defs: Object.fromEntries(
        Array.from({ length: 60 }, (_, index) => [
          `a${index}`,
          index === 59
            ? { type: 'string' }
            : { allOf: [{ $ref: `#/$defs/a${index + 1}` }, { $ref: `#/$defs/a${index + 1}` }] },
        ]),
      ),
      $ref: '#/$defs/a0',
    },
    'yes',
  ],
  'a schema in itself, with two ways at each level of the data': [
    {
      $defs: {
        a: {
          anyOf: [
            { type: 'number' },
            { type: 'object', properties: { next: { $ref: '#/$defs/a' } }, minProperties: 1 },
            { type: 'object', properties: { next: { $ref: '#/$defs/a' } }, maxProperties: 9 },
          ],
        },
      },
      $ref: '#/$defs/a',
    },
    chain(50),
  ],
  'oneOf, which looks at all of them': [
    {
      $defs: {
        a: {
          oneOf: [
            { properties: { next: { $ref: '#/$defs/a' } } },
            { items: { $ref: '#/$defs/a' }, properties: { next: { $ref: '#/$defs/a' } } },
          ],
        },
      },
      $ref: '#/$defs/a',
    },
    chain(50),
  ],
  'conditions in conditions': [
    {
      $defs: {
        a: {
          if: { properties: { next: { $ref: '#/$defs/a' } } },
          then: { properties: { next: { $ref: '#/$defs/a' } } },
          else: { properties: { next: { $ref: '#/$defs/a' } } },
        },
      },
      $ref: '#/$defs/a',
    },
    chain(50),
  ],
  'not of not of not': [
    {
      $defs: {
        a: {
          not: { properties: { next: { $ref: '#/$defs/a' } }, required: ['next'] },
          properties: { next: { $ref: '#/$defs/a' } },
        },
      },
      $ref: '#/$defs/a',
    },
    chain(50),
  ],
  'a thousand views of a hundred thousand entries': [
    { items: { allOf: Array.from({ length: 990 }, (_, index) => ({ minimum: -index })) } },
    Array.from({ length: 100_000 }, () => 1),
  ],
  'every member looked at by every pattern': [
    {
      patternProperties: Object.fromEntries(
        Array.from({ length: 300 }, (_, index) => [`^${'[a-z]'.repeat(5)}${index}$`, { type: 'string' }]),
      ),
    },
    Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`member${index}`, 'a'])),
  ],
  'members counted by a thousand schemas': [
    { allOf: Array.from({ length: 990 }, (_, index) => ({ minProperties: index % 7 })) },
    Object.fromEntries(Array.from({ length: 30_000 }, (_, index) => [`member${index}`, 1])),
  ],
  'a long text measured by a thousand schemas': [
    { allOf: Array.from({ length: 990 }, (_, index) => ({ maxLength: 1_000_000 + index })) },
    'é'.repeat(250_000),
  ],
  'a pattern with a state for each subset of its places': [
    { pattern: `^(?:a|b)*a(?:a|b){40}$` },
    withoutPeriod(30_000),
  ],
  'a pattern of every script over every character': [
    { pattern: '(?:\\p{L}|\\p{N}){8}$' },
    Array.from({ length: 60_000 }, (_, index) => String.fromCodePoint(0x4e00 + (index % 20_000))).join(''),
  ],
}

/** Takes the engine of JavaScript more time than there is, and RE2 none: the answer is right. */
export const evilPatterns: [pattern: string, text: string, found: boolean][] = [
  ['^(a+)+$', `${'a'.repeat(40)}b`, false],
  ['^(a|a)*$', `${'a'.repeat(40)}b`, false],
  ['^(a|aa)+$', `${'a'.repeat(60)}b`, false],
  ['(.*a){12}b', 'a'.repeat(40), false],
  [
    '^([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$',
    `${'a'.repeat(60)}!`,
    false,
  ],
  ['^(\\w+\\s?)*$', `${'word '.repeat(20)}!`, false],
  ['^(?:a?){30}a{30}$', 'a'.repeat(30), true],
  ['(?:x+x+)+y', 'x'.repeat(200_000), false],
  ['(?:x+x+)+$', `${'x'.repeat(2_000)}y`, false],
]
