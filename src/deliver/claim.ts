import type { Queryable } from '../database/database.ts'

/** A delivery that this worker has in flight, with what is needed of its webhook to send it. */
export interface ClaimedDelivery {
  id: string
  webhook_id: string
  project_id: string
  event_id: string
  event_type: string
  /** The envelope as JSON text: the bytes that are signed and sent. */
  payload: string
  attempts: number
  max_attempts: number
  rescues: number
  url: string
  secret: string
  previous_secret: string | null
  previous_secret_expires_at: Date | null
  headers: Record<string, string> | null
  /** The webhook's own policy, where it has one. */
  retry_seconds: number[] | null
  timeout_ms: number | null
  max_in_flight: number | null
  ordered: boolean
}

/** The number of the try that is being made. */
export function attemptNumber({ attempts, rescues }: Pick<ClaimedDelivery, 'attempts' | 'rescues'>): number {
  return attempts + rescues + 1
}

export interface Claim {
  workerId: string
  now: Date
  /** Deliveries wanted. */
  limit: number
  /** What may be held at once of a webhook that says nothing else, so that a dead endpoint cannot take every slot. */
  maxHeld: number
  /** What this worker holds, by webhook, and how much it may of those that it knows. */
  limits: { held: ReadonlyMap<string, number>; most: ReadonlyMap<string, number> }
  /** Ids whose results are written: they leave the worker's row with this claim. */
  finished: readonly string[]
  /** Webhooks after this id are looked at first: each claim goes on where the last one ended. */
  afterWebhookId: string
}

export const firstWebhookId = '00000000-0000-0000-0000-000000000000'

const claimedColumns = `
  delivery.id, delivery.webhook_id, delivery.project_id, delivery.event_id, delivery.event_type,
  COALESCE(delivery.payload, stored.payload)::text AS payload, delivery.attempts, delivery.max_attempts,
  delivery.rescues, webhook.url, webhook.secret, webhook.previous_secret, webhook.previous_secret_expires_at,
  webhook.headers, webhook.retry_seconds, webhook.timeout_ms,
  webhook.max_in_flight, webhook.ordered`

/** A token bucket: `rate_per_second` tokens come in each second, and it holds those of one second, at least one. */
const tokens = `LEAST(
  rate.tokens + webhook.rate_per_second * GREATEST(EXTRACT(EPOCH FROM $5::timestamptz - rate.refilled_at), 0),
  GREATEST(webhook.rate_per_second, 1)
)`

/**
 * Claims from the queue, fairly: it steps by index from one webhook with waiting deliveries to the next and takes from
 * each no more than it has room and, where it has a rate, tokens for. A million rows of one webhook are never walked to
 * find another's. Rows that another worker is just claiming are skipped, and so is a webhook whose tokens it is counting.
 *
 * A claimed row leaves the queue and is written into the worker's own row, in the same statement: that is all that is
 * written, whatever the number of deliveries. `ctid = ANY(ARRAY(…))` deletes the very rows that were locked; a join
 * would get a plan that scans the queue.
 */
export async function claim(queryable: Queryable, wanted: Claim): Promise<ClaimedDelivery[]> {
  const { rows } = await queryable.query<ClaimedDelivery>(
    `WITH RECURSIVE life AS MATERIALIZED (
       SELECT worker.id
       FROM postrider.workers AS worker
       WHERE worker.id = $1::uuid
       FOR NO KEY UPDATE
     ),
     queues AS (
       (
         SELECT queued.webhook_id
         FROM postrider.delivery_queue AS queued
         WHERE queued.webhook_id > $2::uuid
           AND EXISTS (SELECT FROM life)
         ORDER BY queued.webhook_id
         LIMIT 1
       )
       UNION ALL
       SELECT (
         SELECT queued.webhook_id
         FROM postrider.delivery_queue AS queued
         WHERE queued.webhook_id > queues.webhook_id
         ORDER BY queued.webhook_id
         LIMIT 1
       )
       FROM queues
       WHERE queues.webhook_id IS NOT NULL
     ),
     candidates AS MATERIALIZED (
       SELECT due.place, queues.webhook_id, webhook.rate_per_second
       FROM queues
       JOIN postrider.webhooks AS webhook
         ON webhook.id = queues.webhook_id
         AND webhook.is_active
       LEFT JOIN unnest($3::uuid[], $4::integer[]) AS busy (webhook_id, count)
         ON busy.webhook_id = queues.webhook_id
       LEFT JOIN unnest($9::uuid[], $10::integer[]) AS known (webhook_id, most)
         ON known.webhook_id = queues.webhook_id
       LEFT JOIN LATERAL (
         SELECT rate.tokens, rate.refilled_at
         FROM postrider.webhook_rates AS rate
         WHERE rate.webhook_id = queues.webhook_id
           AND webhook.rate_per_second IS NOT NULL
         FOR UPDATE SKIP LOCKED
       ) AS rate
         ON true
       CROSS JOIN LATERAL (
         SELECT LEAST(
           COALESCE(
             known.most,
             webhook.max_in_flight,
             $6::integer
           ) - COALESCE(busy.count, 0),
           CASE
             WHEN webhook.rate_per_second IS NULL THEN $7::integer
             -- Another worker is counting them.
             WHEN rate.tokens IS NULL THEN 0
             ELSE FLOOR(${tokens})
           END
         ) AS count
       ) AS room
       CROSS JOIN LATERAL (
         SELECT queued.ctid AS place
         FROM postrider.delivery_queue AS queued
         WHERE queued.webhook_id = queues.webhook_id
           AND queued.scheduled_at <= $5::timestamptz + interval '10 milliseconds'
         ORDER BY queued.scheduled_at
         LIMIT GREATEST(room.count, 0)
         FOR UPDATE SKIP LOCKED
       ) AS due
       LIMIT $7::integer
     ),
     taken AS (
       DELETE FROM postrider.delivery_queue
       WHERE ctid = ANY(ARRAY(SELECT candidates.place FROM candidates))
       RETURNING delivery_id
     ),
     claimed AS MATERIALIZED (
       SELECT delivery.*
       FROM postrider.deliveries AS delivery
       WHERE delivery.id = ANY(ARRAY(SELECT taken.delivery_id FROM taken))
         AND delivery.status IN ('pending', 'delivering')
     ),
     spent AS (
       UPDATE postrider.webhook_rates AS rate
       SET tokens = ${tokens} - taken.count,
           refilled_at = GREATEST(rate.refilled_at, $5::timestamptz)
       FROM (
         SELECT candidates.webhook_id, candidates.rate_per_second, COUNT(*) AS count
         FROM candidates
         WHERE candidates.rate_per_second IS NOT NULL
         GROUP BY candidates.webhook_id, candidates.rate_per_second
       ) AS taken (webhook_id, rate_per_second, count)
       CROSS JOIN LATERAL (SELECT taken.rate_per_second) AS webhook
       WHERE rate.webhook_id = taken.webhook_id
     ),
     held AS (
       SELECT
         array_agg(entry.id) AS ids,
         array_agg(entry.attempt) AS attempts,
         array_agg(entry.since) AS since
       FROM (
         SELECT entry.id, entry.attempt, entry.since
         FROM postrider.workers AS worker
         CROSS JOIN LATERAL unnest(worker.in_flight, worker.in_flight_attempts, worker.in_flight_since)
           AS entry (id, attempt, since)
         WHERE worker.id = $1::uuid
           AND entry.id <> ALL($8::uuid[])
         UNION ALL
         SELECT claimed.id, claimed.attempts + claimed.rescues + 1, $5::timestamptz
         FROM claimed
       ) AS entry
     ),
     noted AS (
       UPDATE postrider.workers AS worker
       SET in_flight = held.ids,
           in_flight_attempts = held.attempts,
           in_flight_since = held.since
       FROM held
       WHERE worker.id = $1::uuid
         AND EXISTS (SELECT FROM claimed)
     )
     SELECT ${claimedColumns}
     FROM claimed AS delivery
     JOIN postrider.webhooks AS webhook
       ON webhook.id = delivery.webhook_id
     LEFT JOIN postrider.event_payloads AS stored
       ON stored.project_id = delivery.project_id
       AND stored.event_id = delivery.event_id`,
    [
      wanted.workerId,
      wanted.afterWebhookId,
      [...wanted.limits.held.keys()],
      [...wanted.limits.held.values()],
      wanted.now,
      wanted.maxHeld,
      wanted.limit,
      wanted.finished,
      [...wanted.limits.most.keys()],
      [...wanted.limits.most.values()],
    ],
  )
  return rows
}

/**
 * Puts back into the queue what was claimed and never sent. No try was made: nothing is recorded.
 */
export async function giveBack(
  queryable: Queryable,
  workerId: string,
  unsent: readonly ClaimedDelivery[],
): Promise<void> {
  await queryable.query(
    `WITH kept AS (
       SELECT
         COALESCE(array_agg(entry.id), '{}') AS ids,
         COALESCE(array_agg(entry.attempt), '{}') AS attempts,
         COALESCE(array_agg(entry.since), '{}') AS since
       FROM postrider.workers AS worker
       CROSS JOIN LATERAL unnest(worker.in_flight, worker.in_flight_attempts, worker.in_flight_since)
         AS entry (id, attempt, since)
       WHERE worker.id = $1::uuid
         AND entry.id <> ALL($2::uuid[])
     ),
     life AS (
       UPDATE postrider.workers AS worker
       SET in_flight = kept.ids,
           in_flight_attempts = kept.attempts,
           in_flight_since = kept.since
       FROM kept
       WHERE worker.id = $1::uuid
       RETURNING worker.id
     ),
     waiting AS (
       UPDATE postrider.deliveries AS delivery
       SET status = 'pending'
       FROM unnest($2::uuid[], $3::integer[]) AS entry (id, attempt)
       WHERE delivery.id = ANY($2::uuid[])
         AND delivery.id = entry.id
         AND delivery.attempts + delivery.rescues + 1 = entry.attempt
         AND delivery.status IN ('pending', 'delivering')
         AND EXISTS (SELECT FROM life)
       RETURNING delivery.webhook_id, delivery.scheduled_at, delivery.id
     )
     INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
     SELECT waiting.webhook_id, waiting.scheduled_at, waiting.id
     FROM waiting`,
    [workerId, unsent.map(({ id }) => id), unsent.map(attemptNumber)],
  )
}

/**
 * What the worker's row says is in flight and the worker does not know of: the answer to a claim was lost, its commit
 * was not.
 */
export async function readUnknown(
  queryable: Queryable,
  workerId: string,
  known: readonly string[],
): Promise<ClaimedDelivery[]> {
  const { rows } = await queryable.query<ClaimedDelivery>(
    `SELECT ${claimedColumns}
     FROM postrider.workers AS worker
     CROSS JOIN LATERAL unnest(worker.in_flight, worker.in_flight_attempts) AS entry (id, attempt)
     JOIN postrider.deliveries AS delivery
       ON delivery.id = entry.id
       AND delivery.attempts + delivery.rescues + 1 = entry.attempt
       AND delivery.status IN ('pending', 'delivering')
     JOIN postrider.webhooks AS webhook
       ON webhook.id = delivery.webhook_id
     LEFT JOIN postrider.event_payloads AS stored
       ON stored.project_id = delivery.project_id
       AND stored.event_id = delivery.event_id
     WHERE worker.id = $1::uuid
       AND entry.id <> ALL($2::uuid[])`,
    [workerId, known],
  )
  return rows
}

/** Marks what has been in flight for a while, so that anyone who looks in SQL sees it. */
export async function markDelivering(
  queryable: Queryable,
  workerId: string,
  held: readonly ClaimedDelivery[],
): Promise<void> {
  await queryable.query(
    `WITH life AS MATERIALIZED (
       SELECT worker.id
       FROM postrider.workers AS worker
       WHERE worker.id = $1::uuid
       FOR KEY SHARE
     )
     UPDATE postrider.deliveries AS delivery
     SET status = 'delivering'
     FROM unnest($2::uuid[], $3::integer[]) AS entry (id, attempt)
     WHERE delivery.id = ANY($2::uuid[])
       AND delivery.id = entry.id
       AND delivery.attempts + delivery.rescues + 1 = entry.attempt
       AND delivery.status = 'pending'
       AND EXISTS (SELECT FROM life)`,
    [workerId, held.map(({ id }) => id), held.map(attemptNumber)],
  )
}
