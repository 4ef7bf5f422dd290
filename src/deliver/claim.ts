import type { SpanContext } from '@opentelemetry/api'
import type { Queryable } from '../database/database.ts'
import type { Shape } from '../shape/shape.ts'

/** A delivery that this worker has in flight, with what is needed of its webhook to send it. */
export interface ClaimedDelivery {
  id: string
  webhook_id: string
  project_id: string
  event_id: string
  event_type: string
  /** The envelope as JSON text: the bytes that are signed and sent. Empty where it has expired, and nothing can be sent. */
  payload: string
  attempts: number
  max_attempts: number
  rescues: number
  max_rescues: number
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
  /** The filter and template that its webhook had when the event was published, if any; `Shapes` reads them. */
  shape_id: string | null
  shape?: Shape | undefined
  /** Its endpoint is down as far as is known: it goes out to find out whether that is still so. */
  is_probe: boolean
  /** Of the trace that its event was published in, as it was told: see `readTraceparent`. */
  traceparent: string | null
  /** The span of the claim, where spans are made. */
  claim_span?: SpanContext
}

/** The number of the try that is being made. */
export function attemptNumber({ attempts, rescues }: Pick<ClaimedDelivery, 'attempts' | 'rescues'>): number {
  return attempts + rescues + 1
}

/** Queues that a claim looks into and no others, each from a moment on. */
export interface KnownQueues {
  webhookIds: string[]
  since: Date[]
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
  /** Only these queues are looked into, in this order. */
  known?: KnownQueues | undefined
}

const claimedColumns = `
  claimed.id, claimed.webhook_id, claimed.project_id, claimed.event_id, claimed.event_type,
  COALESCE(claimed.payload, '') AS payload,
  claimed.attempts, claimed.max_attempts, claimed.rescues, claimed.max_rescues, claimed.url, claimed.secret,
  claimed.previous_secret, claimed.previous_secret_expires_at, claimed.headers, claimed.retry_seconds, claimed.timeout_ms,
  claimed.max_in_flight, claimed.ordered, claimed.shape_id, claimed.is_probe, claimed.traceparent`

export const firstWebhookId = '00000000-0000-0000-0000-000000000000'

/**
 * Claims from the queue, fairly between webhooks: `postrider.claim_deliveries` says how. One statement, no transaction
 * stays open.
 *
 * Its commit waits for the disk. Without that a crash of the database undid claims whose deliveries were sent, and they were
 * sent again under the same number.
 */
export async function claim(queryable: Queryable, wanted: Claim): Promise<ClaimedDelivery[]> {
  const { known } = wanted
  const { held, most } = wanted.limits
  const { rows } = await queryable.query<ClaimedDelivery>(
    `SELECT ${claimedColumns}
     FROM postrider.claim_deliveries(
       worker_id => $1::uuid,
       now => $2::timestamptz,
       wanted => $3::integer,
       max_held => $4::integer,
       after_webhook_id => $5::uuid,
       held_webhook_ids => $6::uuid[],
       held_counts => $7::integer[],
       known_webhook_ids => $8::uuid[],
       known_most => $9::integer[],
       finished => $10::uuid[]${known ? ', known_queues => $11::uuid[], known_since => $12::timestamptz[]' : ''}
     ) AS claimed`,
    [
      wanted.workerId,
      wanted.now,
      wanted.limit,
      wanted.maxHeld,
      wanted.afterWebhookId,
      [...held.keys()],
      [...held.values()],
      [...most.keys()],
      [...most.values()],
      wanted.finished,
      ...(known ? [known.webhookIds, known.since] : []),
    ],
  )
  return rows
}

/** One more try that is cut off, and it fails. */
export function isLastChance({ rescues, max_rescues }: ClaimedDelivery): boolean {
  return rescues + 1 >= max_rescues
}

/**
 * Puts back into the queue what was claimed and never sent: what is returned, or all but what is kept. No try was made:
 * nothing is recorded. With `alone` it is noted that what is kept is sent with nothing else in flight. Answers whether the
 * life is still there.
 */
export async function giveBack(
  queryable: Queryable,
  workerId: string,
  given: { kept: readonly string[]; alone?: string } | { returned: readonly string[] },
): Promise<boolean> {
  const ids = 'kept' in given ? given.kept : given.returned
  const { rows } = await queryable.query(
    `WITH life AS MATERIALIZED (
       SELECT worker.id, worker.in_flight, worker.in_flight_attempts, worker.in_flight_since
       FROM postrider.workers AS worker
       WHERE worker.id = $1::uuid
       FOR NO KEY UPDATE
     ),
     entry AS MATERIALIZED (
       SELECT entry.id, entry.attempt, entry.since, (entry.id = ANY($2::uuid[])) = $4::boolean AS is_kept
       FROM life
       CROSS JOIN LATERAL unnest(life.in_flight, life.in_flight_attempts, life.in_flight_since)
         AS entry (id, attempt, since)
     ),
     noted AS (
       UPDATE postrider.workers AS worker
       SET in_flight = ARRAY(SELECT entry.id FROM entry WHERE entry.is_kept ORDER BY entry.id, entry.attempt),
           in_flight_attempts = ARRAY(SELECT entry.attempt FROM entry WHERE entry.is_kept ORDER BY entry.id, entry.attempt),
           in_flight_since = ARRAY(SELECT entry.since FROM entry WHERE entry.is_kept ORDER BY entry.id, entry.attempt),
           alone = COALESCE($3::uuid, worker.alone)
       FROM life
       WHERE worker.id = life.id
     ),
     waiting AS (
       UPDATE postrider.deliveries AS delivery
       SET status = 'pending'
       FROM entry
       WHERE delivery.id = ANY(ARRAY(SELECT entry.id FROM entry WHERE NOT entry.is_kept))
         AND delivery.id = entry.id
         AND NOT entry.is_kept
         AND delivery.attempts + delivery.rescues + 1 = entry.attempt
         AND delivery.status IN ('pending', 'delivering')
       RETURNING delivery.webhook_id, delivery.scheduled_at, delivery.id
     ),
     queued AS (
       INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
       SELECT waiting.webhook_id, waiting.scheduled_at, waiting.id
       FROM waiting
     )
     SELECT life.id
     FROM life`,
    [workerId, ids, 'kept' in given ? (given.alone ?? null) : null, 'kept' in given],
  )
  return rows.length > 0
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
    `SELECT
       ${claimedColumns},
       -- The answer that was lost may have said so. Of two columns with one name the last one counts.
       EXISTS (
         SELECT
         FROM postrider.webhook_breakers AS breaker
         WHERE breaker.webhook_id = claimed.webhook_id
       ) AS is_probe
     FROM postrider.workers AS worker
     CROSS JOIN LATERAL unnest(worker.in_flight, worker.in_flight_attempts) AS entry (id, attempt)
     JOIN postrider.claimable_deliveries AS claimed
       ON claimed.id = entry.id
       AND claimed.attempts + claimed.rescues + 1 = entry.attempt
       AND claimed.status IN ('pending', 'delivering')
     WHERE worker.id = $1::uuid
       AND entry.id <> ALL($2::uuid[])`,
    [workerId, known],
  )
  return rows
}

/**
 * Marks what has been in flight for a while, so that anyone who looks in SQL sees it. What somebody is just writing is left
 * out: it has a result, and to wait for one row while others are held could be crosswise.
 */
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
     ),
     free AS MATERIALIZED (
       SELECT delivery.id
       FROM postrider.deliveries AS delivery
       WHERE delivery.id = ANY($2::uuid[])
         AND delivery.status = 'pending'
         AND EXISTS (SELECT FROM life)
       FOR NO KEY UPDATE SKIP LOCKED
     )
     UPDATE postrider.deliveries AS delivery
     SET status = 'delivering'
     FROM unnest($2::uuid[], $3::integer[]) AS entry (id, attempt)
     WHERE delivery.id = ANY(ARRAY(SELECT free.id FROM free))
       AND delivery.id = entry.id
       AND delivery.attempts + delivery.rescues + 1 = entry.attempt
       AND delivery.status = 'pending'`,
    [workerId, held.map(({ id }) => id), held.map(attemptNumber)],
  )
}
