import Type, { type Static } from 'typebox'
import { Delivery } from './deliveries.ts'
import { EventType, FreeText, Moment, Name, nullable, oneOf, optional, strict, Time, Uuid } from './text.ts'

/** How it went over time. Buckets begin at whole multiples of their length, in UTC. */

/** Their lengths in seconds, by name. */
export const buckets = {
  '1m': 60,
  '5m': 300,
  '30m': 1_800,
  '1h': 3_600,
  '3h': 10_800,
  '12h': 43_200,
  '1d': 86_400,
} as const

export type BucketName = keyof typeof buckets

export const maxBuckets = 1_000

const range = {
  since: optional(Time, {
    description: 'From the bucket of this moment on; without it, 24 hours before `until`.',
  }),
  until: optional(Time, { description: 'Before this moment; without it, up to now.' }),
}

export const StatisticsQuery = strict({
  ...range,
  bucket: optional(oneOf(Object.keys(buckets) as [BucketName, ...BucketName[]]), {
    description:
      'The length of a bucket; without it, one that fits the range. What is older than two days is kept by the hour, older than 35 days by the day: a shorter bucket becomes that, and `bucket_seconds` says so.',
  }),
})

export const RangeQuery = strict(range)

const Count = Type.Integer({ minimum: 0 })

const outcomes = {
  delivered: Type.With(Count, { description: 'Attempts that were answered 2xx.' }),
  retry: Type.With(Count, { description: 'Attempts that failed and are followed by another.' }),
  failed: Type.With(Count, { description: 'Attempts that failed and were the last.' }),
  interrupted: Type.With(Count, { description: 'Attempts whose sender was cut off.' }),
}

const Milliseconds = nullable(Type.Number({ minimum: 0 }))

/** Out of a histogram whose slots are 19 % wide: right to about 9 %. */
const latency = {
  p50_ms: Type.With(Milliseconds, { description: 'Half of the attempts took no longer; null without any.' }),
  p95_ms: Milliseconds,
  p99_ms: Milliseconds,
}

const success = {
  success_rate: Type.With(nullable(Type.Number({ minimum: 0, maximum: 1 })), {
    description: 'Of `delivered`, `retry` and `failed`, how much was `delivered`; null without any.',
  }),
}

const published = Type.With(nullable(Count), {
  description: 'Events, those that matched nothing too; null where one webhook is asked for.',
})

const Bucket = strict(
  {
    at: Type.With(Moment, { description: 'When it begins.' }),
    published,
    ...outcomes,
    ...latency,
    backlog: Type.With(Count, {
      description:
        'The most deliveries that were waiting, looked at once a minute and counted up to 100,000.',
    }),
    oldest_due_seconds: Type.With(Type.Integer({ minimum: 0 }), {
      description: 'The longest that one which was due had been waiting.',
    }),
  },
  { title: 'StatisticsBucket' },
)

export type Backlog = Static<typeof Backlog>
export const Backlog = strict(
  {
    count: Type.With(Count, {
      description: 'Deliveries that are due, wait for their next try or stand in a line.',
    }),
    is_exact: Type.Boolean({ description: 'False where there are more: counting ends at 100,000.' }),
    oldest_due_at: Type.With(nullable(Moment), {
      description: 'Since when the oldest that could be sent has been waiting; null if none is.',
    }),
  },
  { title: 'Backlog' },
)

export type Statistics = Static<typeof Statistics>
export const Statistics = strict(
  {
    since: Moment,
    until: Moment,
    bucket_seconds: Type.Integer({ minimum: 60 }),
    counted_until: Type.With(Moment, {
      description: 'Attempts recorded after this moment may be missing. Usually `until`.',
    }),
    totals: strict({ published, ...outcomes, ...success, ...latency }, { title: 'StatisticsTotals' }),
    backlog: Backlog,
    buckets: Type.Array(Bucket, { description: 'Oldest first, empty ones too.' }),
  },
  { title: 'Statistics' },
)

const Bars = (description: string) =>
  Type.Array(Count, {
    minItems: 24,
    maxItems: 24,
    description: `24 bars over the range, oldest first: ${description}`,
  })

export type WebhookSummary = Static<typeof WebhookSummary>
export const WebhookSummary = strict(
  {
    webhook_id: Uuid,
    attempts: Bars('attempts, also those that failed.'),
    failures: Bars('attempts that failed.'),
    ...outcomes,
    ...success,
    p95_ms: Milliseconds,
    last_error: nullable(Type.String()),
    last_error_at: nullable(Moment),
    backlog: Backlog,
  },
  { title: 'WebhookSummary' },
)

export type Failures = Static<typeof Failures>
export const Failures = strict(
  {
    webhooks: Type.Array(
      strict(
        {
          webhook_id: Uuid,
          name: Name,
          url: Type.String(),
          is_active: Type.Boolean(),
          ...outcomes,
          ...success,
          last_error: nullable(Type.String()),
          last_error_at: nullable(Moment),
        },
        { title: 'FailingWebhook' },
      ),
      { description: 'Those with the most failed attempts in the range, at most 10.' },
    ),
    deliveries: Type.Array(Delivery, { description: 'The newest that failed for good, at most 10.' }),
  },
  { title: 'Failures' },
)

export type EventTypeVolumes = Static<typeof EventTypeVolumes>
export const EventTypeVolumes = strict(
  {
    since: Moment,
    until: Moment,
    event_types: Type.Array(
      strict(
        {
          name: EventType,
          published: Type.With(Count, { description: 'Events of this type.' }),
          deliveries: Type.With(Count, { description: 'How many webhooks they matched in all.' }),
          bars: Bars('events.'),
        },
        { title: 'EventTypeVolume' },
      ),
      { description: 'Those with the most events first, at most 200.' },
    ),
  },
  { title: 'EventTypeVolumes' },
)

export const SearchQuery = strict({
  q: optional(Type.With(FreeText, { maxLength: 255 }), {
    default: '',
    description:
      'The beginning of an id (4 characters or more), or a part of a name or URL. Without it, the newest webhooks and applications.',
  }),
})

export type SearchResults = Static<typeof SearchResults>
export const SearchResults = strict(
  {
    webhooks: Type.Array(strict({ id: Uuid, name: Name, url: Type.String(), is_active: Type.Boolean() })),
    applications: Type.Array(strict({ id: Uuid, name: Name })),
    events: Type.Array(strict({ id: Uuid, type: EventType, created_at: Moment })),
    deliveries: Type.Array(Delivery),
  },
  { title: 'SearchResults', description: 'At most 8 of each, newest first.' },
)
