import Type, { type Static } from 'typebox'
import { CodeClass, DeliveryStatus } from './deliveries.ts'
import { EventType, Moment, nullable, oneOf, optional, strict, Time, Uuid } from './text.ts'

/** Work on many deliveries at once: stored, carried out in the background, taken up again after a restart. */

export const jobKinds = ['retry', 'cancel', 'send_waiting_now', 'backfill'] as const
export type JobKind = (typeof jobKinds)[number]

export type JobFilter = Static<typeof JobFilter>
export const JobFilter = strict(
  {
    status: optional(DeliveryStatus, {
      description:
        'For `retry`: `failed` (the default) or `delivered`. The other kinds have their own: `pending`.',
    }),
    delivery_ids: optional(Type.Array(Uuid, { minItems: 1, maxItems: 1_000 }), {
      description:
        'These alone, up to 1,000, as somebody has chosen them. Without `status`, `retry` then sends all that are finished, the delivered ones too. A job does not tell them again.',
    }),
    webhook_id: optional(Uuid, { description: '`backfill` needs one.' }),
    event_type: optional(EventType),
    code: optional(CodeClass),
    since: optional(Time, { description: 'Created at this moment or later.' }),
    until: optional(Time, {
      description: 'Created before this moment; at the latest, before the job was.',
    }),
  },
  { title: 'JobFilter' },
)

export type NewJob = Static<typeof NewJob>
export const NewJob = strict(
  {
    kind: oneOf(jobKinds, {
      description:
        '`retry` sends finished deliveries again with a full schedule. `cancel` ends waiting ones: they are failed with `cancelled`. `send_waiting_now` sends those now that wait for their next try, for an endpoint that was repaired. `backfill` makes deliveries of events that the webhook would get today and has not got: from before it existed, was active, or had this filter.',
    }),
    filter: optional(JobFilter),
    dry_run: optional(Type.Boolean(), { default: false, description: 'Only count.' }),
  },
  {
    title: 'NewJob',
    examples: [
      { kind: 'retry', filter: { status: 'failed', code: '5xx', since: '2026-11-24T00:00:00.000Z' } },
      {
        kind: 'send_waiting_now',
        filter: { webhook_id: '019a8c2e-51c4-7b0e-8f3d-6a1d2c9b7e40' },
        dry_run: true,
      },
    ],
  },
)

const Count = Type.Integer({ minimum: 0 })
const counted = {
  count: Type.With(Count, { description: 'How many matched when it was asked for, counted up to 100,000.' }),
  count_is_exact: Type.Boolean({ description: 'False where there are or may be more.' }),
}

export type Job = Static<typeof Job>
export const Job = strict(
  {
    id: Uuid,
    kind: oneOf(jobKinds),
    filter: JobFilter,
    status: oneOf(['running', 'finished', 'stopped', 'failed'], {
      description: '`failed`: an error on our side ended it; asked for again, it does the rest.',
    }),
    ...counted,
    done: Type.With(Count, {
      description: 'Deliveries so far. Fewer than `count` where others were quicker, as by hand.',
    }),
    created_at: Moment,
    finished_at: nullable(Moment),
  },
  { title: 'Job' },
)

export type AcceptedJob = Static<typeof AcceptedJob>
export const AcceptedJob = strict(
  { ...counted, job: Type.With(nullable(Job), { description: 'null for a dry run.' }) },
  { title: 'AcceptedJob' },
)
