import type { Database } from '../../src/database/database.ts'

/** Deliveries with their events and an attempt each, as if they were published at a moment and had ended. */
export async function insertHistory(
  database: Database,
  {
    projectId,
    webhookId,
    at,
    count,
    status = 'delivered',
  }: {
    projectId: string
    webhookId: string
    at: Date
    count: number
    status?: 'delivered' | 'failed' | 'pending'
  },
): Promise<{ id: string; event_id: string }[]> {
  const { rows } = await database.query<{ id: string; event_id: string }>(
    `WITH made AS MATERIALIZED (
       SELECT
         (left(postrider.uuid_at($3::timestamptz)::text, 14) || '7' || right(gen_random_uuid()::text, 21))::uuid AS id,
         gen_random_uuid() AS event_id
       FROM generate_series(1, $4::integer)
     ),
     known AS (
       INSERT INTO postrider.event_ids (project_id, id, created_at)
       SELECT $1::uuid, made.event_id, $3::timestamptz
       FROM made
       WHERE EXISTS (SELECT FROM postrider.history_partitions)
     ),
     published AS (
       INSERT INTO postrider.events (project_id, id, type, "timestamp", created_at, deliveries, payload)
       SELECT $1::uuid, made.event_id, 'a', $3::timestamptz, $3::timestamptz, 1, '{"data":1}'
       FROM made
     ),
     tried AS (
       INSERT INTO postrider.webhook_delivery_attempts (delivery_id, attempt, started_at, outcome)
       SELECT made.id, 1, $3::timestamptz, CASE WHEN $5 = 'delivered' THEN 'delivered' ELSE 'retry' END
       FROM made
     )
     INSERT INTO postrider.deliveries (
       id, project_id, webhook_id, event_id, event_type, status, attempts, created_at, scheduled_at, delivered_at
     )
     SELECT
       made.id, $1::uuid, $2::uuid, made.event_id, 'a', $5::postrider.webhook_delivery_status, 1, $3::timestamptz,
       $3::timestamptz, CASE WHEN $5 = 'delivered' THEN $3::timestamptz END
     FROM made
     RETURNING id, event_id`,
    [projectId, webhookId, at, count, status],
  )
  return rows
}
