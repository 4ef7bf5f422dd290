import type { Queryable } from '../database/database.ts'

/** Behind a breaker a delivery waits at least so long, so that one without retries is not lost to a short outage. */
const leastBehindBreakerSeconds = 600

/** In one statement: a hundred thousand may be overdue at the same moment. */
const batchSize = 2_000

/**
 * Of those of one webhook that wait, the first ones are looked at: a million of them need not be read each minute. What stands
 * behind them is looked at when those before it are overdue and gone. All are where a webhook is made active again.
 */
const lookedAt = 10_000

/**
 * Deliveries of an inactive webhook wait for it, and so do those behind a breaker, but not for ever: those that waited as
 * long as all their retries together would have taken, from when they were published or last retried by hand, and behind a
 * breaker from when it opened, fail. Answers how many did.
 *
 * @param waitSeconds the sum of the deployment's retry delays, for webhooks without their own
 * @param webhookId only of this one, which is just being made active again
 */
export async function failOverdue(queryable: Queryable, overdue: Overdue): Promise<number> {
  let failed = 0
  for (;;) {
    const count = await failSome(queryable, overdue)
    failed += count
    if (count < batchSize) return failed
  }
}

interface Overdue {
  now: Date
  waitSeconds: number
  webhookId?: string
}

async function failSome(queryable: Queryable, { now, waitSeconds, webhookId }: Overdue): Promise<number> {
  const { rowCount } = await queryable.query(
    `WITH idle AS MATERIALIZED (
       SELECT
         webhook.id,
         COALESCE(
           (SELECT SUM(seconds) FROM unnest(webhook.retry_seconds) AS seconds),
           CASE WHEN webhook.retry_seconds IS NULL THEN $2::integer ELSE 0 END
         ) AS wait_seconds,
         'webhook inactive' AS reason
       FROM postrider.webhooks AS webhook
       WHERE CASE WHEN $3::uuid IS NULL THEN NOT webhook.is_active ELSE webhook.id = $3::uuid END
       UNION ALL
       SELECT
         webhook.id,
         patience.seconds,
         'endpoint down' || COALESCE(': ' || breaker.last_error, '')
       FROM postrider.webhook_breakers AS breaker
       JOIN postrider.webhooks AS webhook
         ON webhook.id = breaker.webhook_id
         AND webhook.is_active
       CROSS JOIN LATERAL (
         SELECT GREATEST(
           COALESCE((SELECT SUM(seconds) FROM unnest(webhook.retry_seconds) AS seconds), $2::integer),
           ${leastBehindBreakerSeconds}
         ) AS seconds
       ) AS patience
       WHERE breaker.ends_at > $1::timestamptz
         -- What waited for its turn before, as behind a rate, has not waited for the endpoint.
         AND breaker.opened_at <= $1::timestamptz - make_interval(secs => patience.seconds)
         AND $3::uuid IS NULL
     ),
     waiting AS (
       SELECT queued.delivery_id
       FROM idle
       CROSS JOIN LATERAL (
         SELECT first.delivery_id
         FROM postrider.delivery_queue AS first
         WHERE first.webhook_id = idle.id
         ORDER BY first.scheduled_at, first.delivery_id
         LIMIT CASE WHEN $3::uuid IS NULL THEN ${lookedAt} END
       ) AS queued
       UNION ALL
       SELECT scheduled.delivery_id
       FROM idle
       JOIN postrider.delivery_schedule AS scheduled
         ON scheduled.webhook_id = idle.id
       UNION ALL
       SELECT lined.delivery_id
       FROM idle
       CROSS JOIN LATERAL (
         SELECT first.delivery_id
         FROM postrider.delivery_line_waiting AS first
         WHERE first.webhook_id = idle.id
         ORDER BY first.position
         LIMIT CASE WHEN $3::uuid IS NULL THEN ${lookedAt} END
       ) AS lined
     ),
     overdue AS MATERIALIZED (
       SELECT delivery.id, delivery.webhook_id, delivery.scheduled_at, idle.reason
       FROM postrider.deliveries AS delivery
       JOIN idle
         ON idle.id = delivery.webhook_id
       WHERE delivery.id = ANY(ARRAY(SELECT waiting.delivery_id FROM waiting))
         AND delivery.status = 'pending'
         AND COALESCE(delivery.retried_at, delivery.created_at)
           <= $1::timestamptz - make_interval(secs => idle.wait_seconds)
       LIMIT ${batchSize}
       FOR UPDATE OF delivery SKIP LOCKED
     ),
     unqueued AS (
       DELETE FROM postrider.delivery_queue AS queued
       USING overdue
       WHERE queued.webhook_id = overdue.webhook_id
         AND queued.scheduled_at = overdue.scheduled_at
         AND queued.delivery_id = overdue.id
       RETURNING queued.delivery_id
     ),
     unscheduled AS (
       DELETE FROM postrider.delivery_schedule AS scheduled
       USING overdue
       WHERE scheduled.scheduled_at = overdue.scheduled_at
         AND scheduled.delivery_id = overdue.id
       RETURNING scheduled.delivery_id
     ),
     unlined AS (
       DELETE FROM postrider.delivery_line_waiting AS lined
       USING overdue
       WHERE lined.webhook_id = overdue.webhook_id
         AND lined.delivery_id = overdue.id
       RETURNING lined.delivery_id
     )
     UPDATE postrider.deliveries AS delivery
     SET status = 'failed',
         last_error = overdue.reason
     FROM overdue
     WHERE delivery.id = ANY(ARRAY(
       SELECT delivery_id FROM unqueued
       UNION ALL
       SELECT delivery_id FROM unscheduled
       UNION ALL
       SELECT delivery_id FROM unlined
     ))
       AND delivery.id = overdue.id`,
    [now, waitSeconds, webhookId ?? null],
  )
  return rowCount ?? 0
}
