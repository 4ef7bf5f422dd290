import type { Queryable } from '../database/database.ts'

/**
 * Deliveries of an inactive webhook wait for it, but not for ever: those that waited as long as all their retries
 * together would have taken, from when they were published or last retried by hand, fail. Answers how many did.
 *
 * @param waitSeconds the sum of the deployment's retry delays, for webhooks without their own
 * @param webhookId only of this one, which is just being made active again
 */
export async function failOverdue(
  queryable: Queryable,
  { now, waitSeconds, webhookId }: { now: Date; waitSeconds: number; webhookId?: string },
): Promise<number> {
  const { rowCount } = await queryable.query(
    `WITH idle AS MATERIALIZED (
       SELECT
         webhook.id,
         COALESCE(
           (SELECT SUM(seconds) FROM unnest(webhook.retry_seconds) AS seconds),
           CASE WHEN webhook.retry_seconds IS NULL THEN $2::integer ELSE 0 END
         ) AS wait_seconds
       FROM postrider.webhooks AS webhook
       WHERE CASE WHEN $3::uuid IS NULL THEN NOT webhook.is_active ELSE webhook.id = $3::uuid END
     ),
     waiting AS (
       SELECT queued.delivery_id
       FROM idle
       JOIN postrider.delivery_queue AS queued
         ON queued.webhook_id = idle.id
       UNION ALL
       SELECT scheduled.delivery_id
       FROM idle
       JOIN postrider.delivery_schedule AS scheduled
         ON scheduled.webhook_id = idle.id
       UNION ALL
       SELECT lined.delivery_id
       FROM idle
       JOIN postrider.delivery_line_waiting AS lined
         ON lined.webhook_id = idle.id
     ),
     overdue AS MATERIALIZED (
       SELECT delivery.id, delivery.webhook_id, delivery.scheduled_at
       FROM postrider.deliveries AS delivery
       JOIN idle
         ON idle.id = delivery.webhook_id
       WHERE delivery.id = ANY(ARRAY(SELECT waiting.delivery_id FROM waiting))
         AND delivery.status = 'pending'
         AND COALESCE(delivery.retried_at, delivery.created_at)
           <= $1::timestamptz - make_interval(secs => idle.wait_seconds)
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
     UPDATE postrider.deliveries
     SET status = 'failed',
         last_error = 'webhook inactive'
     WHERE id = ANY(ARRAY(
       SELECT delivery_id FROM unqueued
       UNION ALL
       SELECT delivery_id FROM unscheduled
       UNION ALL
       SELECT delivery_id FROM unlined
     ))`,
    [now, waitSeconds, webhookId ?? null],
  )
  return rowCount ?? 0
}
