import Type, { type Static } from 'typebox'
import { nullable, optional, strict } from './text.ts'

/** How a webhook wants to be delivered to. What it does not say itself is said by the deployment. */

const values = {
  retry_seconds: Type.Array(Type.Integer({ minimum: 1, maximum: 604_800 }), { maxItems: 20 }),
  timeout_ms: Type.Integer({ minimum: 1_000, maximum: 15_000 }),
  max_in_flight: Type.Integer({ minimum: 1, maximum: 1_000 }),
  rate_per_second: nullable(Type.Number({ minimum: 0.01, maximum: 10_000 })),
  ordered: Type.Boolean(),
}

const about = {
  retry_seconds: {
    description:
      'Seconds from each failed try to the next, to which 0 to 10 % are added: up to 20 entries of 1 to 604,800 (a week). A new delivery gets one try more than there are entries, its `max_attempts`; with `[]` there is a single try. Deliveries that stand keep their `max_attempts`.',
  },
  timeout_ms: {
    description:
      'Deadline of one try in milliseconds, from connecting to the end of the answer. Test sends keep it too.',
  },
  max_in_flight: {
    description:
      'How many requests one worker sends to it at the same time. One of its own is never exceeded; the default is, while a worker has idle slots and the receiver accepts what it gets.',
  },
  rate_per_second: {
    description:
      'The most requests per second, over all workers together: 0.01 (one in 100 seconds) to 10,000, fractions too. After a pause those of one second may come at once; what is beyond waits. null sets no limit.',
  },
  ordered: {
    description:
      'Sends the events of one publisher strictly in the order in which it published them, one at a time: while one is tried again, those after it wait. One that ends `failed` lets the next go on. A manual retry stands outside the order.',
  },
}

/** What a deployment says that chooses nothing. */
export const usualPolicy = {
  retry_seconds: [60, 300, 900, 3_600, 14_400],
  timeout_ms: 10_000,
  max_in_flight: 8,
  rate_per_second: null,
  ordered: false,
}

/** As it is shown: whole. */
export type WebhookPolicy = Static<typeof WebhookPolicy>
export const WebhookPolicy = strict(
  {
    retry_seconds: Type.With(values.retry_seconds, about.retry_seconds),
    timeout_ms: Type.With(values.timeout_ms, about.timeout_ms),
    max_in_flight: Type.With(values.max_in_flight, about.max_in_flight),
    rate_per_second: Type.With(values.rate_per_second, about.rate_per_second),
    ordered: Type.With(values.ordered, about.ordered),
  },
  {
    title: 'WebhookPolicy',
    description:
      'How it is delivered to: all that holds, the defaults of the deployment where it has nothing of its own.',
    examples: [usualPolicy],
  },
)

/** As it is given: what is to be the webhook's own, or to be its own no more. */
export type WebhookPolicyChanges = Static<typeof WebhookPolicyChanges>
export const WebhookPolicyChanges = strict(
  {
    retry_seconds: optional(nullable(values.retry_seconds), about.retry_seconds),
    timeout_ms: optional(nullable(values.timeout_ms), about.timeout_ms),
    max_in_flight: optional(nullable(values.max_in_flight), about.max_in_flight),
    rate_per_second: optional(values.rate_per_second, about.rate_per_second),
    ordered: optional(nullable(values.ordered), about.ordered),
  },
  {
    title: 'WebhookPolicyChanges',
    description:
      'How it is delivered to. A member that is not named stays as it is; null gives it back to the default of the deployment.',
    examples: [{ retry_seconds: [10, 60, 600], rate_per_second: 5 }, { timeout_ms: null }],
  },
)
