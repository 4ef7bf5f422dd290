import { isDeepStrictEqual } from 'node:util'
import { PostriderError } from '../contract/errors.ts'
import type { NewEventType, RegisteredEventType } from '../contract/event-types.ts'
import { compareSchemas, type SchemaChange } from './compare.ts'

/** What is to be done so that a project knows the types that code defines. */

export interface TypeChange {
  name: string
  kind: 'create' | 'update' | 'none'
  /** Whether the change of its schema may break code of others. */
  isBreaking: boolean
  /** What is different in its schema. */
  schema: SchemaChange[]
  /** Which other fields are different. */
  fields: ('description' | 'example' | 'deprecated')[]
  definition: NewEventType
}

export interface SyncPlan {
  changes: TypeChange[]
  /** Types that the project has and the code does not name. They stay as they are. */
  others: string[]
}

type Registered = Pick<RegisteredEventType, 'name' | 'description' | 'schema' | 'example' | 'deprecated'>

export function planSync(registered: readonly Registered[], definitions: readonly NewEventType[]): SyncPlan {
  const known = new Map(registered.map((type) => [type.name, type]))
  const named = new Set(definitions.map(({ name }) => name))
  return {
    changes: definitions.map((definition) => changeOf(known.get(definition.name), definition)),
    others: registered.map(({ name }) => name).filter((name) => !named.has(name)),
  }
}

function changeOf(before: Registered | undefined, definition: NewEventType): TypeChange {
  const { name } = definition
  if (!before) return { name, kind: 'create', isBreaking: false, schema: [], fields: [], definition }
  const schema = definition.schema === undefined ? [] : compareSchemas(before.schema, definition.schema)
  // What code does not say of a type is left as somebody may have written it elsewhere.
  const fields = (['description', 'example', 'deprecated'] as const).filter(
    (field) => definition[field] !== undefined && !isDeepStrictEqual(definition[field], before[field]),
  )
  const isOther = definition.schema !== undefined && !isDeepStrictEqual(before.schema, definition.schema)
  return {
    name,
    kind: isOther || fields.length > 0 ? 'update' : 'none',
    isBreaking: schema.some(({ breaks }) => breaks !== null),
    schema,
    fields,
    definition,
  }
}

/** One line for each thing that is different. */
export function linesOf({ name, kind, schema, fields }: TypeChange): string[] {
  if (kind === 'create') return [`${name}: is new`]
  return [
    ...schema.map(({ path, message, breaks }) => {
      const whom = breaks === null ? '' : ` (breaks ${breaks})`
      return `${name}: ${path} ${message}${whom}`
    }),
    ...fields.map((field) => `${name}: has another ${field}`),
  ]
}

/** @throws {PostriderError} `conflict`, with every change that may break code of others */
export function refuseBreaking({ changes }: SyncPlan): void {
  const breaking = changes.filter(({ isBreaking }) => isBreaking)
  if (breaking.length === 0) return
  const errors = breaking.flatMap(({ name, schema }) =>
    schema
      .filter(({ breaks }) => breaks !== null)
      .map(({ path, message, breaks }) => ({
        path: `${name}: ${path}`,
        message: `${message} (breaks ${breaks})`,
      })),
  )
  const told = errors.map(({ path, message }) => `${path} ${message}`).join('; ')
  throw new PostriderError(
    'conflict',
    `These changes are breaking: ${told}. Publish a new type beside the old one, or use force.`,
    { errors },
  )
}
