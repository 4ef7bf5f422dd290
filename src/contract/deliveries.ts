import Type, { type Static } from 'typebox'
import { EventType, Moment, nullable, oneOf, strict, Uuid } from './text.ts'

/** What happened with an event at one webhook. */

export const deliveryStatuses = ['pending', 'delivering', 'delivered', 'failed'] as const
export const DeliveryStatus = oneOf(deliveryStatuses)

export const deliveryPlaces = ['queue', 'schedule', 'line', 'worker'] as const

/** What the receiver answered last, by the first digit; `none`: there was no answer, or no attempt yet. */
export const CodeClass = oneOf(['2xx', '3xx', '4xx', '5xx', 'none'], {
  description: 'The last response status by its first digit; `none` without an answer.',
})

export type Delivery = Static<typeof Delivery>
export const Delivery = strict(
  {
    id: Uuid,
    webhook_id: Uuid,
    event_id: Uuid,
    event_type: EventType,
    status: DeliveryStatus,
    attempts: Type.Integer({ minimum: 0, description: 'Tries with a recorded result.' }),
    max_attempts: Type.Integer({ minimum: 1 }),
    scheduled_at: Moment,
    created_at: Moment,
    delivered_at: nullable(Moment),
    last_attempt_at: nullable(Moment),
    last_response_status: nullable(Type.Integer()),
    last_error: Type.With(nullable(Type.String()), {
      description:
        'In words: `http 500`, `timeout after 10000 ms`, `connection refused`, `webhook inactive`.',
    }),
  },
  {
    title: 'Delivery',
    examples: [
      {
        id: '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7',
        webhook_id: '019a8c2e-51c4-7b0e-8f3d-6a1d2c9b7e40',
        event_id: '019a8c2e-7d0f-7e21-b5a4-3c8f19d60a52',
        event_type: 'config.deployed',
        status: 'pending',
        attempts: 1,
        max_attempts: 6,
        scheduled_at: '2026-11-24T09:31:02.514Z',
        created_at: '2026-11-24T09:30:00.000Z',
        delivered_at: null,
        last_attempt_at: '2026-11-24T09:30:00.021Z',
        last_response_status: 500,
        last_error: 'http 500',
      },
    ],
  },
)

/** JSON text that goes into an answer as it stands, so that no number passes through a double. */
export type RawJson = string

export const Payload = Type.Unsafe<RawJson | null>({
  type: ['object', 'null'],
  title: 'Payload',
  description: 'The body that receivers get, its numbers to the digit; null once it has expired.',
  required: ['id', 'timestamp', 'type', 'api_version', 'project_id', 'data'],
  properties: {
    id: { type: 'string', format: 'uuid' },
    timestamp: { type: 'string', format: 'date-time' },
    type: { type: 'string' },
    api_version: { type: 'string' },
    project_id: { type: 'string', format: 'uuid' },
    data: { description: 'What was published; any JSON.' },
    application_id: { type: 'string', format: 'uuid' },
    environment_name: { type: 'string' },
  },
})

const SentBody = Type.Unsafe<RawJson | null>({
  description:
    'The body that the receiver gets: the payload of the event, or what the `payload_template` of its webhook made of it when it was published. Any JSON, its numbers to the digit; null once it has expired.',
})

/** The word why there is no payload. */
export const PayloadExpiredAt = Type.With(nullable(Moment), {
  description:
    'When its payload was deleted, and with it what receivers answered, since it was older than `payload_retention_days` of the project: `payload` is null, and it cannot be sent again. null while it is kept.',
})

export type DeliveryDetails = Static<typeof DeliveryDetails>
export const DeliveryDetails = strict(
  {
    ...Delivery.properties,
    last_response_body: Type.With(nullable(Type.String()), { description: 'At most its first 16 KiB.' }),
    place: Type.With(nullable(oneOf(deliveryPlaces)), {
      description:
        'Where one that is not finished stands: in the `queue` it may be sent now, in the `schedule` it waits for its next try, in the `line` of an ordered webhook for those before it, and a `worker` that claimed it is sending it. null for a finished one.',
    }),
    payload_expired_at: PayloadExpiredAt,
    payload: SentBody,
  },
  { title: 'DeliveryDetails' },
)

const HeaderFields = Type.Unsafe<Record<string, string | string[]>>({
  type: 'object',
  additionalProperties: { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
})

export type Attempt = Static<typeof Attempt>
export const Attempt = strict(
  {
    id: Uuid,
    attempt: Type.Integer({
      minimum: 1,
      description: 'The number that the receiver saw as `postrider-attempt`.',
    }),
    started_at: Moment,
    duration_ms: nullable(Type.Integer()),
    request_headers: Type.With(HeaderFields, {
      description: "Values of the webhook's own headers are left out.",
    }),
    response_status: nullable(Type.Integer()),
    response_headers: nullable(HeaderFields),
    response_body: Type.With(nullable(Type.String()), { description: 'At most its first 16 KiB.' }),
    error: nullable(Type.String()),
    outcome: oneOf(['delivered', 'retry', 'failed', 'interrupted'], {
      description: '`interrupted`: the sender was cut off, and the try did not count.',
    }),
  },
  { title: 'Attempt' },
)

export type Attempts = Static<typeof Attempts>
export const Attempts = strict({ attempts: Type.Array(Attempt) }, { title: 'Attempts' })

export type RescheduledDelivery = Static<typeof RescheduledDelivery>
export const RescheduledDelivery = strict(
  { id: Uuid, status: DeliveryStatus, scheduled_at: Moment },
  { title: 'RescheduledDelivery' },
)
