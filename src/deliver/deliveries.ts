import { notFound, PostriderError } from '../contract/errors.ts'
import type { Queryable } from '../database/database.ts'
import { ShapeError } from '../shape/shape-error.ts'
import { compileTemplate } from '../shape/template.ts'

export type DeliveryStatus = 'pending' | 'delivering' | 'delivered' | 'failed'

/** A delivery as lists show it. */
export interface Delivery {
  id: string
  webhook_id: string
  event_id: string
  event_type: string
  status: DeliveryStatus
  attempts: number
  max_attempts: number
  scheduled_at: Date
  created_at: Date
  delivered_at: Date | null
  last_attempt_at: Date | null
  last_response_status: number | null
  last_error: string | null
}

/** One delivery whole: `payload` is JSON text, to the digit; null once it has expired. */
export interface DeliveryDetail extends Delivery {
  payload: string | null
  payload_expired_at: Date | null
  last_response_body: string | null
  /** Where one that is not finished stands. */
  place: 'queue' | 'schedule' | 'line' | 'worker' | null
}

export interface DeliveryAttempt {
  id: string
  attempt: number
  started_at: Date
  duration_ms: number | null
  request_headers: Record<string, string>
  response_status: number | null
  response_headers: Record<string, string> | null
  response_body: string | null
  error: string | null
  outcome: 'delivered' | 'retry' | 'failed' | 'interrupted'
}

/** One delivery of a project; with `webhookId`, of that webhook. */
export interface DeliveryKey {
  projectId: string
  id: string
  webhookId?: string | undefined
}

/** The columns of a `Delivery`. */
export const listed = `row.id, row.webhook_id, row.event_id, row.event_type, row.status, row.attempts, row.max_attempts,
  row.scheduled_at, row.created_at, row.delivered_at, row.last_attempt_at, row.last_response_status, row.last_error`

export async function getDelivery(queryable: Queryable, key: DeliveryKey): Promise<DeliveryDetail> {
  const { rows } = await queryable.query<DeliveryDetail & { payload_template: unknown }>(
    `SELECT ${listed}, row.payload::text AS payload, row.last_response_body, ${place} AS place,
            kept.payload_expired_at, shape.payload_template
     FROM postrider.webhook_deliveries AS row
     JOIN postrider.deliveries AS kept
       ON kept.id = row.id
       AND kept.project_id = row.project_id
     LEFT JOIN postrider.webhook_shapes AS shape
       ON shape.id = kept.shape_id
       AND shape.project_id = row.project_id
     WHERE ${isKey}`,
    keyValues(key),
  )
  if (!rows[0]) throw notFound('delivery')
  const { payload_template, ...delivery } = rows[0]
  return payload_template === null || delivery.payload === null
    ? delivery
    : { ...delivery, payload: sentBody(delivery.payload, payload_template) }
}

/** What a template makes of the payload; the payload itself where that is nothing, and nothing can be sent. */
function sentBody(payload: string, template: unknown): string {
  try {
    return compileTemplate(template).render(payload)
  } catch (error) {
    if (error instanceof ShapeError) return payload
    throw error
  }
}

/** It moves from one of them to another in one statement: what stands nowhere else was claimed. */
const place = `CASE
       WHEN row.status IN ('delivered', 'failed') THEN NULL
       WHEN EXISTS (
         SELECT
         FROM postrider.delivery_queue AS queued
         WHERE queued.webhook_id = row.webhook_id
           AND queued.scheduled_at = row.scheduled_at
           AND queued.delivery_id = row.id
       ) THEN 'queue'
       WHEN EXISTS (
         SELECT
         FROM postrider.delivery_schedule AS scheduled
         WHERE scheduled.scheduled_at = row.scheduled_at
           AND scheduled.delivery_id = row.id
       ) THEN 'schedule'
       WHEN EXISTS (
         SELECT
         FROM postrider.delivery_line_waiting AS lined
         WHERE lined.webhook_id = row.webhook_id
           AND lined.delivery_id = row.id
       ) THEN 'line'
       ELSE 'worker'
     END`

/** Every try of a delivery, first to last; there are never more than its attempts and rescues together. */
export async function listAttempts(queryable: Queryable, key: DeliveryKey): Promise<DeliveryAttempt[]> {
  const { rows } = await queryable.query<DeliveryAttempt | { id: null }>(
    `SELECT
       attempt.id, attempt.attempt, attempt.started_at, attempt.duration_ms, attempt.request_headers,
       attempt.response_status, attempt.response_headers, attempt.response_body, attempt.error, attempt.outcome
     FROM postrider.webhook_deliveries AS row
     LEFT JOIN postrider.webhook_delivery_attempts AS attempt
       ON attempt.delivery_id = row.id
     WHERE ${isKey}
     ORDER BY attempt.attempt`,
    keyValues(key),
  )
  if (rows.length === 0) throw notFound('delivery')
  return rows.filter((row): row is DeliveryAttempt => row.id !== null)
}

export interface StateChange {
  now: Date
  /** Tries in the deployment's full schedule, for webhooks without one of their own. */
  scheduleLength: number
}

/**
 * Sends a finished delivery again with a full schedule of tries, its history kept; one that waits for its next try goes
 * now. One that is being sent is refused, `conflict`, and one whose payload has expired: `payload_expired`.
 */
export async function retryDelivery(
  queryable: Queryable,
  key: DeliveryKey,
  { now, scheduleLength }: StateChange,
): Promise<{ id: string; status: 'pending'; scheduled_at: Date }> {
  const { rows } = await queryable.query<{ id: string; status: 'pending'; scheduled_at: Date }>(
    `WITH ${waitingTarget},
     retried AS (
       UPDATE postrider.deliveries AS row
       SET ${retriedColumns('$4', '$5')}
       WHERE row.project_id = $1::uuid
       AND row.id = ANY(ARRAY(
         SELECT target.id
         FROM target
         WHERE target.status IN ('failed', 'delivered')
           AND target.payload_expired_at IS NULL
         UNION ALL
         SELECT waited.delivery_id FROM waited
       ))
       RETURNING row.id, row.webhook_id, row.status, row.scheduled_at
     ),
     queued AS (
       INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
       SELECT retried.webhook_id, retried.scheduled_at, retried.id
       FROM retried
     )
     SELECT
       retried.id,
       retried.status,
       retried.scheduled_at,
       postrider.audit(
         $1::uuid, 'delivery.retried', 'delivery', retried.id::text,
         jsonb_build_object('status', target.status, 'scheduled_at', target.scheduled_at),
         jsonb_build_object('status', retried.status, 'scheduled_at', retried.scheduled_at)
       )
     FROM retried
     JOIN target
       ON target.id = retried.id`,
    [...keyValues(key), now, scheduleLength],
  )
  if (!rows[0]) return refuseRetry(queryable, key)
  const { id, status, scheduled_at } = rows[0]
  return { id, status, scheduled_at }
}

/** The SET list of a manual retry; parameters for now and the number of tries in a full schedule. */
export function retriedColumns(now: string, scheduleLength: string): string {
  return `scheduled_at = CASE
            WHEN row.status = 'pending' THEN LEAST(row.scheduled_at, ${now}::timestamptz)
            ELSE ${now}::timestamptz
          END,
          status = 'pending',
          delivered_at = NULL,
          max_attempts = CASE
            WHEN row.status = 'pending' THEN row.max_attempts
            ELSE row.attempts + COALESCE(
              (
                SELECT cardinality(webhook.retry_seconds) + 1
                FROM postrider.webhooks AS webhook
                WHERE webhook.id = row.webhook_id
                  AND webhook.project_id = row.project_id
              ),
              ${scheduleLength}::integer
            )
          END,
          max_rescues = CASE WHEN row.status = 'pending' THEN row.max_rescues ELSE row.rescues + 5 END,
          retried_at = ${now}::timestamptz`
}

/** Ends a delivery that waits: it is `failed` with the error `cancelled`, and may be retried later. */
export async function cancelDelivery(queryable: Queryable, key: DeliveryKey): Promise<DeliveryDetail> {
  const { rowCount } = await queryable.query(
    `WITH ${waitingTarget}
     UPDATE postrider.deliveries AS row
     SET status = 'failed',
         last_error = 'cancelled'
     WHERE row.project_id = $1::uuid
       AND row.id = ANY(ARRAY(SELECT waited.delivery_id FROM waited))
     RETURNING postrider.audit(
       $1::uuid, 'delivery.cancelled', 'delivery', row.id::text,
       '{"status": "pending"}', '{"status": "failed", "last_error": "cancelled"}'
     )`,
    keyValues(key),
  )
  if (rowCount === 0) return refuse(queryable, key, 'is not waiting: only what is pending can be cancelled')
  return getDelivery(queryable, key)
}

const isKey = `row.project_id = $1::uuid AND row.id = $2::uuid AND ($3::uuid IS NULL OR row.webhook_id = $3::uuid)`

/**
 * The delivery, and where it waited: taken out of the queue, the schedule or a line. A pending one that stood in none is just
 * being sent; a worker that is claiming it holds its row until it has it.
 */
const waitingTarget = `target AS MATERIALIZED (
       SELECT row.id, row.webhook_id, row.scheduled_at, row.status, row.payload_expired_at
       FROM postrider.deliveries AS row
       WHERE ${isKey}
       FOR UPDATE
     ),
     unqueued AS (
       DELETE FROM postrider.delivery_queue AS queued
       USING target
       WHERE target.status = 'pending'
         AND queued.webhook_id = target.webhook_id
         AND queued.scheduled_at = target.scheduled_at
         AND queued.delivery_id = target.id
       RETURNING queued.delivery_id
     ),
     unscheduled AS (
       DELETE FROM postrider.delivery_schedule AS waiting
       USING target
       WHERE target.status = 'pending'
         AND waiting.scheduled_at = target.scheduled_at
         AND waiting.delivery_id = target.id
       RETURNING waiting.delivery_id
     ),
     unlined AS (
       DELETE FROM postrider.delivery_line_waiting AS waiting
       USING target
       WHERE target.status = 'pending'
         AND waiting.webhook_id = target.webhook_id
         AND waiting.delivery_id = target.id
       RETURNING waiting.delivery_id
     ),
     waited AS MATERIALIZED (
       SELECT delivery_id FROM unqueued
       UNION ALL
       SELECT delivery_id FROM unscheduled
       UNION ALL
       SELECT delivery_id FROM unlined
     )`

function keyValues({ projectId, id, webhookId }: DeliveryKey): unknown[] {
  return [projectId, id, webhookId ?? null]
}

async function refuseRetry(queryable: Queryable, key: DeliveryKey): Promise<never> {
  const { payload_expired_at } = await getDelivery(queryable, key)
  if (payload_expired_at === null)
    return refuse(queryable, key, 'is being sent right now: look at its outcome first')
  throw new PostriderError(
    'payload_expired',
    `The payload of this delivery was kept until ${payload_expired_at.toISOString()} and is gone: it cannot be sent again. Publish the event anew, under another id.`,
  )
}

/** It exists but its state does not allow this, or it does not exist. */
async function refuse(queryable: Queryable, key: DeliveryKey, reason: string): Promise<never> {
  const { status } = await getDelivery(queryable, key)
  throw new PostriderError('conflict', `The delivery ${reason}. It is ${status}.`)
}
