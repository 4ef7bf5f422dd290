import type { Queryable } from '../database/database.ts'
import type { ClaimedDelivery } from './claim.ts'

export interface Rescued {
  id: string
  webhook_id: string
  event_id: string
  attempt: number
  status: 'pending' | 'failed'
}

/** At most this many rows in one transaction. */
const batchSize = 500

/**
 * Takes back deliveries whose lease ran out: their worker died, or lost the database. The try that was cut off becomes
 * an attempt of outcome `interrupted` that the retry budget does not pay for. A delivery that was cut off `max_rescues`
 * times fails: its payload may be what kills the workers.
 */
export async function rescueExpired(queryable: Queryable, now: Date): Promise<Rescued[]> {
  const rescued: Rescued[] = []
  for (;;) {
    const batch = await interrupt(queryable, 'lease_until < $1::timestamptz', [now, 0])
    rescued.push(...batch)
    if (batch.length < batchSize) return rescued
  }
}

/** Gives up what this worker holds, when it must stop before an answer came: no crash, and not counted as one. */
export function release(
  queryable: Queryable,
  held: readonly ClaimedDelivery[],
  now: Date,
): Promise<Rescued[]> {
  const tokens = [...new Set(held.map(({ lease_token }) => lease_token))]
  return interrupt(queryable, 'id = ANY($3::uuid[]) AND lease_token = ANY($4::uuid[])', [
    now,
    1,
    held.map(({ id }) => id),
    tokens,
  ])
}

/**
 * `condition` chooses among the rows in flight; $1 is now, $2 how many more crashes are forgiven. Rows that a result is
 * just written to are skipped.
 */
async function interrupt(queryable: Queryable, condition: string, values: unknown[]): Promise<Rescued[]> {
  const { rows } = await queryable.query<Rescued>(
    `WITH interrupted AS MATERIALIZED (
       SELECT id, claimed_at, attempts + rescues + 1 AS attempt
       FROM postrider.webhook_deliveries
       WHERE status = 'delivering'
         AND ${condition}
       LIMIT ${batchSize}
       FOR UPDATE SKIP LOCKED
     ),
     rescued AS (
       UPDATE postrider.webhook_deliveries AS delivery
       SET status = CASE
             WHEN delivery.rescues + 1 >= delivery.max_rescues + $2::integer THEN 'failed'
             ELSE 'pending'
           END::postrider.webhook_delivery_status,
           rescues = delivery.rescues + 1,
           max_rescues = delivery.max_rescues + $2::integer,
           scheduled_at = $1::timestamptz,
           last_attempt_at = delivery.claimed_at,
           last_response_status = NULL,
           last_response_body = NULL,
           last_error = CASE
             WHEN delivery.rescues + 1 >= delivery.max_rescues + $2::integer THEN 'worker crashed'
             ELSE 'interrupted'
           END,
           lease_token = NULL,
           lease_until = NULL,
           claimed_at = NULL
       WHERE delivery.id = ANY(ARRAY(SELECT interrupted.id FROM interrupted))
       RETURNING delivery.id, delivery.webhook_id, delivery.event_id, delivery.status
     ),
     recorded AS (
       INSERT INTO postrider.webhook_delivery_attempts (delivery_id, attempt, started_at, error, outcome)
       SELECT
         interrupted.id,
         interrupted.attempt,
         interrupted.claimed_at,
         'interrupted',
         'interrupted'
       FROM interrupted
     )
     SELECT rescued.id, rescued.webhook_id, rescued.event_id, interrupted.attempt, rescued.status
     FROM rescued
     JOIN interrupted
       ON interrupted.id = rescued.id`,
    values,
  )
  return rows
}
