import { closest, distance } from 'fastest-levenshtein'
import type { Static, TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import type { TLocalizedValidationError as SchemaError } from 'typebox/error'
import { type FieldError, PostriderError } from './errors.ts'
import { patternMessages } from './text.ts'

/**
 * Checks a value against a shape, and answers it with its type. Nothing is coerced or filled in; a member that code
 * names and gives nothing, `{ name: undefined }`, is one that is not there.
 * Compiled at its first use, once for each shape.
 *
 * @throws {PostriderError} `validation_failed`, with what is wrong for each field; at most the first few
 */
export function validate<Schema extends TSchema>(schema: Schema, value: unknown): Static<Schema> {
  const validator = validatorOf(schema)
  const given = withoutUndefined(schema, value)
  if (validator.Check(given)) return given as Static<Schema>
  const excerpt = excerptOf(schema, given)
  throw invalid(fieldErrors(schema, excerpt, validator.Errors(excerpt)))
}

/**
 * As much of a wrong value as there is to say about it. All errors are looked for, however few are told: in millions of
 * entries, unknown fields or characters that would take seconds, and patterns would run out of stack.
 */
function excerptOf(schema: TSchema, value: unknown): unknown {
  const { properties, items, maxItems = 1_000 } = schema as ShapeOfContainer
  if (typeof value === 'string') return value.slice(0, 100_000)
  if (Array.isArray(value)) {
    return items ? value.slice(0, maxItems + 1).map((item) => excerptOf(items, item)) : value
  }
  if (!properties || typeof value !== 'object' || value === null) return value
  const members: [string, unknown][] = []
  let unknown = 0
  for (const name in value) {
    if (!Object.hasOwn(value, name)) continue
    const member = (value as Record<string, unknown>)[name]
    if (Object.hasOwn(properties, name)) members.push([name, excerptOf(properties[name]!, member)])
    else if ((unknown += 1) <= 8) members.push([name, member])
  }
  return Object.fromEntries(members)
}

interface ShapeOfContainer {
  properties?: Record<string, TSchema>
  items?: TSchema
  maxItems?: number
}

/** The value without fields that are `undefined`, as deep as objects with known fields go; itself if it has none. */
function withoutUndefined(schema: TSchema, value: unknown): unknown {
  const { properties } = schema as { properties?: Record<string, TSchema> }
  if (!properties || typeof value !== 'object' || value === null || Array.isArray(value)) return value
  let given = value as Record<string, unknown>
  for (const [name, property] of Object.entries(properties)) {
    if (!Object.hasOwn(given, name)) continue
    const member = withoutUndefined(property, given[name])
    if (member !== undefined && member === given[name]) continue
    const { [name]: _, ...rest } = given
    given = member === undefined ? rest : { ...rest, [name]: member }
  }
  return given
}

/** One error for all fields that are wrong. */
export function invalid(errors: readonly FieldError[]): PostriderError {
  return new PostriderError('validation_failed', errors.map(sentence).join('; '), { errors })
}

const validators = new WeakMap<TSchema, Validator>()

function validatorOf(schema: TSchema): Validator {
  let validator = validators.get(schema)
  if (!validator) {
    validator = Compile(schema) as Validator
    validators.set(schema, validator)
  }
  return validator
}

/** The first complaint about each field, in the words of people. */
function fieldErrors(schema: TSchema, value: unknown, errors: SchemaError[]): FieldError[] {
  const found = new Map<string, string>()
  for (const error of errors) {
    for (const { path, message } of complaints(schema, value, error, errors)) {
      if (!found.has(path)) found.set(path, message)
    }
  }
  if (found.size === 0) found.set('', 'is not valid')
  return Array.from(found, ([path, message]) => ({ path, message }))
}

function complaints(schema: TSchema, value: unknown, error: SchemaError, all: SchemaError[]): FieldError[] {
  const path = readablePath(value, error.instancePath)
  switch (error.keyword) {
    case 'required':
      return error.params.requiredProperties.map((name) => ({
        path: memberPath(path, name),
        message: 'is missing',
      }))
    case 'additionalProperties':
    case 'anyOf':
      return [] // each field that is too many, and each choice that does not fit, has an error of its own
    case 'type':
      // What is wrong inside a list that may also be null says more than that it is not null.
      if (error.params.type === 'null' && hasInner(error, all)) return []
      return [{ path, message: messageOf(error) + (allowsNull(error, all) ? ' or null' : '') }]
    case 'boolean':
      return [
        { path, message: unknownField(lastName(error.instancePath), knownNames(schema, error.schemaPath)) },
      ]
    default:
      return [{ path, message: messageOf(error) }]
  }
}

function messageOf(error: SchemaError): string {
  switch (error.keyword) {
    case 'type':
      return `must be ${typeNames[String(error.params.type)] ?? String(error.params.type)}`
    case 'enum':
      return `must be ${listed(error.params.allowedValues)}`
    case 'format':
      return formatMessages[error.params.format] ?? `must be a ${error.params.format}`
    case 'pattern':
      return patternMessages.get(String(error.params.pattern)) ?? error.message
    case 'minLength':
      return error.params.limit === 1
        ? 'must not be empty'
        : `must have at least ${error.params.limit} characters`
    case 'maxLength':
      return `must have at most ${error.params.limit} characters`
    case 'minItems':
      return `must have at least ${error.params.limit} ${error.params.limit === 1 ? 'entry' : 'entries'}`
    case 'maxItems':
      return `must have at most ${error.params.limit.toLocaleString('en')} entries`
    case 'minimum':
      return `must be at least ${error.params.limit}`
    case 'maximum':
      return `must be at most ${error.params.limit}`
    default:
      return error.message
  }
}

const typeNames: Record<string, string> = {
  string: 'a string',
  object: 'an object',
  array: 'an array',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  null: 'null',
}

const formatMessages: Record<string, string> = {
  uuid: 'must be a UUID',
  'date-time': 'must be a time such as 2026-11-24T09:30:00.000Z',
}

/** `unknown field typ: did you mean type?` */
export function unknownField(name: string, known: readonly string[], what = 'field'): string {
  const nearest = known.length > 0 ? closest(name.slice(0, 100), known) : undefined
  const isNear = nearest !== undefined && distance(name.slice(0, 100), nearest) <= nearest.length / 2
  return `unknown ${what} \`${shortened(name)}\`${isNear ? `: did you mean \`${nearest}\`?` : ''}`
}

/** The names that the object with the unknown one knows: the schema path ends in `/additionalProperties`. */
function knownNames(schema: TSchema, schemaPath: string): string[] {
  let place: unknown = schema
  for (const step of schemaPath.split('/').slice(1, -1)) place = (place as Record<string, unknown>)[step]
  return Object.keys((place as { properties?: object }).properties ?? {})
}

function hasInner({ instancePath }: SchemaError, all: SchemaError[]): boolean {
  return all.some((other) => other.instancePath.startsWith(`${instancePath}/`))
}

function allowsNull(error: SchemaError, all: SchemaError[]): boolean {
  return all.some(
    (other) =>
      other !== error &&
      other.keyword === 'type' &&
      other.params.type === 'null' &&
      other.instancePath === error.instancePath,
  )
}

/** `/events/3/data/a~1b` as people write it: `events[3].data.a/b`, behind the path of the value itself. */
export function readablePath(value: unknown, pointer: string, root = ''): string {
  let path = root
  let place = value
  for (const name of pointer.split('/').slice(1).map(unescaped)) {
    path = Array.isArray(place) ? `${path}[${name}]` : memberPath(path, name)
    place =
      place instanceof Object && Object.hasOwn(place, name)
        ? (place as Record<string, unknown>)[name]
        : undefined
  }
  return path
}

/** The path of a member: `events[3]` and `type` make `events[3].type`. */
export function memberPath(path: string, name: string): string {
  return path === '' ? shortened(name) : `${path}.${shortened(name)}`
}

function lastName(pointer: string): string {
  return unescaped(pointer.slice(pointer.lastIndexOf('/') + 1))
}

function unescaped(token: string): string {
  return token.replaceAll('~1', '/').replaceAll('~0', '~')
}

/** A name of the caller's, as much of it as an answer needs. */
export function shortened(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name
}

function listed(words: readonly unknown[]): string {
  const quoted = words.map((word) => JSON.stringify(word))
  return quoted.length < 2 ? quoted.join() : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`
}

function sentence({ path, message }: FieldError): string {
  return path === '' || message.startsWith('unknown ') ? message : `${path} ${message}`
}
