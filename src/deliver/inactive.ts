import type { Queryable } from '../database/database.ts'

/**
 * Deliveries of an inactive webhook wait for it, but not for ever: those that waited as long as all their retries
 * together would have taken, from when they were published or last retried by hand, fail. Answers how many did.
 *
 * @param webhookId only of this one, which is just being made active again
 */
export async function failOverdue(
  queryable: Queryable,
  { now, waitSeconds, webhookId }: { now: Date; waitSeconds: number; webhookId?: string },
): Promise<number> {
  const { rowCount } = await queryable.query(
    `UPDATE postrider.webhook_deliveries
     SET status = 'failed',
         last_error = 'webhook inactive'
     WHERE id = ANY(ARRAY(
       SELECT delivery.id
       FROM postrider.webhooks AS webhook
       JOIN postrider.webhook_deliveries AS delivery
         ON delivery.webhook_id = webhook.id
       WHERE CASE WHEN $3::uuid IS NULL THEN NOT webhook.is_active ELSE webhook.id = $3::uuid END
         AND delivery.status = 'pending'
         AND COALESCE(delivery.retried_at, delivery.created_at)
           <= $1::timestamptz - make_interval(secs => $2::integer)
       FOR UPDATE OF delivery SKIP LOCKED
     ))`,
    [now, waitSeconds, webhookId ?? null],
  )
  return rowCount ?? 0
}
