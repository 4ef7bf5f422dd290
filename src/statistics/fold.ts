import type { Queryable, Transactable } from '../database/database.ts'
import { keptSeconds, type Unit } from './range.ts'

/** An hour is summed up this long after its end: what was cut off by a crash is recorded a lease later, up to 300 s. */
const graceSeconds = 720

/**
 * Sums up the next hour that is counted whole, or the next day, into one row for each webhook, project and type; answers
 * whether it did. What is recorded later still is added by whoever counts it.
 */
export function fold(database: Transactable): Promise<boolean> {
  return database.transaction(async (transaction) => {
    const { rows } = await transaction.query<{ next_hour: Date | null; next_day: Date | null }>(
      `SELECT
         CASE WHEN next.hour + interval '1 hour' <= due.at THEN next.hour END AS next_hour,
         CASE WHEN next.day + interval '1 day' <= progress.hours_until THEN next.day END AS next_day
       FROM postrider.statistics_progress AS progress
       CROSS JOIN LATERAL (
         SELECT LEAST(progress.attempts_until - $1::integer * interval '1 second', progress.events_settled_until) AS at
       ) AS due
       CROSS JOIN LATERAL (
         SELECT
           -- Past hours and days in which nothing happened.
           GREATEST(progress.hours_until, date_trunc('hour', LEAST(
             due.at - interval '1 hour',
             (SELECT MIN(row.at) FROM postrider.attempt_statistics AS row WHERE row.seconds = 60 AND row.at >= progress.hours_until),
             (SELECT MIN(row.at) FROM postrider.event_statistics AS row WHERE row.seconds = 60 AND row.at >= progress.hours_until)
           ), 'UTC')) AS hour,
           GREATEST(progress.days_until, date_trunc('day', LEAST(
             progress.hours_until - interval '1 day',
             (SELECT MIN(row.at) FROM postrider.attempt_statistics AS row WHERE row.seconds = 3600 AND row.at >= progress.days_until),
             (SELECT MIN(row.at) FROM postrider.event_statistics AS row WHERE row.seconds = 3600 AND row.at >= progress.days_until)
           ), 'UTC')) AS day
       ) AS next
       FOR UPDATE OF progress SKIP LOCKED`,
      [graceSeconds],
    )
    const { next_hour, next_day } = rows[0] ?? { next_hour: null, next_day: null }
    if (next_hour) {
      await sumUp(transaction, { from: 60, into: 3_600, at: next_hour })
      await transaction.query(
        `UPDATE postrider.statistics_progress SET hours_until = $1::timestamptz + interval '1 hour'`,
        [next_hour],
      )
    } else if (next_day) {
      await sumUp(transaction, { from: 3_600, into: 86_400, at: next_day })
      await transaction.query(
        `UPDATE postrider.statistics_progress SET days_until = $1::timestamptz + interval '1 day'`,
        [next_day],
      )
    }
    return next_hour !== null || next_day !== null
  })
}

async function sumUp(
  transaction: Queryable,
  { from, into, at }: { from: Unit; into: Unit; at: Date },
): Promise<void> {
  await transaction.query(
    `WITH row AS MATERIALIZED (
       SELECT *
       FROM postrider.attempt_statistics
       WHERE seconds = $1::integer
         AND at >= $3::timestamptz
         AND at < $3::timestamptz + $2::integer * interval '1 second'
     ),
     by_slot AS (
       SELECT row.project_id, row.webhook_id, latency.slot, SUM(latency.count) AS count
       FROM row
       CROSS JOIN LATERAL unnest(row.latency_slots, row.latency_counts) AS latency (slot, count)
       GROUP BY row.project_id, row.webhook_id, latency.slot
     ),
     histograms AS (
       SELECT
         by_slot.project_id,
         by_slot.webhook_id,
         array_agg(by_slot.slot) AS slots,
         array_agg(by_slot.count)::integer[] AS counts
       FROM by_slot
       GROUP BY by_slot.project_id, by_slot.webhook_id
     ),
     counted AS (
       SELECT
         row.project_id,
         row.webhook_id,
         SUM(row.delivered) AS delivered,
         SUM(row.retry) AS retry,
         SUM(row.failed) AS failed,
         SUM(row.interrupted) AS interrupted,
         (array_agg(row.last_error ORDER BY row.last_error_at DESC NULLS LAST))[1] AS last_error,
         MAX(row.last_error_at) AS last_error_at,
         MAX(row.backlog) AS backlog,
         MAX(row.oldest_due_seconds) AS oldest_due_seconds
       FROM row
       GROUP BY row.project_id, row.webhook_id
     )
     INSERT INTO postrider.attempt_statistics (
       project_id, webhook_id, seconds, at, delivered, retry, failed, interrupted, latency_slots, latency_counts,
       last_error, last_error_at, backlog, oldest_due_seconds
     )
     SELECT
       counted.project_id,
       counted.webhook_id,
       $2::integer,
       $3::timestamptz,
       counted.delivered,
       counted.retry,
       counted.failed,
       counted.interrupted,
       COALESCE(histograms.slots, '{}'),
       COALESCE(histograms.counts, '{}'),
       counted.last_error,
       counted.last_error_at,
       counted.backlog,
       counted.oldest_due_seconds
     FROM counted
     LEFT JOIN histograms
       ON histograms.project_id = counted.project_id
       -- Equality, which can be hashed; the row of the whole project has no webhook.
       AND COALESCE(histograms.webhook_id, histograms.project_id) = COALESCE(counted.webhook_id, counted.project_id)`,
    [from, into, at],
  )
  await transaction.query(
    `INSERT INTO postrider.event_statistics (project_id, type, seconds, at, events, deliveries)
     SELECT row.project_id, row.type, $2::integer, $3::timestamptz, SUM(row.events), SUM(row.deliveries)
     FROM postrider.event_statistics AS row
     WHERE row.seconds = $1::integer
       AND row.at >= $3::timestamptz
       AND row.at < $3::timestamptz + $2::integer * interval '1 second'
     GROUP BY row.project_id, row.type`,
    [from, into, at],
  )
}

/** Deletes counts that are older than they are kept for, once they are part of longer ones. */
export async function expireStatistics(queryable: Queryable, now: Date): Promise<void> {
  const values = [now, Object.keys(keptSeconds), Object.values(keptSeconds)]
  await queryable.query(
    `DELETE FROM postrider.attempt_statistics AS row
     USING unnest($2::integer[], $3::integer[]) AS kept (unit, seconds), postrider.statistics_progress AS progress
     WHERE row.seconds = kept.unit
       AND row.at < $1::timestamptz - kept.seconds * interval '1 second'
       AND row.at < CASE kept.unit WHEN 60 THEN progress.hours_until WHEN 3600 THEN progress.days_until ELSE 'infinity' END`,
    values,
  )
  await queryable.query(
    `DELETE FROM postrider.event_statistics AS row
     USING unnest($2::integer[], $3::integer[]) AS kept (unit, seconds), postrider.statistics_progress AS progress
     WHERE row.seconds = kept.unit
       AND row.at < $1::timestamptz - kept.seconds * interval '1 second'
       AND row.at < CASE kept.unit WHEN 60 THEN progress.hours_until WHEN 3600 THEN progress.days_until ELSE 'infinity' END`,
    values,
  )
}
