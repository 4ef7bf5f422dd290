import Type, { type Static } from 'typebox'
import type { RawJson } from './deliveries.ts'
import { EventType, Moment, Name, nullable, oneOf, optional, strict, Time, Uuid } from './text.ts'

/** Which events a webhook gets beyond their type, and as what. */

const description = {
  payload_template:
    'What is sent instead of the usual body: a JSON document of at most 16 KiB and 10 levels. Strings that begin with `$.` are JSONPath (names and indexes) into the usual body and stand for what is there, to the digit, or null; `$$.` writes one that is to begin with `$.`. Everything else is sent as it stands. null sends the usual body. It holds for what is published from then on.',
  filter:
    'Which events it gets: CEL over `event`, true or false; at most 2,000 characters. `event` has `type`, `id`, `timestamp` (a timestamp), `application_id` and `environment_name` (null where the event has none) and `data`. An event that it cannot be evaluated for, such as one without a field that it asks for, does not match. null lets all of them through. It holds for what is published from then on.',
}

const Template = Type.Unknown({
  description: description.payload_template,
  examples: [{ event_type: '$.type', client_payload: '$.data' }],
})

const Filter = nullable(Type.String({ minLength: 1, maxLength: 2_000 }))

/** As a webhook shows them. */
export const shapeFields = {
  payload_template: Template,
  filter: Type.With(Filter, {
    description: description.filter,
    examples: ['event.data.amount > 100 && event.environment_name == "production"'],
  }),
}

/** As it is given them. */
export const newShapeFields = {
  payload_template: optional(Template, { default: null, description: description.payload_template }),
  filter: optional(Filter, { default: null, description: description.filter }),
}

export const shapeChanges = {
  payload_template: optional(Template, { description: description.payload_template }),
  filter: optional(Filter, { description: description.filter }),
}

const sample = strict(
  {
    type: EventType,
    data: optional(Type.Unknown({ description: 'Any JSON.' })),
    id: optional(nullable(Uuid)),
    timestamp: optional(nullable(Time)),
    application_id: optional(nullable(Uuid)),
    environment_name: optional(nullable(Name)),
  },
  { description: 'Without `event_id`: an event that was not published.' },
)

export type ShapePreview = Static<typeof ShapePreview>
export const ShapePreview = strict(
  {
    ...shapeChanges,
    event_id: optional(nullable(Uuid), { description: 'A published event.' }),
    event: optional(sample),
  },
  {
    title: 'ShapePreview',
    examples: [
      {
        payload_template: { event_type: '$.type', client_payload: '$.data' },
        filter: 'event.data.version > 5',
        event: { type: 'config.deployed', data: { version: 7 } },
      },
    ],
  },
)

export type PreviewedShape = Static<typeof PreviewedShape>
export const PreviewedShape = strict(
  {
    matches: Type.Boolean(),
    reason: Type.With(nullable(Type.String()), { description: 'Why it does not match, in words.' }),
    error: optional(Type.String({ description: 'Why there is no body, in words.' })),
    body: Type.Unsafe<RawJson>({
      description: 'What is sent if it matches; any JSON, its numbers to the digit. null with `error`.',
    }),
  },
  { title: 'PreviewedShape' },
)

export type FilteredDelivery = Static<typeof FilteredDelivery>
export const FilteredDelivery = strict(
  {
    id: Uuid,
    webhook_id: Uuid,
    event_id: Uuid,
    event_type: EventType,
    filter: Type.With(nullable(Type.String()), {
      description: 'As it was when the event was published; null where that is no longer known.',
    }),
    reason: Type.String({ description: 'In words: `the filter does not match`.' }),
    created_at: Moment,
  },
  {
    title: 'FilteredDelivery',
    description:
      'An event that a filter kept from a webhook whose `event_types` it matches. It is no delivery any more.',
  },
)

export type WebhookPreset = Static<typeof WebhookPreset>
export const WebhookPreset = strict(
  {
    name: oneOf(['github', 'slack', 'discord']),
    title: Type.String(),
    description: Type.String(),
    url: Type.String({ description: 'Words in capitals are to be filled in.' }),
    headers: Type.Unsafe<Record<string, string>>({
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Headers that the service asks for; words in capitals are to be filled in.',
    }),
    payload_template: Type.Unknown({ description: 'A `payload_template` that the service takes.' }),
  },
  { title: 'WebhookPreset' },
)

export type WebhookPresets = Static<typeof WebhookPresets>
export const WebhookPresets = strict({ presets: Type.Array(WebhookPreset) }, { title: 'WebhookPresets' })
