import Type from 'typebox'
import { disabledReasons } from './webhooks.ts'
import { EventType, FreeText, Moment, Name, nullable, oneOf, strict, Uuid } from './text.ts'

/** What Postrider tells of itself: the `data` of the events that operational webhooks get. */

const ofWebhook = { webhook_id: Uuid, webhook_name: Name }
const ids = {
  webhook_id: '019a8c2e-51c4-7b0e-8f3d-6a1d2c9b7e40',
  webhook_name: 'Billing',
}

export const WebhookDisabledData = strict(
  {
    ...ofWebhook,
    reason: oneOf([...disabledReasons, 'by_hand'], {
      description: 'The `disabled_reason` of the webhook, or `by_hand`.',
    }),
    disabled_at: Moment,
    failing_since: Type.With(nullable(Moment), {
      description: 'Since when every attempt had failed, if it did.',
    }),
  },
  {
    title: 'WebhookDisabledData',
    examples: [
      {
        ...ids,
        reason: 'failing',
        disabled_at: '2026-11-24T09:30:00.000Z',
        failing_since: '2026-11-19T09:29:12.000Z',
      },
    ],
  },
)

export const WebhookFailingData = strict(
  {
    ...ofWebhook,
    percent: Type.Integer({
      enum: [50, 75],
      description: 'How much of the time until it becomes inactive has passed.',
    }),
    failing_since: Moment,
    disables_at: Type.With(Moment, {
      description: 'When it becomes inactive if every attempt goes on failing.',
    }),
  },
  {
    title: 'WebhookFailingData',
    examples: [
      {
        ...ids,
        percent: 50,
        failing_since: '2026-11-19T09:29:12.000Z',
        disables_at: '2026-11-24T09:29:12.000Z',
      },
    ],
  },
)

export const DeliveryFailedData = strict(
  {
    ...ofWebhook,
    delivery_id: Uuid,
    event_id: Uuid,
    event_type: EventType,
    attempts: Type.Integer({ minimum: 0 }),
    error: Type.With(nullable(FreeText), { description: 'What happened last, in words.' }),
    response_status: Type.With(nullable(Type.Integer()), {
      description: 'What the endpoint answered last, if it did.',
    }),
    created_at: Moment,
    failed_at: Moment,
  },
  {
    title: 'DeliveryFailedData',
    examples: [
      {
        ...ids,
        delivery_id: '019a8c2e-7d2b-7e11-8c54-3f9a7b1d0c22',
        event_id: '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7',
        event_type: 'config.deployed',
        attempts: 6,
        error: 'http 500',
        response_status: 500,
        created_at: '2026-11-24T04:10:00.000Z',
        failed_at: '2026-11-24T09:30:00.000Z',
      },
    ],
  },
)

export const BacklogHighData = strict(
  {
    backlog: Type.Integer({
      description: 'Deliveries of the project that wait, as far as they were counted.',
    }),
    threshold: Type.Integer({ description: '`POSTRIDER_BACKLOG_HIGH`.' }),
    oldest_due_seconds: Type.Integer({
      description: 'How long the oldest that could be sent has been waiting.',
    }),
    webhooks: Type.Array(strict({ ...ofWebhook, backlog: Type.Integer() }), {
      description: 'The five with the most.',
    }),
  },
  {
    title: 'BacklogHighData',
    examples: [
      {
        backlog: 12_480,
        threshold: 10_000,
        oldest_due_seconds: 940,
        webhooks: [{ ...ids, backlog: 12_310 }],
      },
    ],
  },
)

const data = {
  'webhook.disabled': WebhookDisabledData,
  'webhook.failing': WebhookFailingData,
  'delivery.failed': DeliveryFailedData,
  'backlog.high': BacklogHighData,
}

/** The types of operational events. */
export const operationalTypes = Object.keys(data)

/** The body of an operational event. The application and environment are those of the webhook that it is about. */
export const OperationalPayload = Type.With(
  Type.Union(
    Object.entries(data).map(([type, shape]) =>
      Type.Object({
        id: Uuid,
        timestamp: Moment,
        type: Type.Literal(type),
        api_version: Type.Literal('v1'),
        project_id: Uuid,
        application_id: Type.Optional(Uuid),
        environment_name: Type.Optional(Name),
        data: shape,
      }),
    ),
  ),
  { title: 'OperationalPayload' },
)
