import type { Queryable } from '../database/database.ts'
import { type Backlog, readBacklogs } from './backlog.ts'
import { type Histogram, merge, percentiles, slotBoundsMs } from './latency.ts'
import { barCount, type Range, unitOf } from './range.ts'
import { type Reach, spansOf, tailOf, wholeSpansOf, withReach } from './reach.ts'
import { addTo, type Outcomes, successRate } from './read.ts'

export interface WebhookSummary extends Outcomes {
  webhook_id: string
  /** By bar, oldest first. */
  attempts: number[]
  failures: number[]
  success_rate: number | null
  p95_ms: number | null
  last_error: string | null
  last_error_at: Date | null
  backlog: Backlog
}

/** Waiting deliveries of one webhook that are counted one by one when somebody looks at many webhooks. */
const countedTo = 1_000

interface Part extends Outcomes {
  webhook_id: string
  bar: number
}

interface LastError {
  webhook_id: string
  last_error: string | null
  last_error_at: Date | null
}

/** How it went at each of these webhooks, in their order; `range` has 24 bars. */
export async function readSummaries(
  queryable: Queryable,
  { projectId, webhookIds }: { projectId: string; webhookIds: readonly string[] },
  { range, now }: { range: Range; now: Date },
): Promise<WebhookSummary[]> {
  if (webhookIds.length === 0) return []
  const scope = { projectId, webhookIds }
  const { parts, wholes } = await withReach(queryable, async (reach) => {
    const recent = await readRecent(queryable, scope, { range, reach, now })
    return {
      parts: [...(await readParts(queryable, scope, { range, reach })), ...recent.parts],
      wholes: [...(await readWholes(queryable, scope, { range, reach })), ...recent.wholes],
    }
  })
  const backlogs = await readBacklogs(queryable, { ...scope, now, limit: countedTo })
  const partsOf = Map.groupBy(parts, ({ webhook_id }) => webhook_id)
  const wholesOf = Map.groupBy(wholes, ({ webhook_id }) => webhook_id)

  return webhookIds.map((id) => {
    const totals = { delivered: 0, retry: 0, failed: 0, interrupted: 0 }
    const attempts = Array.from({ length: barCount }, () => 0)
    const failures = Array.from({ length: barCount }, () => 0)
    for (const part of partsOf.get(id) ?? []) {
      addTo(totals, part)
      attempts[part.bar]! += part.delivered + part.retry + part.failed + part.interrupted
      failures[part.bar]! += part.retry + part.failed
    }
    const own = wholesOf.get(id) ?? []
    const last = own.reduce<typeof noError>(
      (one, other) => (timeOf(other) > timeOf(one) ? other : one),
      noError,
    )
    return {
      webhook_id: id,
      attempts,
      failures,
      ...totals,
      success_rate: successRate(totals),
      p95_ms: percentiles(merge(own)).p95_ms,
      last_error: last.last_error,
      last_error_at: last.last_error_at,
      backlog: backlogs.get(id) ?? { count: 0, is_exact: true, oldest_due_at: null },
    }
  })
}

const noError: Pick<LastError, 'last_error' | 'last_error_at'> = { last_error: null, last_error_at: null }

function timeOf({ last_error_at }: Pick<LastError, 'last_error_at'>): number {
  return last_error_at?.getTime() ?? 0
}

interface ManyScope {
  projectId: string
  webhookIds: readonly string[]
}

async function readParts(
  queryable: Queryable,
  { projectId, webhookIds }: ManyScope,
  { range, reach }: { range: Range; reach: Reach },
): Promise<Part[]> {
  const { units, since, until } = spansOf(range, unitOf(range), reach)
  const { rows } = await queryable.query<Part>(
    `SELECT
       row.webhook_id,
       -- Arithmetic on the difference would be numeric, and cost twice as much as all the rest.
       width_bucket(row.at, $6::timestamptz[]) - 1 AS bar,
       SUM(row.delivered)::integer AS delivered,
       SUM(row.retry)::integer AS retry,
       SUM(row.failed)::integer AS failed,
       SUM(row.interrupted)::integer AS interrupted
     FROM unnest($3::integer[], $4::timestamptz[], $5::timestamptz[]) AS span (unit, since, until)
     JOIN postrider.attempt_statistics AS row
       ON row.project_id = $1::uuid
       AND row.webhook_id = ANY($2::uuid[])
       AND row.seconds = span.unit
       AND row.at >= span.since
       AND row.at < span.until
     GROUP BY 1, 2`,
    [projectId, webhookIds, units, since, until, barStarts(range)],
  )
  return rows
}

function barStarts({ since, bucketSeconds }: Range): Date[] {
  return Array.from({ length: barCount }, (_, bar) => new Date(since.getTime() + bar * bucketSeconds * 1_000))
}

type Whole = Histogram & LastError

/** What is told of the whole range: latencies and the last error, out of as few rows as there are. */
async function readWholes(
  queryable: Queryable,
  { projectId, webhookIds }: ManyScope,
  { range, reach }: { range: Range; reach: Reach },
): Promise<Whole[]> {
  const { units, since, until } = wholeSpansOf(range, reach)
  const { rows } = await queryable.query<Whole>(
    `WITH kept AS MATERIALIZED (
       SELECT row.*
       FROM unnest($3::integer[], $4::timestamptz[], $5::timestamptz[]) AS span (unit, since, until)
       CROSS JOIN LATERAL (
         SELECT row.webhook_id, row.latency_slots, row.latency_counts, row.last_error, row.last_error_at
         FROM postrider.attempt_statistics AS row
         WHERE row.project_id = $1::uuid
           AND row.webhook_id = ANY($2::uuid[])
           AND row.seconds = span.unit
           AND row.at >= span.since
           AND row.at < span.until
         -- Span by span through the index: a join would be planned for far more rows, as a scan of all there are.
         OFFSET 0
       ) AS row
     ),
     by_slot AS (
       SELECT latency.webhook_id, latency.slot, SUM(latency.count)::integer AS count
       FROM (
         -- Both are of one length. In the list of columns it takes half as long as in a join.
         SELECT kept.webhook_id, unnest(kept.latency_slots) AS slot, unnest(kept.latency_counts) AS count
         FROM kept
       ) AS latency
       GROUP BY latency.webhook_id, latency.slot
     ),
     last_errors AS (
       SELECT DISTINCT ON (kept.webhook_id) kept.webhook_id, kept.last_error, kept.last_error_at
       FROM kept
       WHERE kept.last_error_at IS NOT NULL
       ORDER BY kept.webhook_id, kept.last_error_at DESC
     )
     SELECT
       by_slot.webhook_id,
       array_agg(by_slot.slot) AS slots,
       array_agg(by_slot.count) AS counts,
       MAX(last_errors.last_error) AS last_error,
       MAX(last_errors.last_error_at) AS last_error_at
     FROM by_slot
     LEFT JOIN last_errors
       ON last_errors.webhook_id = by_slot.webhook_id
     GROUP BY by_slot.webhook_id`,
    [projectId, webhookIds, units, since, until],
  )
  return rows
}

/** What was recorded since the last count. */
async function readRecent(
  queryable: Queryable,
  { projectId, webhookIds }: ManyScope,
  { range, reach, now }: { range: Range; reach: Reach; now: Date },
): Promise<{ parts: Part[]; wholes: Whole[] }> {
  const tail = tailOf(range, reach.attempts_until, now)
  if (!tail) return { parts: [], wholes: [] }
  const { rows } = await queryable.query<
    LastError & { bar: number; outcome: keyof Outcomes; slot: number | null; count: number }
  >(
    `SELECT
       delivery.webhook_id,
       floor(EXTRACT(EPOCH FROM attempt.started_at - $3::timestamptz) / $4::integer)::integer AS bar,
       attempt.outcome,
       width_bucket(attempt.duration_ms, $5::integer[]) AS slot,
       COUNT(*)::integer AS count,
       (array_agg(left(attempt.error, 200) ORDER BY attempt.started_at DESC)
         FILTER (WHERE attempt.outcome IN ('retry', 'failed')))[1] AS last_error,
       MAX(attempt.started_at) FILTER (WHERE attempt.outcome IN ('retry', 'failed')) AS last_error_at
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
       AND delivery.webhook_id = ANY($2::uuid[])
     GROUP BY 1, 2, 3, 4`,
    [projectId, webhookIds, range.since, range.bucketSeconds, slotBoundsMs, tail.since, tail.until],
  )
  const none = { delivered: 0, retry: 0, failed: 0, interrupted: 0 }
  return {
    parts: rows.map(({ webhook_id, bar, outcome, count }) => ({
      webhook_id,
      bar,
      ...none,
      [outcome]: count,
    })),
    wholes: rows.map(({ webhook_id, slot, count, last_error, last_error_at }) => ({
      webhook_id,
      slots: slot === null ? [] : [slot],
      counts: slot === null ? [] : [count],
      last_error,
      last_error_at,
    })),
  }
}
