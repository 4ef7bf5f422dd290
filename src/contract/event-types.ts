import Type, { type Static } from 'typebox'
import { mostRetentionDays } from './limits.ts'
import { EventType, FreeText, Moment, nullable, optional, strict } from './text.ts'

/** What a project says of the types of its events. A type that nobody registered can be published all the same. */

/** A JSON Schema of the edition 2020-12: an object, or `true` and `false` for anything and nothing. */
export type JsonSchema = boolean | { [keyword: string]: unknown }

/** Its rules are those of `event-types/check.ts`: what they refuse is told with its place. */
const Schema = Type.Unsafe<JsonSchema | null>({
  anyOf: [{ type: 'object' }, { type: 'boolean' }, { type: 'null' }],
  description:
    'A JSON Schema (2020-12) that `data` must fit to be published; null: any JSON. At most 64 KiB, 1,000 schemas in it and 64 levels; `$ref` only within itself, as `#/$defs/…`; patterns as RE2 knows them.',
})

const fields = {
  name: EventType,
  description: Type.With(nullable(FreeText), { description: 'For people.' }),
  schema: Schema,
  example: Type.Unknown({ description: 'Data of such an event, which fits the schema; null: none.' }),
  deprecated: Type.Boolean({ description: 'For people: it can still be published.' }),
  retention_days: Type.With(nullable(Type.Integer({ minimum: 1, maximum: mostRetentionDays })), {
    description:
      'How long delivered and failed deliveries of such events are kept, and the events; null: as long as the project says.',
  }),
}

const example = {
  name: 'config.deployed',
  description: 'A configuration went live in an environment.',
  schema: {
    type: 'object',
    properties: {
      version: { type: 'integer', minimum: 1 },
      regions: { type: 'array', items: { type: 'string' } },
    },
    required: ['version'],
  },
  example: { version: 7, regions: ['eu-west-1'] },
  deprecated: false,
  retention_days: null,
}

export type RegisteredEventType = Static<typeof RegisteredEventType>
export const RegisteredEventType = strict(
  {
    ...fields,
    version: Type.Integer({ minimum: 1, description: 'Counts the changes of the schema.' }),
    created_at: Moment,
    updated_at: Moment,
  },
  {
    title: 'EventType',
    examples: [
      {
        ...example,
        version: 1,
        created_at: '2026-11-24T09:00:00.000Z',
        updated_at: '2026-11-24T09:00:00.000Z',
      },
    ],
  },
)

export type NewEventType = Static<typeof NewEventType>
export const NewEventType = strict(
  {
    name: fields.name,
    description: optional(fields.description, { default: null }),
    schema: optional(fields.schema, { default: null }),
    example: optional(fields.example, { default: null }),
    deprecated: optional(fields.deprecated, { default: false }),
    retention_days: optional(fields.retention_days, { default: null }),
  },
  { title: 'NewEventType', examples: [example] },
)

export type EventTypeChanges = Static<typeof EventTypeChanges>
export const EventTypeChanges = strict(
  {
    name: optional(fields.name),
    description: optional(fields.description),
    schema: optional(fields.schema),
    example: optional(fields.example),
    deprecated: optional(fields.deprecated),
    retention_days: optional(fields.retention_days),
  },
  { title: 'EventTypeChanges', examples: [{ deprecated: true }] },
)

export type EventTypeVersion = Static<typeof EventTypeVersion>
export const EventTypeVersion = strict(
  { version: Type.Integer({ minimum: 1 }), schema: fields.schema, created_at: Moment },
  { title: 'EventTypeVersion' },
)

export type EventTypeVersions = Static<typeof EventTypeVersions>
export const EventTypeVersions = strict(
  { versions: Type.Array(EventTypeVersion, { description: 'The newest 100, newest first.' }) },
  { title: 'EventTypeVersions' },
)
