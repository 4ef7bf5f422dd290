import type { JsonSchema } from '../contract/event-types.ts'

/**
 * The keywords of JSON Schema 2020-12 that say something of data, by what stands in them: one schema, a list of them,
 * a map of names to them, or a plain value. `definitions` is what older editions called `$defs`.
 */
const kinds = {
  $defs: 'map',
  definitions: 'map',
  $ref: 'value',
  allOf: 'list',
  anyOf: 'list',
  oneOf: 'list',
  not: 'schema',
  if: 'schema',
  // oxlint-disable-next-line unicorn/no-thenable -- it is no promise
  then: 'schema',
  else: 'schema',
  dependentSchemas: 'map',
  properties: 'map',
  patternProperties: 'map',
  additionalProperties: 'schema',
  propertyNames: 'schema',
  unevaluatedProperties: 'schema',
  prefixItems: 'list',
  items: 'schema',
  contains: 'schema',
  unevaluatedItems: 'schema',
  type: 'value',
  const: 'value',
  enum: 'value',
  format: 'value',
  pattern: 'value',
  minLength: 'value',
  maxLength: 'value',
  minimum: 'value',
  maximum: 'value',
  exclusiveMinimum: 'value',
  exclusiveMaximum: 'value',
  multipleOf: 'value',
  minItems: 'value',
  maxItems: 'value',
  uniqueItems: 'value',
  minContains: 'value',
  maxContains: 'value',
  required: 'value',
  dependentRequired: 'value',
  minProperties: 'value',
  maxProperties: 'value',
} as const satisfies Record<string, 'schema' | 'list' | 'map' | 'value'>

export type Keyword = keyof typeof kinds

/** One schema somewhere in a document. */
export interface Place {
  schema: JsonSchema
  /** As a `$ref` names it: `#`, `#/$defs/user`. */
  pointer: string
  /** As people read it, from the document on: `properties.user`; empty for the whole. */
  path: string
  /** In how many others it stands. */
  depth: number
}

export function isSchemaObject(schema: unknown): schema is { [keyword: string]: unknown } {
  return typeof schema === 'object' && schema !== null && !Array.isArray(schema)
}

function isSchema(schema: unknown): schema is JsonSchema {
  return typeof schema === 'boolean' || isSchemaObject(schema)
}

/** All schemas of a document, the outer ones first. What stands where a schema should and is none is left out. */
export function* placesIn(document: JsonSchema): Generator<Place> {
  const open: Place[] = [{ schema: document, pointer: '#', path: '', depth: 0 }]
  for (let place = open.shift(); place !== undefined; place = open.shift()) {
    yield place
    if (!isSchemaObject(place.schema)) continue
    for (const keyword of Object.keys(kinds) as Keyword[]) {
      if (!Object.hasOwn(place.schema, keyword)) continue
      for (const [names, schema] of schemasAt(keyword, place.schema[keyword])) {
        open.push({
          schema,
          pointer: [place.pointer, ...names.map(escaped)].join('/'),
          path: [...(place.path === '' ? [] : [place.path]), ...names].join('.'),
          depth: place.depth + 1,
        })
      }
    }
  }
}

function* schemasAt(keyword: Keyword, value: unknown): Generator<[string[], JsonSchema]> {
  const kind = kinds[keyword]
  if (kind === 'schema' && isSchema(value)) yield [[keyword], value]
  if (kind === 'list' && Array.isArray(value)) {
    for (const [index, schema] of value.entries())
      if (isSchema(schema)) yield [[keyword, String(index)], schema]
  }
  if (kind === 'map' && isSchemaObject(value)) {
    for (const [name, schema] of Object.entries(value)) if (isSchema(schema)) yield [[keyword, name], schema]
  }
}

/** A name as a JSON pointer in the fragment of a URI writes it (RFC 6901, section 6). */
export function escaped(name: string): string {
  return encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'))
}

/** A reference as the places of this document are named, whichever of the characters in it were escaped. */
export function pointerOf(ref: string): string {
  try {
    return ref
      .split('/')
      .map((part) => (part === '#' ? part : encodeURIComponent(decodeURIComponent(part))))
      .join('/')
  } catch {
    return ref
  }
}

type Change = (
  copy: { [keyword: string]: unknown },
  keywords: readonly Keyword[],
  original: { [keyword: string]: unknown },
) => JsonSchema

/** A copy in which each schema was changed by `change`, the inner ones first, and nothing but known keywords is left. */
export function rebuilt(schema: JsonSchema, change: Change): JsonSchema {
  if (!isSchemaObject(schema)) return schema
  const keywords = (Object.keys(kinds) as Keyword[]).filter((keyword) => Object.hasOwn(schema, keyword))
  const copy: { [keyword: string]: unknown } = {}
  for (const keyword of keywords) copy[keyword] = rebuiltAt(keyword, schema[keyword])
  return change(copy, keywords, schema)

  function rebuiltAt(keyword: Keyword, value: unknown): unknown {
    const kind = kinds[keyword]
    if (kind === 'schema' && isSchema(value)) return rebuilt(value, change)
    if (kind === 'list' && Array.isArray(value)) {
      return value.map((inner) => (isSchema(inner) ? rebuilt(inner, change) : (inner as unknown)))
    }
    if (kind === 'map' && isSchemaObject(value)) {
      return Object.fromEntries(
        Object.entries(value).map(([name, inner]) => [
          name,
          isSchema(inner) ? rebuilt(inner, change) : inner,
        ]),
      )
    }
    return value
  }
}
