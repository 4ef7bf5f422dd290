import type { Queryable } from '../database/database.ts'
import { type Backlog, readBacklog, readBacklogs } from './backlog.ts'
import { type Histogram, merge, type Percentiles, percentiles, slotBoundsMs } from './latency.ts'
import { type Range, unitOf } from './range.ts'
import { eventTailOf, type Reach, spansOf, tailOf, withReach } from './reach.ts'

export interface Outcomes {
  delivered: number
  retry: number
  failed: number
  interrupted: number
}

export interface StatisticsBucket extends Outcomes, Percentiles {
  at: Date
  /** null for one webhook. */
  published: number | null
  backlog: number
  oldest_due_seconds: number
}

export interface Statistics {
  since: Date
  until: Date
  bucket_seconds: number
  counted_until: Date
  totals: Outcomes & Percentiles & { published: number | null; success_rate: number | null }
  backlog: Backlog
  buckets: StatisticsBucket[]
}

/** Of a whole project, or of one of its webhooks. */
export interface Scope {
  projectId: string
  webhookId?: string | undefined
}

/** Waiting deliveries that are counted one by one when somebody looks. */
const countedTo = 10_000

/** How it went over a range, in buckets. What was not counted yet is read from the history. */
export async function readStatistics(
  queryable: Queryable,
  scope: Scope,
  { range, now }: { range: Range; now: Date },
): Promise<Statistics> {
  const { reach, counted, recent, published } = await withReach(queryable, async (reach) => ({
    reach,
    counted: await readCounted(queryable, scope, { range, reach }),
    recent: await readRecent(queryable, scope, { range, reach, now }),
    published:
      scope.webhookId === undefined
        ? await readPublished(queryable, scope, { range, reach, now })
        : undefined,
  }))
  const backlog = await backlogNow(queryable, scope, now)

  const buckets = emptyBuckets(range)
  const histograms: Histogram[][] = buckets.map(() => [])
  for (const { bucket, slots, counts, ...row } of counted) {
    addTo(buckets[bucket]!, row)
    buckets[bucket]!.backlog = row.backlog
    buckets[bucket]!.oldest_due_seconds = row.oldest_due_seconds
    histograms[bucket]!.push({ slots, counts })
  }
  for (const { bucket, outcome, slot, count } of recent) {
    buckets[bucket]![outcome] += count
    if (slot !== null) histograms[bucket]!.push({ slots: [slot], counts: [count] })
  }
  buckets.forEach((bucket, index) => {
    Object.assign(bucket, percentiles(merge(histograms[index]!)))
    if (published) bucket.published = published.get(index) ?? 0
  })
  const totals = { delivered: 0, retry: 0, failed: 0, interrupted: 0 }
  for (const bucket of buckets) addTo(totals, bucket)

  return {
    since: range.since,
    until: range.until,
    bucket_seconds: range.bucketSeconds,
    counted_until:
      tailOf(range, reach.attempts_until, now) || reach.attempts_until > range.until
        ? range.until
        : reach.attempts_until,
    totals: {
      published: published ? [...published.values()].reduce((sum, count) => sum + count, 0) : null,
      ...totals,
      success_rate: successRate(totals),
      ...percentiles(merge(histograms.flat())),
    },
    backlog,
    buckets,
  }
}

export function successRate({ delivered, retry, failed }: Outcomes): number | null {
  const ended = delivered + retry + failed
  return ended === 0 ? null : delivered / ended
}

export function addTo(sum: Outcomes, { delivered, retry, failed, interrupted }: Outcomes): void {
  sum.delivered += delivered
  sum.retry += retry
  sum.failed += failed
  sum.interrupted += interrupted
}

function emptyBuckets({ since, until, bucketSeconds }: Range): StatisticsBucket[] {
  const length = Math.ceil((until.getTime() - since.getTime()) / (bucketSeconds * 1_000))
  return Array.from({ length }, (_, index) => ({
    at: new Date(since.getTime() + index * bucketSeconds * 1_000),
    published: null,
    delivered: 0,
    retry: 0,
    failed: 0,
    interrupted: 0,
    p50_ms: null,
    p95_ms: null,
    p99_ms: null,
    backlog: 0,
    oldest_due_seconds: 0,
  }))
}

interface CountedRow extends Outcomes {
  bucket: number
  backlog: number
  oldest_due_seconds: number
  slots: number[]
  counts: number[]
}

async function readCounted(
  queryable: Queryable,
  { projectId, webhookId }: Scope,
  { range, reach }: { range: Range; reach: Reach },
): Promise<CountedRow[]> {
  const { units, since, until } = spansOf(range, unitOf(range), reach)
  // One condition or the other: an index serves neither through `OR` or `IS NOT DISTINCT FROM`.
  const ofScope =
    webhookId === undefined ? '$7::uuid IS NULL AND row.webhook_id IS NULL' : 'row.webhook_id = $7::uuid'
  const { rows } = await queryable.query<CountedRow>(
    `WITH kept AS MATERIALIZED (
       SELECT
         floor(EXTRACT(EPOCH FROM row.at - $5::timestamptz) / $6::integer)::integer AS bucket,
         row.delivered, row.retry, row.failed, row.interrupted, row.backlog, row.oldest_due_seconds,
         row.latency_slots, row.latency_counts
       FROM unnest($2::integer[], $3::timestamptz[], $4::timestamptz[]) AS span (unit, since, until)
       JOIN postrider.attempt_statistics AS row
         ON row.project_id = $1::uuid
         AND ${ofScope}
         AND row.seconds = span.unit
         AND row.at >= span.since
         AND row.at < span.until
     ),
     by_slot AS (
       SELECT latency.bucket, latency.slot, SUM(latency.count)::integer AS count
       FROM (
         -- Both are of one length. In the list of columns it takes half as long as in a join.
         SELECT kept.bucket, unnest(kept.latency_slots) AS slot, unnest(kept.latency_counts) AS count
         FROM kept
       ) AS latency
       GROUP BY latency.bucket, latency.slot
     ),
     histograms AS (
       SELECT by_slot.bucket, array_agg(by_slot.slot) AS slots, array_agg(by_slot.count) AS counts
       FROM by_slot
       GROUP BY by_slot.bucket
     ),
     counted AS (
       SELECT
         kept.bucket,
         SUM(kept.delivered)::integer AS delivered,
         SUM(kept.retry)::integer AS retry,
         SUM(kept.failed)::integer AS failed,
         SUM(kept.interrupted)::integer AS interrupted,
         MAX(kept.backlog) AS backlog,
         MAX(kept.oldest_due_seconds) AS oldest_due_seconds
       FROM kept
       GROUP BY kept.bucket
     )
     SELECT
       counted.*,
       COALESCE(histograms.slots, '{}') AS slots,
       COALESCE(histograms.counts, '{}') AS counts
     FROM counted
     LEFT JOIN histograms
       ON histograms.bucket = counted.bucket`,
    [projectId, units, since, until, range.since, range.bucketSeconds, webhookId ?? null],
  )
  return rows
}

interface RecentRow {
  bucket: number
  outcome: keyof Outcomes
  slot: number | null
  count: number
}

/** Attempts that were recorded since the last count, found by when they were recorded. */
async function readRecent(
  queryable: Queryable,
  { projectId, webhookId }: Scope,
  { range, reach, now }: { range: Range; reach: Reach; now: Date },
): Promise<RecentRow[]> {
  const tail = tailOf(range, reach.attempts_until, now)
  if (!tail) return []
  const { rows } = await queryable.query<RecentRow>(
    `SELECT
       floor(EXTRACT(EPOCH FROM attempt.started_at - $3::timestamptz) / $4::integer)::integer AS bucket,
       attempt.outcome,
       width_bucket(attempt.duration_ms, $5::integer[]) AS slot,
       COUNT(*)::integer AS count
     FROM postrider.webhook_delivery_attempts AS attempt
     CROSS JOIN LATERAL (
       SELECT delivery.project_id, delivery.webhook_id
       FROM postrider.deliveries AS delivery
       WHERE delivery.id = attempt.delivery_id
       OFFSET 0
     ) AS delivery
     WHERE attempt.id >= postrider.uuid_at($6::timestamptz)
       AND attempt.started_at >= $3::timestamptz
       AND attempt.started_at < $7::timestamptz
       AND delivery.project_id = $1::uuid
       AND ($2::uuid IS NULL OR delivery.webhook_id = $2::uuid)
     GROUP BY 1, 2, 3`,
    [projectId, webhookId ?? null, range.since, range.bucketSeconds, slotBoundsMs, tail.since, tail.until],
  )
  return rows
}

async function readPublished(
  queryable: Queryable,
  { projectId }: Scope,
  { range, reach, now }: { range: Range; reach: Reach; now: Date },
): Promise<Map<number, number>> {
  const { units, since, until } = spansOf(range, unitOf(range), reach)
  const tail = eventTailOf(range, reach, now)
  const { rows } = await queryable.query<{ bucket: number; events: number }>(
    `SELECT counted.bucket, SUM(counted.events)::integer AS events
     FROM (
       SELECT
         floor(EXTRACT(EPOCH FROM row.at - $5::timestamptz) / $6::integer)::integer AS bucket,
         row.events
       FROM unnest($2::integer[], $3::timestamptz[], $4::timestamptz[]) AS span (unit, since, until)
       JOIN postrider.event_statistics AS row
         ON row.project_id = $1::uuid
         AND row.type IS NULL
         AND row.seconds = span.unit
         AND row.at >= span.since
         AND row.at < span.until
       UNION ALL
       SELECT
         floor(EXTRACT(EPOCH FROM event.created_at - $5::timestamptz) / $6::integer)::integer,
         1
       FROM postrider.events AS event
       WHERE event.project_id = $1::uuid
         AND event.created_at >= $7::timestamptz
         AND event.created_at < $8::timestamptz
     ) AS counted
     GROUP BY counted.bucket`,
    [projectId, units, since, until, range.since, range.bucketSeconds, ...tail],
  )
  return new Map(rows.map(({ bucket, events }) => [bucket, events]))
}

async function backlogNow(
  queryable: Queryable,
  { projectId, webhookId }: Scope,
  now: Date,
): Promise<Backlog> {
  if (webhookId === undefined) return readBacklog(queryable, { projectId, now, limit: countedTo })
  const backlogs = await readBacklogs(queryable, {
    projectId,
    webhookIds: [webhookId],
    now,
    limit: countedTo,
  })
  return backlogs.get(webhookId) ?? { count: 0, is_exact: true, oldest_due_at: null }
}
