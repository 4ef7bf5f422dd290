import { _, Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { FieldError } from '../contract/errors.ts'
import type { JsonSchema } from '../contract/event-types.ts'
import { describeMisfit } from './describe.ts'
import { isKnownFormat } from './format-names.ts'
import { formats } from './formats.ts'
import { isSchemaObject, type Keyword, rebuilt } from './keywords.ts'
import { metered, spendOn, TooMuchWork } from './meter.ts'
import { isMultipleOf } from './multiple.ts'
import { LinearPattern } from './pattern.ts'
import { areUnique } from './unique.ts'

/** Checks data of one type. */
export interface DataCheck {
  /** What the code takes of memory, about: for whoever keeps it. */
  readonly size: number
  /** What does not fit, under a path that begins with `data`; `bytes` is the length of the data as JSON. */
  misfits(data: unknown, bytes: number): FieldError[]
}

/** There is no code for this schema, for a reason that is for people. */
export class UnusableSchema extends Error {
  override readonly name = 'UnusableSchema'
}

/**
 * Makes code of a schema that passed `checkSchema`: 20 to 70 ms for the largest, 0.5 ms for a small one. Each has a compiler
 * of its own: one that is shared keeps something of every schema that it ever saw.
 *
 * @throws {UnusableSchema}
 */
export function compileSchema(schema: JsonSchema): DataCheck {
  const ajv = new Ajv2020({
    strict: false,
    logger: false,
    meta: false,
    validateSchema: false,
    // The first thing that is wrong ends it: all of them could be more than the data itself.
    allErrors: false,
    // A referred schema is a function, not a copy: copies of copies grow without end.
    inlineRefs: false,
    ownProperties: true,
    unicodeRegExp: true,
    // Ours are made of what else an error says.
    messages: false,
    formats,
    code: {
      regExp: Object.assign((source: string) => new LinearPattern(source), { code: 'LinearPattern' }),
      // It takes five to ten times the time, and makes mistakes with conditions behind references.
      optimize: false,
    },
  })
  ajv.removeKeyword('uniqueItems')
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    validate: (isAsked: boolean, items: readonly unknown[]) => !isAsked || areUnique(items),
  })
  ajv.removeKeyword('multipleOf')
  ajv.addKeyword({
    keyword: 'multipleOf',
    type: 'number',
    schemaType: 'number',
    validate: isMultipleOf,
    error: { message: '', params: ({ schema }) => _`{multipleOf: ${schema as number}}` },
  })
  ajv.addKeyword({
    keyword: '$cost',
    schemaType: 'array',
    before: '$ref',
    code: (context) => {
      const { gen, data, schema } = context
      const [weight, loops] = schema as [number, number]
      const spending = gen.scopeValue('func', { ref: spendOn, code: _`spendOn` })
      gen.code(_`${spending}(${weight}, ${loops}, ${data})`)
    },
  })
  const validate = compiled(ajv, counted(schema))
  return {
    size: 2_048 + 8 * JSON.stringify(schema).length,
    misfits(data, bytes) {
      try {
        return metered(bytes, () => validate(data)) ? [] : describeMisfit(validate.errors ?? [], data)
      } catch (error) {
        if (!(error instanceof TooMuchWork) && !(error instanceof RangeError)) throw error
        return [{ path: 'data', message: 'takes too long to be checked against the schema of its type' }]
      } finally {
        validate.errors = null
      }
    },
  }
}

function compiled(ajv: Ajv2020, schema: JsonSchema): ValidateFunction {
  try {
    return ajv.compile(schema)
  } catch (cause) {
    const reason = cause instanceof RangeError ? 'its schemas refer too deep into each other' : String(cause)
    throw new UnusableSchema(`cannot be used: ${reason}`, { cause })
  }
}

/** The schema with what each part of it costs, and with nothing in it that only people read. */
function counted(schema: JsonSchema): JsonSchema {
  return rebuilt(schema, (part, keywords) => {
    if (typeof part['format'] === 'string' && !isKnownFormat(part['format'])) delete part['format']
    const isEmpty = keywords.every((keyword) => keyword === '$defs' || keyword === 'definitions')
    return isEmpty ? part : { ...part, $cost: [weightOf(part, keywords), loopsOf(part, keywords)] }
  })
}

function weightOf(part: { [keyword: string]: unknown }, keywords: readonly Keyword[]): number {
  const members = (value: unknown): number => (isSchemaObject(value) ? Object.keys(value).length : 0)
  const { enum: values = [], const: value, required = [], properties, dependentRequired } = part
  const compared = [...(values as unknown[]), value].reduce<number>(
    (sum, each) => sum + weightOfValue(each),
    0,
  )
  const named = (required as unknown[]).length + members(properties) + members(dependentRequired)
  return 1 + keywords.length + (named >> 2) + Math.ceil(compared)
}

/** Of comparing with it: a text is compared at once, an object member by member. */
function weightOfValue(value: unknown): number {
  return typeof value === 'object' && value !== null ? JSON.stringify(value).length / 8 : 1 / 8
}

/** How often the members of an object are gone through. */
function loopsOf(part: { [keyword: string]: unknown }, keywords: readonly Keyword[]): number {
  const patterns = isSchemaObject(part['patternProperties'])
    ? Object.keys(part['patternProperties']).length
    : 0
  const loops = keywords.filter((keyword) => loopsOverMembers.has(keyword)).length
  return loops + patterns
}

const loopsOverMembers: ReadonlySet<Keyword> = new Set([
  'additionalProperties',
  'unevaluatedProperties',
  'propertyNames',
  'patternProperties',
  'minProperties',
  'maxProperties',
])
