import type { Queryable } from '../database/database.ts'
import { type Candidate, holdEvents, type Slice, type Sliced, slicedOf } from './rule-steps.ts'

export interface SlicedPayloads extends Sliced {
  /** When the first event of the slice was published that keeps its payload for now. */
  leftAt: string | null
}

/**
 * Looks at the next events of a project that are older than it keeps payloads, and takes the payload of those all of whose
 * deliveries are finished, and with it what receivers answered: their bodies and headers, which may repeat it. The rest of
 * the history stays. An event of which something is still to be sent, or that somebody is just changing, keeps it for now.
 *
 * Whoever sends something again holds its delivery, and whoever makes a new one holds its event: both are held here, too.
 */
export async function expirePayloads(
  queryable: Queryable,
  slice: Slice & { now: Date },
): Promise<SlicedPayloads> {
  const { projectId, cutoffs, after, size, now } = slice
  const { rows } = await queryable.query<Candidate>(
    `SELECT
       event.id,
       event.created_at::text AS created_at,
       event.payload_expired_at IS NULL AS may_go
     FROM postrider.events AS event
     WHERE event.project_id = $1::uuid
       AND event.created_at < $4::timestamptz
       AND (event.created_at, event.id) > ($2::timestamptz, $3::uuid)
     ORDER BY event.created_at, event.id
     LIMIT $5::integer`,
    [projectId, after.createdAt, after.id, cutoffs.payloads, size],
  )
  const ids = await holdEvents(queryable, projectId, rows)
  if (ids.length === 0) {
    return { ...slicedOf(rows, slice, 0), leftAt: rows.find(({ may_go }) => may_go)?.created_at ?? null }
  }
  const expired = await queryable.query<{ id: string }>(
    `WITH event AS MATERIALIZED (
       SELECT event.id
       FROM postrider.events AS event
       WHERE event.project_id = $1::uuid
         AND event.id = ANY($2::uuid[])
         AND event.created_at BETWEEN $3::timestamptz AND $4::timestamptz
         AND event.payload_expired_at IS NULL
       FOR UPDATE SKIP LOCKED
     ),
     finished AS MATERIALIZED (
       SELECT delivery.id, delivery.event_id
       FROM postrider.deliveries AS delivery
       WHERE delivery.project_id = $1::uuid
         AND delivery.event_id = ANY(ARRAY(SELECT event.id FROM event))
         AND delivery.status IN ('delivered', 'failed')
       FOR UPDATE SKIP LOCKED
     ),
     ready AS MATERIALIZED (
       SELECT event.id
       FROM event
       WHERE NOT EXISTS (
         SELECT
         FROM postrider.deliveries AS delivery
         WHERE delivery.project_id = $1::uuid
           AND delivery.event_id = event.id
           AND delivery.id NOT IN (SELECT finished.id FROM finished)
       )
     ),
     emptied AS MATERIALIZED (
       SELECT finished.id
       FROM finished
       WHERE finished.event_id IN (SELECT ready.id FROM ready)
     ),
     deliveries AS (
       UPDATE postrider.deliveries AS delivery
       SET payload = NULL,
           last_response_body = NULL,
           payload_expired_at = $5::timestamptz
       WHERE delivery.project_id = $1::uuid
         AND delivery.id = ANY(ARRAY(SELECT emptied.id FROM emptied))
     ),
     answers AS (
       UPDATE postrider.webhook_delivery_attempts AS attempt
       SET response_headers = NULL,
           response_body = NULL
       WHERE attempt.delivery_id = ANY(ARRAY(SELECT emptied.id FROM emptied))
         AND (attempt.response_headers IS NOT NULL OR attempt.response_body IS NOT NULL)
     )
     UPDATE postrider.events AS event
     SET payload = NULL,
         payload_expired_at = $5::timestamptz
     WHERE event.project_id = $1::uuid
       AND event.id = ANY(ARRAY(SELECT ready.id FROM ready))
       AND event.created_at BETWEEN $3::timestamptz AND $4::timestamptz
     RETURNING event.id`,
    [projectId, ids, rows[0]!.created_at, rows.at(-1)!.created_at, now],
  )
  const done = new Set(expired.rows.map(({ id }) => id))
  const left = rows.find(({ id, may_go }) => may_go && !done.has(id))
  return { ...slicedOf(rows, slice, done.size), leftAt: left?.created_at ?? null }
}
