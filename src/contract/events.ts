import Type, { type Static } from 'typebox'
import { Delivery, Payload, PayloadExpiredAt } from './deliveries.ts'
import { maxEventsInBatch } from './limits.ts'
import { FilteredDelivery } from './shaping.ts'
import { EventType, Moment, Name, nullable, optional, strict, Time, Uuid } from './text.ts'

/** What applications publish. */

export type NewEvent = Static<typeof NewEvent>
export const NewEvent = strict(
  {
    type: EventType,
    data: Type.Unknown({
      description:
        'Any JSON, at most 256 KiB and 64 levels; numbers are kept to the digit, at most 1,000 digits each.',
    }),
    id: optional(nullable(Uuid), {
      description:
        'The idempotency key, any UUID: the same id again creates nothing. Without it one is made.',
    }),
    timestamp: optional(nullable(Time), { description: 'When it happened; without it, now.' }),
    application_id: optional(nullable(Uuid), { description: 'The application it comes from.' }),
    environment_name: optional(nullable(Name), { description: 'The environment it comes from.' }),
  },
  {
    title: 'NewEvent',
    examples: [{ type: 'config.deployed', data: { version: 7, regions: ['eu-west-1'] } }],
  },
)

export type NewEvents = Static<typeof NewEvents>
export const NewEvents = strict(
  { events: Type.Array(NewEvent, { minItems: 1, maxItems: maxEventsInBatch }) },
  {
    title: 'NewEvents',
    examples: [{ events: [{ type: 'config.deployed', data: { version: 7 } }] }],
  },
)

export type Publication = Static<typeof Publication>
export const Publication = strict(
  {
    id: Uuid,
    deliveries: Type.Integer({ minimum: 0, description: 'How many webhooks matched.' }),
    duplicate: Type.Boolean({ description: 'The id was published before, with the same content.' }),
  },
  {
    title: 'Publication',
    examples: [{ id: '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7', deliveries: 2, duplicate: false }],
  },
)

export type Publications = Static<typeof Publications>
export const Publications = strict(
  { events: Type.Array(Publication, { description: 'In the order given.' }) },
  { title: 'Publications' },
)

const event = {
  id: Uuid,
  type: EventType,
  timestamp: Moment,
  application_id: nullable(Uuid),
  environment_name: nullable(Name),
  created_at: Moment,
}

export type PublishedEvent = Static<typeof PublishedEvent>
export const PublishedEvent = strict(
  { ...event, deliveries: Type.Integer({ minimum: 0, description: 'How many webhooks it matched.' }) },
  { title: 'PublishedEvent' },
)

export type EventDetails = Static<typeof EventDetails>
export const EventDetails = strict(
  {
    ...event,
    deliveries: Type.Array(Delivery),
    filtered: Type.Array(FilteredDelivery, { description: 'Webhooks whose filter kept it back.' }),
    payload_expired_at: PayloadExpiredAt,
    payload: Payload,
  },
  { title: 'EventDetails' },
)
