import type { Queryable } from '../database/database.ts'

/**
 * Webhooks of which every attempt has failed for days become inactive, after that was announced at half and at three quarters
 * of the way. Counting attempts knows since when: see `postrider.failing_webhooks`. A single delivery proves nothing, so two
 * attempts that failed must lie half a day apart.
 */

const provenBy = `failing.last_failed_at >= failing.since + interval '12 hours'`

export interface FailingRules {
  now: Date
  /** After so many days; 0 for never. */
  days: number
}

export interface Failing {
  webhook_id: string
  project_id: string
  since: Date
}

/** Notes once for each that half or three quarters of the time have passed, for those who listen. Answers which. */
export async function announceFailing(queryable: Queryable, { now, days }: FailingRules): Promise<Failing[]> {
  if (days === 0) return []
  const { rows } = await queryable.query<Failing>(
    `WITH due AS MATERIALIZED (
       SELECT failing.webhook_id, failing.since, step.percent
       FROM postrider.failing_webhooks AS failing
       CROSS JOIN LATERAL (
         SELECT EXTRACT(EPOCH FROM $1::timestamptz - failing.since) / 86400 / $2::integer AS way
       ) AS gone
       CROSS JOIN LATERAL (
         SELECT CASE WHEN gone.way >= 0.75 THEN 75 WHEN gone.way >= 0.5 THEN 50 ELSE 0 END AS percent
       ) AS step
       WHERE ${provenBy}
         AND gone.way < 1
         AND step.percent > failing.announced_percent
       FOR UPDATE OF failing SKIP LOCKED
     ),
     announced AS (
       UPDATE postrider.failing_webhooks AS failing
       SET announced_percent = due.percent
       FROM due
       WHERE failing.webhook_id = due.webhook_id
     )
     SELECT
       due.webhook_id,
       webhook.project_id,
       due.since,
       postrider.signal(webhook, 'webhook.failing', jsonb_build_object(
         'percent', due.percent,
         'failing_since', postrider.utc_text(due.since),
         'disables_at', postrider.utc_text(due.since + $2::integer * interval '1 day')
       )) AS told
     FROM due
     JOIN postrider.webhooks AS webhook
       ON webhook.id = due.webhook_id`,
    [now, days],
  )
  return rows
}

/**
 * Makes those inactive whose time has passed; answers which. What was accepted in the last seconds and is not counted yet
 * keeps a webhook active.
 */
export async function disableFailing(queryable: Queryable, { now, days }: FailingRules): Promise<Failing[]> {
  if (days === 0) return []
  const { rows } = await queryable.query<Failing>(
    `WITH failing AS MATERIALIZED (
       SELECT failing.webhook_id, failing.since
       FROM postrider.failing_webhooks AS failing
       WHERE ${provenBy}
         AND failing.since <= $1::timestamptz - $2::integer * interval '1 day'
         AND NOT EXISTS (
           SELECT
           FROM postrider.statistics_progress AS progress
           JOIN postrider.webhook_delivery_attempts AS attempt
             ON attempt.id >= postrider.uuid_at(progress.attempts_until)
             AND attempt.outcome = 'delivered'
           JOIN postrider.deliveries AS delivery
             ON delivery.id = attempt.delivery_id
             AND delivery.webhook_id = failing.webhook_id
         )
     )
     UPDATE postrider.webhooks AS webhook
     SET is_active = false,
         disabled_reason = 'failing'
     FROM failing
     WHERE webhook.id = failing.webhook_id
       AND webhook.is_active
     RETURNING webhook.id AS webhook_id, webhook.project_id, failing.since`,
    [now, days],
  )
  return rows
}
