import fc from 'fast-check'
import { fromValue, type Json, render } from './fuzz-json.ts'

/** What a schema of the OpenAPI document allows, as arbitrary values. */

export interface Schema {
  $ref?: string
  type?: string
  anyOf?: Schema[]
  enum?: unknown[]
  const?: unknown
  format?: string
  pattern?: string
  maxLength?: number
  minimum?: number
  maximum?: number
  items?: Schema
  minItems?: number
  maxItems?: number
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
  examples?: unknown[]
}

/** Stands in a text for an id that an earlier call made, the `place`th of its kind, counted round and round. */
export function known(kind: string): fc.Arbitrary<string> {
  return fc.nat(30).map((place) => `{{${kind}:${place}}}`)
}

export class Values {
  readonly #schemas: Record<string, Schema>

  constructor(schemas: Record<string, Schema>) {
    this.#schemas = schemas
  }

  /** A value that the schema allows, and mostly the rules that no schema can say too: `name` is its field. */
  json(given: Schema, name = ''): fc.Arbitrary<Json> {
    const schema = this.#resolve(given)
    const hint = hints[name]
    if (hint) return hint
    if (schema.const !== undefined) return fc.constant(JSON.stringify(schema.const))
    if (schema.enum) return fc.constantFrom(...schema.enum.map((value) => JSON.stringify(value)))
    if (schema.anyOf) return fc.oneof(...schema.anyOf.map((choice) => this.json(choice)))
    switch (schema.type) {
      case 'string':
        return this.#string(schema).map((text) => JSON.stringify(text))
      case 'integer':
        return fc.integer({ min: schema.minimum ?? 0, max: schema.maximum ?? 2 ** 31 - 1 }).map(String)
      case 'number':
        return fc
          .double({
            min: schema.minimum ?? 0,
            max: schema.maximum ?? 1e9,
            noNaN: true,
            noDefaultInfinity: true,
          })
          .map(String)
      case 'boolean':
        return fc.boolean().map(String)
      case 'null':
        return fc.constant('null')
      case 'array':
        return fc.array(this.json(schema.items ?? {}), {
          minLength: schema.minItems ?? 0,
          maxLength: Math.min(schema.maxItems ?? 5, 5),
        })
      case 'object':
        return this.#object(schema)
      default:
        return anyJson
    }
  }

  /** The same as the text of a query or a header. */
  text(schema: Schema, name: string): fc.Arbitrary<string> {
    return this.json(schema, name).map((json) => {
      const text = render(json)
      return text.startsWith('"') ? String(JSON.parse(text)) : text
    })
  }

  #resolve(schema: Schema): Schema {
    return schema.$ref === undefined ? schema : this.#schemas[schema.$ref.split('/').at(-1)!]!
  }

  #string({ format, pattern, maxLength = 255, examples = [] }: Schema): fc.Arbitrary<string> {
    if (format === 'uuid') return fc.uuid()
    if (format === 'date-time') return times
    const texts = pattern === undefined ? fc.string() : fc.stringMatching(new RegExp(pattern))
    const fitting = texts.filter((text) => text.length > 0 && text.length <= maxLength && text.isWellFormed())
    return examples.length === 0 ? fitting : fc.oneof(fitting, fc.constantFrom(...examples.map(String)))
  }

  #object({ properties = {}, required = [], additionalProperties }: Schema): fc.Arbitrary<Json> {
    const members = Object.entries(properties).map(([name, schema]) => {
      const member = this.json(schema, name).map((value): [string, Json] => [name, value])
      return required.includes(name) ? member : fc.option(member, { freq: 2, nil: undefined })
    })
    if (members.length === 0 && additionalProperties !== false) return anyJson
    return fc.tuple(...members).map((given) => ({ members: given.filter((member) => member !== undefined) }))
  }
}

const times = fc
  .record({
    moment: fc.date({ min: new Date('0001-01-02'), max: new Date('9999-12-30'), noInvalidDate: true }),
    offset: fc.constantFrom('Z', 'z', '+00:00', '+05:30', '-11:45'),
  })
  .map(({ moment, offset }) => moment.toISOString().replace('Z', offset))

const numbers = fc.constantFrom('0', '-0', '1e3', '1.10', '9007199254740993', '1e400', '-1.5e-300', '1e-999')

const anyJson: fc.Arbitrary<Json> = fc.oneof(
  { weight: 6, arbitrary: fc.jsonValue({ stringUnit: 'grapheme', maxDepth: 3 }).map(fromValue) },
  { weight: 3, arbitrary: numbers },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.integer({ min: 1, max: 64 }), numbers)
      .map(([levels, number]) => '['.repeat(levels) + number + ']'.repeat(levels)),
  },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 60_000 }).map((length) => `"${'ä'.repeat(length)}"`) },
)

const quoted = (texts: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  texts.map((text) => JSON.stringify(text))

const eventTypes = ['a', 'a.b', 'config.deployed', 'config.committed', 'webhook.test']

/** Receivers on this machine, by what they answer: nothing here may reach another one. */
const urls = ['200', '204', '301', '410', '429', '500', 'nonsense', 'hang-up'].map(
  (answer) => `{{receiver:0}}/${answer}?a=b`,
)

function someOf(texts: fc.Arbitrary<string>, maxLength: number): fc.Arbitrary<Json> {
  return fc.array(quoted(texts), { minLength: 1, maxLength, size: 'max' }).map((all): Json => all)
}

/** Made by hand: the place in a list is all that stands in one. */
const cursors = fc
  .tuple(fc.bigInt({ min: -99n, max: 99n }), fc.bigInt({ min: 0n, max: 18n }), fc.uuid())
  .map(([count, zeros, id]) => Buffer.from(`${count * 10n ** zeros}.${id}`).toString('base64url'))

/** Fields that have rules beyond their schema, or are of use only if they fit what is there. */
const hints: Record<string, fc.Arbitrary<Json>> = {
  url: quoted(fc.constantFrom(...urls)),
  secret: fc
    .uint8Array({ minLength: 24, maxLength: 64 })
    .map((bytes) => JSON.stringify(`whsec_${Buffer.from(bytes).toString('base64')}`)),
  headers: fc
    .uniqueArray(fc.constantFrom('x-a', 'X-B', 'authorization', '__proto__', 'constructor'), { maxLength: 3 })
    .map((names) => ({ members: names.map((name) => [name, `"${name} !~"`]) })),
  id: fc.oneof(quoted(fc.uuid()), quoted(known('event_id')), fc.constant('null')),
  type: quoted(fc.constantFrom(...eventTypes)),
  event_type: quoted(fc.constantFrom(...eventTypes)),
  event_types: fc.oneof(
    { weight: 9, arbitrary: someOf(fc.constantFrom('*', 'config.*', ...eventTypes), 4) },
    {
      weight: 1,
      arbitrary: someOf(fc.stringMatching(/^[A-Za-z0-9_-]{1,100}(\.[A-Za-z0-9_-]{1,100})?$/), 200),
    },
  ),
  schema: fc.constantFrom(
    'null',
    'true',
    '{}',
    '{"type":["object","array","string"]}',
    '{"properties":{"a":{"pattern":"^(a|b)*$"},"b":{"$ref":"#"}},"maxProperties":3}',
    '{"$ref":"#"}',
    '{"pattern":"("}',
  ),
  application_id: fc.oneof(quoted(known('application_id')), fc.constant('null')),
  webhook_id: quoted(known('webhook_id')),
  event_id: quoted(known('event_id')),
  cursor: fc.oneof(quoted(known('cursor')), quoted(cursors)),
  'Idempotency-Key': quoted(fc.constantFrom('k', 'k1', 'k2', "';--", 'é')),
}
