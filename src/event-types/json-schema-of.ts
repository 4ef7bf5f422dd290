import type { JsonSchema } from '../contract/event-types.ts'
import { isKnownFormat } from './format-names.ts'
import { escaped, isSchemaObject, type Place, placesIn } from './keywords.ts'

/** What libraries have that follow Standard JSON Schema (standardschema.dev), as Zod does since 4.2. */
interface TellsJsonSchema {
  '~standard'?: {
    vendor?: string
    jsonSchema?: { output?: (options: { target: string }) => unknown }
  }
  toJSONSchema?: () => unknown
}

/**
 * Any schema as JSON Schema 2020-12, without importing the library that it is of: those of TypeBox are JSON Schema
 * already, Zod's are asked. `name` says in errors whose it is.
 */
export function jsonSchemaOf(schema: object | boolean, name: string): JsonSchema {
  if (typeof schema === 'boolean') return schema
  return tidied(toJson(told(schema, name), name) as JsonSchema)
}

function told(schema: TellsJsonSchema, name: string): unknown {
  const standard = schema['~standard']
  try {
    if (typeof standard?.jsonSchema?.output === 'function') {
      return standard.jsonSchema.output({ target: 'draft-2020-12' })
    }
    if (typeof schema.toJSONSchema === 'function') return schema.toJSONSchema()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new TypeError(`the schema of ${name} cannot be told as JSON Schema: ${reason}`, { cause })
  }
  if (standard === undefined) return schema
  throw new TypeError(
    `the schema of ${name} does not tell itself as JSON Schema: update ${standard.vendor ?? 'its library'}, or convert it and pass what comes out`,
  )
}

/** What the wire can carry of it: symbols and hidden members of libraries fall away. */
function toJson(schema: unknown, name: string): unknown {
  try {
    return JSON.parse(JSON.stringify(schema))
  } catch (cause) {
    throw new TypeError(`the schema of ${name} cannot be written as JSON`, { cause })
  }
}

const lookaround = /\(\?(?:[=!]|<[=!])/

/** Without what says the same once more: Zod adds to `format: "email"` an expression that RE2 does not know. */
function tidied(document: JsonSchema): JsonSchema {
  const places = [...placesIn(document)]
  for (const { schema } of places) {
    if (!isSchemaObject(schema)) continue
    delete schema['$schema']
    delete schema['~standard']
    const { format, pattern } = schema
    if (isKnownFormat(format) && typeof pattern === 'string' && lookaround.test(pattern)) {
      delete schema['pattern']
    }
  }
  for (const place of places.toReversed()) referByPlace(place)
  return document
}

/** `Type.Cyclic` of TypeBox gives its definitions an `$id`, and refers to them by that. */
function referByPlace({ schema, pointer }: Place): void {
  if (!isSchemaObject(schema) || !isSchemaObject(schema['$defs'])) return
  for (const [name, definition] of Object.entries(schema['$defs'])) {
    if (!isSchemaObject(definition) || definition['$id'] !== name) continue
    delete definition['$id']
    for (const { schema: inner } of placesIn(schema)) {
      if (isSchemaObject(inner) && inner['$ref'] === name) inner['$ref'] = `${pointer}/$defs/${escaped(name)}`
    }
  }
}
