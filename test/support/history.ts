import type { Database } from '../../src/database/database.ts'

/** Rows of a history as it may have come about over months. */

export interface Past {
  projectId: string
  webhookId: string
  type?: string
  status?: 'delivered' | 'failed' | 'pending'
  /** Before `now`. */
  days: number
  now: Date
  count?: number
}

/** Events with a delivery each, and an attempt of that, from so long ago; answers the ids of the events. */
export async function insertPast(
  database: Database,
  { projectId, webhookId, type = 'a', status = 'delivered', days, now, count = 1 }: Past,
): Promise<string[]> {
  const { rows } = await database.query<{ id: string }>(
    `WITH moment AS (
       SELECT $5::timestamptz - $6::integer * interval '1 day' AS at
     ),
     event AS (
       INSERT INTO postrider.events (project_id, id, type, "timestamp", created_at, deliveries, payload)
       SELECT $1::uuid, postrider.uuid_generate_v7(), $3::text, moment.at, moment.at, 1, '{"data":{"n":1}}'
       FROM moment
       CROSS JOIN generate_series(1, $7::integer)
       RETURNING id, created_at
     ),
     known AS (
       INSERT INTO postrider.event_ids (project_id, id, created_at)
       SELECT $1::uuid, event.id, event.created_at
       FROM event
     ),
     delivery AS (
       INSERT INTO postrider.deliveries (
         project_id, webhook_id, event_id, event_type, status, attempts, delivered_at, created_at, scheduled_at,
         last_response_body
       )
       SELECT
         $1::uuid,
         $2::uuid,
         event.id,
         $3::text,
         $4::postrider.webhook_delivery_status,
         1,
         CASE WHEN $4::text = 'delivered' THEN event.created_at END,
         event.created_at,
         event.created_at,
         'thanks for n = 1'
       FROM event
       RETURNING id, webhook_id, scheduled_at, status, created_at
     ),
     attempt AS (
       INSERT INTO postrider.webhook_delivery_attempts (
         delivery_id, attempt, started_at, request_headers, response_headers, response_body, outcome
       )
       SELECT delivery.id, 1, delivery.created_at, '{"webhook-id":"x"}', '{"x-echo":"n = 1"}', 'thanks for n = 1', 'retry'
       FROM delivery
     ),
     queued AS (
       INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
       SELECT delivery.webhook_id, delivery.scheduled_at, delivery.id
       FROM delivery
       WHERE delivery.status = 'pending'
     )
     SELECT event.id
     FROM event`,
    [projectId, webhookId, type, status, now, days, count],
  )
  return rows.map(({ id }) => id)
}

/** Which of these events are there, and which still have a delivery. */
export async function remaining(
  database: Database,
  ids: readonly string[],
): Promise<{ events: number; deliveries: number; attempts: number }> {
  const { rows } = await database.query<{ events: number; deliveries: number; attempts: number }>(
    `SELECT
       (SELECT COUNT(*)::integer FROM postrider.events WHERE id = ANY($1::uuid[])) AS events,
       (SELECT COUNT(*)::integer FROM postrider.deliveries WHERE event_id = ANY($1::uuid[])) AS deliveries,
       (
         SELECT COUNT(*)::integer
         FROM postrider.webhook_delivery_attempts AS attempt
         WHERE attempt.delivery_id IN (SELECT id FROM postrider.deliveries WHERE event_id = ANY($1::uuid[]))
       ) AS attempts`,
    [ids],
  )
  return rows[0]!
}
