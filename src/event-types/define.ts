import type { Static, TSchema } from 'typebox'
import type { NewEventType } from '../contract/event-types.ts'
import { jsonSchemaOf } from './json-schema-of.ts'

/** Event types as code: `import { defineEvents } from 'postrider/events'`. Needs nothing of the server. */

export interface EventDefinition {
  /** A schema of TypeBox or Zod, of any other library that tells JSON Schema of itself, or a plain JSON Schema (2020-12). */
  schema?: object | boolean
  /** For people. */
  description?: string
  /** Data of such an event, which fits the schema. */
  example?: unknown
  /** For people: it can still be published. */
  deprecated?: boolean
}

/** The data of events by their types: `{ 'order.paid': { order: number } }`. */
export type EventsOf<Defined> = Defined extends DefinedEvents<infer Events> ? Events : never

export interface DefinedEvents<Events extends object = object> {
  /** As `POST …/event-types` takes them. */
  readonly definitions: readonly NewEventType[]
  /** There is no such member: it carries the types. */
  readonly '~events'?: Events
}

/** The type of the data that a schema describes: what receivers get, and so what is published. */
export type DataOf<Schema> = Schema extends { readonly '~standard': infer Standard }
  ? Standard extends { readonly types?: infer Types }
    ? NonNullable<Types> extends { readonly output: infer Data }
      ? Data
      : unknown
    : unknown
  : Schema extends { readonly static: infer Data; readonly params: unknown }
    ? Data
    : Schema extends TSchema
      ? Static<Schema>
      : unknown

type DataByType<Definitions> = {
  -readonly [Name in keyof Definitions]: Definitions[Name] extends { readonly schema: infer Schema }
    ? DataOf<Schema>
    : unknown
}

/**
 * Event types for `new Postrider({ events })`, which then knows the data of each, and for `postrider.eventTypes.sync()` and
 * `postrider types push`, which bring them to a project.
 *
 *     export const events = defineEvents({
 *       'config.deployed': {
 *         description: 'A configuration went live.',
 *         schema: Type.Object({ application: Type.String(), version: Type.Integer() }),
 *         example: { application: 'checkout', version: 7 },
 *       },
 *     })
 *
 * @throws {TypeError} for a name that no event can have, or a schema that cannot be told as JSON Schema
 */
export function defineEvents<const Definitions extends Record<string, EventDefinition>>(
  definitions: Definitions,
): DefinedEvents<DataByType<Definitions>> {
  return {
    definitions: Object.entries<EventDefinition>(definitions).map(([name, definition]) => {
      if (name.length > 255 || !/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(name)) {
        throw new TypeError(`"${name}" is no event type: write segments of A-Z a-z 0-9 _ - joined by dots`)
      }
      const { description, schema, example, deprecated } = definition
      return {
        name,
        ...(description !== undefined && { description }),
        ...(schema !== undefined && { schema: jsonSchemaOf(schema, name) }),
        ...(example !== undefined && { example }),
        ...(deprecated !== undefined && { deprecated }),
      }
    }),
  }
}
