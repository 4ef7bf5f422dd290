import type { DefinedError } from 'ajv'
import type { FieldError } from '../contract/errors.ts'
import { memberPath, readablePath, shortened } from '../contract/validate.ts'

/** What is wrong with data, in the words that the rest of the API has for it. */
export function describeMisfit(errors: readonly object[], data: unknown): FieldError[] {
  const all = errors as readonly DefinedError[]
  // The last is the outermost: those before it say why, each for one of several alternatives.
  const error = all.findLast(({ keyword }) => keyword !== 'if')
  if (!error) return [{ path: 'data', message: 'does not fit the schema of its type' }]
  const path = readablePath(data, error.instancePath, 'data')
  switch (error.keyword) {
    case 'required':
    case 'dependentRequired':
      return [{ path: memberPath(path, error.params.missingProperty), message: 'is missing' }]
    case 'additionalProperties':
      return [
        { path: memberPath(path, error.params.additionalProperty), message: 'is not known to the type' },
      ]
    case 'unevaluatedProperties':
      return [
        { path: memberPath(path, error.params.unevaluatedProperty), message: 'is not known to the type' },
      ]
    case 'propertyNames':
      return [
        {
          path: memberPath(path, error.params.propertyName),
          message: 'has a name that the type does not allow',
        },
      ]
    case 'anyOf':
    case 'oneOf':
      return [{ path, message: ofAlternatives(error, all) }]
    default:
      return [{ path, message: messageOf(error) }]
  }
}

function messageOf(error: DefinedError): string {
  switch (error.keyword) {
    case 'type':
      return `must be ${listed(error.params.type)}`
    case 'enum':
      return `must be one of ${shortened(JSON.stringify(error.params.allowedValues).slice(1, -1).replaceAll(',', ', '))}`
    case 'const':
      return `must be ${shortened(JSON.stringify(error.params.allowedValue))}`
    case 'format':
      return `must have the format ${error.params.format}`
    case 'pattern':
      return `must match ${shortened(error.params.pattern)}`
    case 'minLength':
      return error.params.limit === 1
        ? 'must not be empty'
        : `must have at least ${error.params.limit} characters`
    case 'maxLength':
      return `must have at most ${error.params.limit} characters`
    case 'minItems':
      return `must have at least ${error.params.limit} entries`
    case 'maxItems':
      return `must have at most ${error.params.limit} entries`
    case 'minProperties':
      return `must have at least ${error.params.limit} members`
    case 'maxProperties':
      return `must have at most ${error.params.limit} members`
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      return `must be ${error.params.comparison} ${error.params.limit}`
    case 'multipleOf':
      return `must be a multiple of ${error.params.multipleOf}`
    case 'uniqueItems':
      return 'must have no entry twice'
    case 'contains':
      return 'must contain an entry that the schema of its type asks for'
    case 'unevaluatedItems':
      return 'has more entries than its type knows'
    case 'not':
      return 'must not fit what the schema of its type excludes'
    default:
      return 'does not fit the schema of its type'
  }
}

/** `must be a string or null`, where the alternatives differ in nothing else. */
function ofAlternatives({ instancePath }: DefinedError, all: readonly DefinedError[]): string {
  const inner = all.slice(0, -1)
  const types = inner.flatMap((error) =>
    error.keyword === 'type' && error.instancePath === instancePath ? [error.params.type].flat() : [],
  )
  const isAllTypes =
    inner.length > 0 &&
    inner.every((error) => error.keyword === 'type' && error.instancePath === instancePath)
  if (isAllTypes) return `must be ${listed([...new Set(types)])}`
  return 'fits none of the alternatives of its type, or more of them than it may'
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

/** The compiler hands over several types as a list, or as text with commas. */
function listed(types: string | readonly string[]): string {
  const words = (typeof types === 'string' ? types.split(',') : types).map((type) => typeNames[type] ?? type)
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}
