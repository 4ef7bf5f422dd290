import type { Queryable, Transactable } from '../database/database.ts'
import { slotBoundsMs } from './latency.ts'

/** Counting is this far behind, so that whatever was written before has been committed: a statement ends after 10 s. */
const lagSeconds = 15
/** What one transaction counts, at most: of attempts by when they were recorded. */
const sliceSeconds = 600
/** Events of a transaction that began this long before its commit are counted; it may have published at its beginning. */
const settleSeconds = 600

/**
 * Counts the attempts that were recorded since the last time, by the minute in which they started, for one slice of time,
 * and notes of which webhooks every one fails since when.
 * Each is counted once: how far counting has come moves in the same transaction. Answers whether there is more to count.
 * Any number of processes may call this at once.
 */
export function rollAttempts(
  database: Transactable,
  now: Date,
  seconds: number = sliceSeconds,
): Promise<boolean> {
  return database.transaction(async (transaction) => {
    const { rows } = await transaction.query<{ since: Date; until: Date; limit: Date }>(
      `SELECT
         progress.attempts_until AS since,
         LEAST(progress.attempts_until + $2::integer * interval '1 second', counted.until) AS until,
         counted.until AS limit
       FROM postrider.statistics_progress AS progress
       CROSS JOIN LATERAL (SELECT $1::timestamptz - $3::integer * interval '1 second' AS until) AS counted
       WHERE progress.attempts_until < counted.until
       FOR UPDATE OF progress SKIP LOCKED`,
      [now, seconds, lagSeconds],
    )
    const slice = rows[0]
    if (!slice) return false
    await countAttempts(transaction, slice)
    await transaction.query(`UPDATE postrider.statistics_progress SET attempts_until = $1::timestamptz`, [
      slice.until,
    ])
    return slice.until < slice.limit
  })
}

/**
 * The same again and again, in shorter slices after one that took too long for the database: so many attempts may be
 * written in ten minutes, as when a history is loaded.
 */
export class AttemptRoller {
  readonly #database: Transactable
  #seconds = sliceSeconds

  constructor(database: Transactable) {
    this.#database = database
  }

  async step(now: Date): Promise<boolean> {
    try {
      const more = await rollAttempts(this.#database, now, this.#seconds)
      this.#seconds = Math.min(this.#seconds * 2, sliceSeconds)
      return more
    } catch (error) {
      this.#seconds = Math.max(Math.floor(this.#seconds / 10), 1)
      throw error
    }
  }
}

/** Of `failing`, those that accepted something before. */
const anew = `ARRAY(SELECT failing.webhook_id FROM failing WHERE failing.is_new)`

/** What lies in an hour or a day that was summed up already is added there, too. */
async function countAttempts(
  transaction: Queryable,
  { since, until }: { since: Date; until: Date },
): Promise<void> {
  await transaction.query(
    `WITH tried AS MATERIALIZED (
       SELECT
         delivery.project_id,
         delivery.webhook_id,
         date_trunc('minute', attempt.started_at, 'UTC') AS at,
         attempt.started_at,
         attempt.outcome,
         attempt.error,
         width_bucket(attempt.duration_ms, $3::integer[])::smallint AS slot
       FROM postrider.webhook_delivery_attempts AS attempt
       CROSS JOIN LATERAL (
         SELECT delivery.project_id, delivery.webhook_id
         FROM postrider.deliveries AS delivery
         WHERE delivery.id = attempt.delivery_id
         OFFSET 0
       ) AS delivery
       WHERE attempt.id >= postrider.uuid_at($1::timestamptz)
         AND attempt.id < postrider.uuid_at($2::timestamptz)
     ),
     by_slot AS (
       SELECT
         tried.project_id,
         tried.webhook_id,
         tried.at,
         tried.slot,
         COUNT(*) AS attempts,
         COUNT(*) FILTER (WHERE tried.outcome = 'delivered') AS delivered,
         COUNT(*) FILTER (WHERE tried.outcome = 'retry') AS retry,
         COUNT(*) FILTER (WHERE tried.outcome = 'failed') AS failed,
         COUNT(*) FILTER (WHERE tried.outcome = 'interrupted') AS interrupted
       FROM tried
       GROUP BY GROUPING SETS (
         (tried.project_id, tried.webhook_id, tried.at, tried.slot),
         (tried.project_id, tried.at, tried.slot)
       )
     ),
     counted AS (
       SELECT
         by_slot.project_id,
         by_slot.webhook_id,
         by_slot.at,
         SUM(by_slot.delivered) AS delivered,
         SUM(by_slot.retry) AS retry,
         SUM(by_slot.failed) AS failed,
         SUM(by_slot.interrupted) AS interrupted,
         COALESCE(array_agg(by_slot.slot) FILTER (WHERE by_slot.slot IS NOT NULL), '{}') AS slots,
         COALESCE(array_agg(by_slot.attempts) FILTER (WHERE by_slot.slot IS NOT NULL), '{}') AS counts
       FROM by_slot
       GROUP BY by_slot.project_id, by_slot.webhook_id, by_slot.at
     ),
     last_errors AS (
       SELECT DISTINCT ON (tried.webhook_id, tried.at)
         tried.webhook_id,
         tried.at,
         left(tried.error, 200) AS error,
         tried.started_at
       FROM tried
       WHERE tried.outcome IN ('retry', 'failed')
       ORDER BY tried.webhook_id, tried.at, tried.started_at DESC
     ),
     accepted AS MATERIALIZED (
       SELECT tried.webhook_id, MAX(tried.started_at) AS last_at
       FROM tried
       WHERE tried.outcome = 'delivered'
       GROUP BY tried.webhook_id
     ),
     -- Those that failed, and after it accepted nothing more.
     failing AS MATERIALIZED (
       SELECT
         tried.webhook_id,
         MIN(tried.started_at) AS since,
         MAX(tried.started_at) AS last_failed_at,
         accepted.last_at IS NOT NULL AS is_new
       FROM tried
       LEFT JOIN accepted
         ON accepted.webhook_id = tried.webhook_id
       WHERE tried.outcome IN ('retry', 'failed')
         AND (accepted.last_at IS NULL OR tried.started_at > accepted.last_at)
       GROUP BY tried.webhook_id, accepted.last_at
     ),
     recovered AS (
       DELETE FROM postrider.failing_webhooks AS noted
       USING accepted
       WHERE noted.webhook_id = accepted.webhook_id
         AND NOT EXISTS (
           SELECT
           FROM failing
           WHERE failing.webhook_id = accepted.webhook_id
         )
     ),
     noted AS (
       INSERT INTO postrider.failing_webhooks AS noted (webhook_id, project_id, since, last_failed_at)
       SELECT webhook.id, webhook.project_id, failing.since, failing.last_failed_at
       FROM failing
       JOIN postrider.webhooks AS webhook
         ON webhook.id = failing.webhook_id
         AND webhook.is_active
       FOR KEY SHARE OF webhook
       ON CONFLICT (webhook_id) DO UPDATE
       SET since = CASE WHEN noted.webhook_id = ANY(${anew}) THEN EXCLUDED.since ELSE noted.since END,
           last_failed_at = GREATEST(noted.last_failed_at, EXCLUDED.last_failed_at),
           announced_percent = CASE WHEN noted.webhook_id = ANY(${anew}) THEN 0 ELSE noted.announced_percent END
     )
     INSERT INTO postrider.attempt_statistics (
       project_id, webhook_id, seconds, at, delivered, retry, failed, interrupted, latency_slots, latency_counts,
       last_error, last_error_at
     )
     SELECT
       counted.project_id,
       counted.webhook_id,
       unit.seconds,
       date_trunc(unit.name, counted.at, 'UTC'),
       counted.delivered,
       counted.retry,
       counted.failed,
       counted.interrupted,
       counted.slots,
       counted.counts::integer[],
       last_errors.error,
       last_errors.started_at
     FROM counted
     LEFT JOIN last_errors
       ON last_errors.webhook_id = counted.webhook_id
       AND last_errors.at = counted.at
     CROSS JOIN postrider.statistics_progress AS progress
     JOIN (VALUES (60, 'minute'), (3600, 'hour'), (86400, 'day')) AS unit (seconds, name)
       ON unit.seconds = 60
       OR (unit.seconds = 3600 AND counted.at < progress.hours_until)
       OR (unit.seconds = 86400 AND counted.at < progress.days_until)`,
    [since, until, slotBoundsMs],
  )
}

/**
 * Counts the events of whole minutes that are over, and once more ten minutes later, for good: an event bears the time at
 * which its transaction began. Answers whether there is more to count.
 */
export function rollEvents(database: Transactable, now: Date): Promise<boolean> {
  return database.transaction(async (transaction) => {
    const { rows } = await transaction.query<{ since: Date; until: Date; settles: boolean; more: boolean }>(
      `SELECT
         CASE WHEN turn.settles THEN progress.events_settled_until ELSE progress.events_until END AS since,
         turn.until,
         turn.settles,
         turn.until < turn.limit AS more
       FROM postrider.statistics_progress AS progress
       CROSS JOIN LATERAL (
         SELECT
           date_trunc('minute', $1::timestamptz - $3::integer * interval '1 second', 'UTC') AS settled,
           date_trunc('minute', $1::timestamptz - $4::integer * interval '1 second', 'UTC') AS counted
       ) AS due
       CROSS JOIN LATERAL (
         SELECT
           progress.events_settled_until < due.settled AS settles,
           LEAST(progress.events_settled_until + $2::integer * interval '1 second', due.settled) AS until,
           due.settled AS limit
         WHERE progress.events_settled_until < due.settled
         UNION ALL
         SELECT false, due.counted, due.counted
         WHERE progress.events_settled_until >= due.settled
           AND progress.events_until < due.counted
       ) AS turn
       FOR UPDATE OF progress SKIP LOCKED`,
      [now, sliceSeconds, settleSeconds, lagSeconds],
    )
    const slice = rows[0]
    if (!slice) return false
    await countEvents(transaction, slice)
    await transaction.query(
      `UPDATE postrider.statistics_progress
       SET events_until = GREATEST(events_until, $1::timestamptz),
           events_settled_until = CASE WHEN $2::boolean THEN $1::timestamptz ELSE events_settled_until END`,
      [slice.until, slice.settles],
    )
    return slice.more || slice.settles
  })
}

/** In place of what was counted of these minutes before. */
async function countEvents(
  transaction: Queryable,
  { since, until }: { since: Date; until: Date },
): Promise<void> {
  await transaction.query(
    `DELETE FROM postrider.event_statistics
     WHERE seconds = 60
       AND at >= $1::timestamptz
       AND at < $2::timestamptz`,
    [since, until],
  )
  await transaction.query(
    `INSERT INTO postrider.event_statistics (project_id, type, seconds, at, events, deliveries)
     SELECT
       event.project_id,
       event.type,
       60,
       date_trunc('minute', event.created_at, 'UTC'),
       COUNT(*),
       SUM(event.deliveries)
     FROM postrider.events AS event
     WHERE event.created_at >= $1::timestamptz
       AND event.created_at < $2::timestamptz
     GROUP BY GROUPING SETS (
       (event.project_id, event.type, date_trunc('minute', event.created_at, 'UTC')),
       (event.project_id, date_trunc('minute', event.created_at, 'UTC'))
     )`,
    [since, until],
  )
}
