import { Ajv2020 } from 'ajv/dist/2020.js'
import type { FieldError } from '../contract/errors.ts'
import type { JsonSchema } from '../contract/event-types.ts'
import { maxDataDepth, maxSchemaBytes } from '../contract/limits.ts'
import { escaped, isSchemaObject, type Place, placesIn, pointerOf } from './keywords.ts'
import { LinearPattern } from './pattern.ts'

/**
 * The rules of a schema that somebody registers. It is compiled into code that runs in this process, over data that
 * somebody sends: neither may be without end.
 */

const edition = 'https://json-schema.org/draft/2020-12/schema'
const maxSchemas = 1_000
const maxDepth = 32
/** All patterns of a schema together, in instructions. */
const maxPatternSize = 10_000
const maxEntries = 5_000
/** Levels of all schemas that something refers to: the compiler goes down into them, one out of the other. */
const maxReferredLevels = 300

/** These lead out of the document, or to a place that only the data decides. */
const refused: Record<string, string> = {
  $async: 'is no keyword of JSON Schema',
  $anchor: 'is not supported: refer to places as #/$defs/name',
  $dynamicAnchor: 'is not supported: refer to places as #/$defs/name',
  $dynamicRef: 'is not supported: use $ref',
  $recursiveAnchor: 'is of an older edition: use $ref',
  $recursiveRef: 'is of an older edition: use $ref',
  $vocabulary: 'is for meta-schemas',
  dependencies: 'is of an older edition: use dependentRequired or dependentSchemas',
  additionalItems: 'is of an older edition: use items beside prefixItems',
}

/** What is wrong with a schema, by places in it such as `properties.total.type`; nothing, if it can be used. */
export function checkSchema(schema: JsonSchema): FieldError[] {
  if (!isSchemaObject(schema)) return []
  const large = problemOfSize(schema)
  if (large) return [{ path: '', message: large }]
  const malformed = problemsOfForm(schema)
  if (malformed.length > 0) return malformed
  const places = [...placesIn(schema)]
  if (places.length > maxSchemas) return [{ path: '', message: `must hold at most ${maxSchemas} schemas` }]
  return [...problemsOfPlaces(places), ...problemsOfPatterns(places)].slice(0, 8)
}

function problemOfSize(schema: object): string | undefined {
  if (depthOf(schema) > maxDataDepth) return `must not be nested deeper than ${maxDataDepth} levels`
  const bytes = Buffer.byteLength(JSON.stringify(schema))
  if (bytes > maxSchemaBytes) return `must have at most ${maxSchemaBytes.toLocaleString('en')} bytes`
  return undefined
}

/** Never deeper than the limit, whatever it is given. */
function depthOf(value: unknown, depth = 0): number {
  if (typeof value !== 'object' || value === null || depth > maxDataDepth) return depth
  let deepest = depth + 1
  for (const inner of Object.values(value)) deepest = Math.max(deepest, depthOf(inner, depth + 1))
  return deepest
}

/** By the standard's own schema of schemas, which is none of the caller's. Made at its first use. */
let standard: Ajv2020 | undefined

function problemsOfForm(schema: { [keyword: string]: unknown }): FieldError[] {
  standard ??= new Ajv2020({ strict: false, logger: false, validateFormats: false, addUsedSchema: false })
  const { $schema = edition } = schema
  if (typeof $schema !== 'string' || $schema.replace(/#$/, '') !== edition) {
    return [{ path: '$schema', message: `must be ${edition}, or not be there` }]
  }
  if (standard.validate(edition, schema)) return []
  const [error] = standard.errors ?? []
  const path = (error?.instancePath ?? '').split('/').slice(1).map(unescaped).join('.')
  return [{ path, message: `is no JSON Schema of 2020-12: ${error?.message ?? 'it is not valid'}` }]
}

function unescaped(token: string): string {
  return token.replaceAll('~1', '/').replaceAll('~0', '~')
}

function problemsOfPlaces(places: readonly Place[]): FieldError[] {
  const pointers = new Set(places.map(({ pointer }) => pointer))
  const problems: FieldError[] = []
  for (const { schema, path, depth } of places) {
    if (!isSchemaObject(schema)) continue
    const wrong = (name: string, message: string): void => {
      problems.push({ path: path === '' ? name : `${path}.${name}`, message })
    }
    if (depth > maxDepth) problems.push({ path, message: `is nested deeper than ${maxDepth} schemas` })
    for (const name of Object.keys(schema)) {
      if (Object.hasOwn(refused, name)) wrong(name, refused[name]!)
    }
    if (path !== '' && Object.hasOwn(schema, '$id')) wrong('$id', 'is not supported inside a schema')
    const { $ref } = schema
    if (typeof $ref === 'string' && !pointers.has(pointerOf($ref))) {
      wrong('$ref', 'must lead to a schema of this document, such as #/$defs/name')
    }
    const names = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']
    for (const name of names) {
      const map = schema[name]
      if (isSchemaObject(map) && Object.hasOwn(map, '__proto__')) wrong(name, 'must not name __proto__')
    }
    for (const name of ['enum', 'required']) {
      const list = schema[name]
      if (Array.isArray(list) && list.length > maxEntries)
        wrong(name, `must have at most ${maxEntries} entries`)
    }
  }
  return [...problems, ...circles(places), ...tooDeepReferences(places)]
}

function tooDeepReferences(places: readonly Place[]): FieldError[] {
  const referred = new Set<string>()
  for (const { schema } of places) {
    if (isSchemaObject(schema) && typeof schema['$ref'] === 'string') referred.add(pointerOf(schema['$ref']))
  }
  let levels = 0
  for (const target of places) {
    if (!referred.has(target.pointer)) continue
    const inside = places.filter(({ pointer }) => pointer.startsWith(`${target.pointer}/`))
    levels += 1 + inside.reduce((deepest, { depth }) => Math.max(deepest, depth - target.depth), 0)
  }
  return levels <= maxReferredLevels ? [] : [{ path: '', message: 'refers to too many and too deep schemas' }]
}

/** Where a schema refers to itself for the same value, checking would never come to an end. */
function circles(places: readonly Place[]): FieldError[] {
  const byPointer = new Map(places.map((place) => [place.pointer, place]))
  const done = new Set<string>()
  const found: FieldError[] = []
  const visit = (pointer: string, way: Set<string>): void => {
    const place = byPointer.get(pointer)
    if (!place || done.has(pointer)) return
    if (way.has(pointer)) {
      found.push({ path: place.path, message: 'refers to itself for the same value' })
      return
    }
    way.add(pointer)
    for (const next of sameValue(place)) visit(next, way)
    way.delete(pointer)
    done.add(pointer)
  }
  for (const { pointer } of places) visit(pointer, new Set())
  return found.slice(0, 1)
}

/** The schemas that a schema applies to the value that it is applied to itself. */
function sameValue({ schema, pointer }: Place): string[] {
  if (!isSchemaObject(schema)) return []
  const next: string[] = []
  if (typeof schema['$ref'] === 'string') next.push(pointerOf(schema['$ref']))
  for (const name of ['allOf', 'anyOf', 'oneOf']) {
    const list = schema[name]
    if (Array.isArray(list)) next.push(...list.map((_, index) => `${pointer}/${name}/${index}`))
  }
  for (const name of ['not', 'if', 'then', 'else']) {
    if (Object.hasOwn(schema, name)) next.push(`${pointer}/${name}`)
  }
  const { dependentSchemas } = schema
  if (isSchemaObject(dependentSchemas)) {
    for (const name of Object.keys(dependentSchemas)) {
      next.push(`${pointer}/dependentSchemas/${escaped(name)}`)
    }
  }
  return next
}

function problemsOfPatterns(places: readonly Place[]): FieldError[] {
  const problems: FieldError[] = []
  let size = 0
  for (const { schema, path } of places) {
    if (!isSchemaObject(schema)) continue
    const { pattern, patternProperties } = schema
    const patterns = isSchemaObject(patternProperties)
      ? Object.keys(patternProperties).map((source): [string, string] => ['patternProperties', source])
      : []
    if (typeof pattern === 'string') patterns.push(['pattern', pattern])
    for (const [name, source] of patterns) {
      try {
        size += new LinearPattern(source).size
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        problems.push({ path: path === '' ? name : `${path}.${name}`, message })
      }
      if (size > maxPatternSize) return [{ path: '', message: 'has too many and too long patterns' }]
    }
  }
  return problems
}
