import { isDeepStrictEqual } from 'node:util'
import type { JsonSchema } from '../contract/event-types.ts'
import { isSchemaObject, placesIn, pointerOf } from './keywords.ts'

/** What a change of a schema means for those who publish such events, and for those who receive them. */

export interface SchemaChange {
  /** In the data: `data.config.id`. */
  path: string
  /** What is different, in words. */
  message: string
  /** Whose code may fail now; null: nobody's. */
  breaks: 'publishers' | 'receivers' | null
}

type Rules = { [keyword: string]: unknown }

/**
 * Publishers break where data that fitted does not fit any more; receivers where data may come that could not come before,
 * or a property is gone. What cannot be told apart counts as breaking.
 */
export function compareSchemas(before: JsonSchema | null, after: JsonSchema | null): SchemaChange[] {
  if (isDeepStrictEqual(before, after)) return []
  return new Comparison(before ?? true, after ?? true).changes()
}

class Comparison {
  readonly #found: SchemaChange[] = []
  readonly #compared = new Set<string>()
  readonly #before: JsonSchema
  readonly #after: JsonSchema
  readonly #places: { before: Map<string, JsonSchema>; after: Map<string, JsonSchema> }

  constructor(before: JsonSchema, after: JsonSchema) {
    this.#before = before
    this.#after = after
    this.#places = { before: placesOf(before), after: placesOf(after) }
  }

  changes(): SchemaChange[] {
    this.#compare(this.#before, this.#after, 'data')
    return this.#found
  }

  #compare(before: JsonSchema, after: JsonSchema, path: string): void {
    if (this.#found.length >= 100) return
    const [old, fresh] = [this.#resolved(before, 'before'), this.#resolved(after, 'after')]
    if (!old || !fresh) {
      if (!isDeepStrictEqual(before, after)) this.#tell(path, 'is described in another way', 'publishers')
      return
    }
    // Schemas that hold themselves come back to the same pair.
    const pair = `${path.split('.').at(-1)} ${JSON.stringify(before)} ${JSON.stringify(after)}`
    if (this.#compared.has(pair)) return
    this.#compared.add(pair)
    this.#compareTypes(old, fresh, path)
    this.#compareValues(old, fresh, path)
    this.#compareLimits(old, fresh, path)
    this.#compareMembers(old, fresh, path)
    this.#compareItems(old, fresh, path)
    this.#compareAlternatives(old, fresh, path)
    for (const keyword of opaque) {
      if (!isDeepStrictEqual(old[keyword], fresh[keyword])) {
        this.#tell(path, `has another ${keyword}`, 'publishers')
      }
    }
  }

  /** The keywords that hold for a value, where a reference leads; undefined for `false`. */
  #resolved(schema: JsonSchema, side: 'before' | 'after', steps = 0): Rules | undefined {
    if (schema === true) return {}
    if (!isSchemaObject(schema) || steps > 100) return undefined
    if (typeof schema['$ref'] !== 'string') return schema
    const target = this.#places[side].get(pointerOf(schema['$ref']))
    const resolved = target === undefined ? undefined : this.#resolved(target, side, steps + 1)
    return resolved && { ...resolved, ...schema, $ref: undefined }
  }

  #compareTypes(old: Rules, fresh: Rules, path: string): void {
    const [before, after] = [typesOf(old), typesOf(fresh)]
    const lost = before.filter((type) => !after.includes(type))
    const gained = after.filter((type) => !before.includes(type))
    if (before.length === allTypes.length && lost.length > 0) {
      this.#tell(path, `must be ${after.join(' or ')} now`, 'publishers')
    } else if (lost.length > 0) this.#tell(path, `can no longer be ${lost.join(' or ')}`, 'publishers')
    if (gained.length > 0) {
      const words =
        after.length === allTypes.length ? 'can be anything now' : `can be ${gained.join(' or ')} now`
      this.#tell(path, words, 'receivers')
    }
  }

  #compareValues(old: Rules, fresh: Rules, path: string): void {
    const [before, after] = [valuesOf(old), valuesOf(fresh)]
    if (!before && after) this.#tell(path, `is limited to ${after.map(word).join(', ')} now`, 'publishers')
    if (before && !after) this.#tell(path, 'is no longer limited to certain values', 'receivers')
    if (!before || !after) return
    const lost = before.filter((value) => !after.some((other) => isDeepStrictEqual(value, other)))
    const gained = after.filter((value) => !before.some((other) => isDeepStrictEqual(value, other)))
    if (lost.length > 0) this.#tell(path, `can no longer be ${lost.map(word).join(', ')}`, 'publishers')
    if (gained.length > 0) this.#tell(path, `can be ${gained.map(word).join(', ')}, too`, null)
  }

  #compareLimits(old: Rules, fresh: Rules, path: string): void {
    for (const [keyword, tighter] of Object.entries(limits)) {
      const [before, after] = [old[keyword], fresh[keyword]]
      if (isDeepStrictEqual(before, after)) continue
      if (after === undefined) this.#tell(path, `has no ${keyword} any more`, null)
      else if (before === undefined || tighter(before, after)) {
        this.#tell(path, `has ${keyword} ${word(after)} now`, 'publishers')
      } else this.#tell(path, `has ${keyword} ${word(after)} now, which allows more`, null)
    }
  }

  #compareMembers(old: Rules, fresh: Rules, path: string): void {
    const [before, after] = [mapOf(old['properties']), mapOf(fresh['properties'])]
    const [required, requiredNow] = [listOf(old['required']), listOf(fresh['required'])]
    for (const [name, schema] of Object.entries(before)) {
      const member = `${path}.${name}`
      if (!Object.hasOwn(after, name)) this.#tell(member, 'is removed', 'receivers')
      else this.#compare(schema, after[name]!, member)
    }
    for (const name of Object.keys(after)) {
      if (Object.hasOwn(before, name)) continue
      if (!requiredNow.includes(name)) this.#tell(`${path}.${name}`, 'is new', null)
    }
    for (const name of requiredNow) {
      if (!required.includes(name)) this.#tell(`${path}.${String(name)}`, 'is required now', 'publishers')
    }
    for (const name of required) {
      const isKept = Object.hasOwn(after, String(name)) || !Object.hasOwn(before, String(name))
      if (isKept && !requiredNow.includes(name)) {
        this.#tell(`${path}.${String(name)}`, 'is optional now', 'receivers')
      }
    }
    this.#compareRest('additionalProperties', old, fresh, path)
    this.#compareRest('unevaluatedProperties', old, fresh, path)
  }

  /** What holds for members or items that nothing else names. */
  #compareRest(keyword: string, old: Rules, fresh: Rules, path: string): void {
    const [before, after] = [(old[keyword] ?? true) as JsonSchema, (fresh[keyword] ?? true) as JsonSchema]
    if (isDeepStrictEqual(before, after)) return
    if (after === false) this.#tell(path, 'takes nothing that it does not name now', 'publishers')
    else if (before === false) this.#tell(path, 'takes what it does not name, too', null)
    else this.#compare(before, after, `${path}.*`)
  }

  #compareItems(old: Rules, fresh: Rules, path: string): void {
    const [before, after] = [(old['items'] ?? true) as JsonSchema, (fresh['items'] ?? true) as JsonSchema]
    if (isDeepStrictEqual(before, after)) return
    if (after === false) this.#tell(path, 'takes no further entries now', 'publishers')
    else if (before === false) this.#tell(path, 'takes further entries now', 'receivers')
    else this.#compare(before, after, `${path}[]`)
  }

  #compareAlternatives(old: Rules, fresh: Rules, path: string): void {
    for (const keyword of ['anyOf', 'oneOf', 'allOf'] as const) {
      const [before, after] = [schemasOf(old[keyword]), schemasOf(fresh[keyword])]
      if (isDeepStrictEqual(before, after)) continue
      const lost = before.filter((schema) => !after.some((other) => isDeepStrictEqual(schema, other)))
      const gained = after.filter((schema) => !before.some((other) => isDeepStrictEqual(schema, other)))
      if (lost.length === gained.length && before.length > 0) {
        for (const [index, schema] of lost.entries()) this.#compare(schema, gained[index]!, path)
        continue
      }
      const isAlternative = keyword !== 'allOf' && before.length > 0 && after.length > 0
      if (lost.length > 0 || !isAlternative) this.#tell(path, `has another ${keyword}`, 'publishers')
      if (gained.length > 0 && isAlternative) this.#tell(path, 'has further alternatives', 'receivers')
    }
  }

  #tell(path: string, message: string, breaks: SchemaChange['breaks']): void {
    this.#found.push({ path, message, breaks })
  }
}

/** What is compared as a whole. */
const opaque = [
  'patternProperties',
  'propertyNames',
  'dependentRequired',
  'dependentSchemas',
  'prefixItems',
  'contains',
  'minContains',
  'maxContains',
  'unevaluatedItems',
  'not',
  'if',
  'then',
  'else',
]

const isAbove = (before: unknown, after: unknown): boolean => Number(after) > Number(before)
const isBelow = (before: unknown, after: unknown): boolean => Number(after) < Number(before)
const always = (): boolean => true

/** Each with whether the second value lets less through than the first. */
const limits: Record<string, (before: unknown, after: unknown) => boolean> = {
  minimum: isAbove,
  exclusiveMinimum: isAbove,
  maximum: isBelow,
  exclusiveMaximum: isBelow,
  minLength: isAbove,
  maxLength: isBelow,
  minItems: isAbove,
  maxItems: isBelow,
  minProperties: isAbove,
  maxProperties: isBelow,
  multipleOf: always,
  pattern: always,
  format: always,
  uniqueItems: (_before, after) => after === true,
}

const allTypes = ['null', 'boolean', 'object', 'array', 'number', 'integer', 'string']

/** Those that a value may have; a number may be a whole one. */
function typesOf({ type }: Rules): string[] {
  if (type === undefined) return allTypes
  const types = [type].flat().map(String)
  return types.includes('number') && !types.includes('integer') ? [...types, 'integer'] : types
}

function valuesOf(rules: Rules): unknown[] | undefined {
  if ('const' in rules) return [rules['const']]
  return Array.isArray(rules['enum']) ? rules['enum'] : undefined
}

function mapOf(value: unknown): Record<string, JsonSchema> {
  return isSchemaObject(value) ? (value as Record<string, JsonSchema>) : {}
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function schemasOf(value: unknown): JsonSchema[] {
  return listOf(value) as JsonSchema[]
}

function placesOf(document: JsonSchema): Map<string, JsonSchema> {
  return new Map([...placesIn(document)].map(({ pointer, schema }) => [pointer, schema]))
}

function word(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
