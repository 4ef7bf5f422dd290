import type { Queryable } from '../database/database.ts'

/** A delivery that this worker holds a lease on, with what is needed of its webhook to send it. */
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
  lease_token: string
  lease_until: Date
  url: string
  secret: string
  previous_secret: string | null
  previous_secret_expires_at: Date | null
  headers: Record<string, string> | null
}

/** The number of the try that is being made. */
export function attemptNumber({ attempts, rescues }: ClaimedDelivery): number {
  return attempts + rescues + 1
}

export interface Claim {
  now: Date
  leaseToken: string
  leaseSeconds: number
  /** Deliveries wanted. */
  limit: number
  /** In flight at once for one webhook, so that a dead endpoint cannot take every slot. */
  maxInFlight: number
  /** What this worker has in flight, by webhook. */
  inFlight: ReadonlyMap<string, number>
  /** Webhooks after this id are looked at first: each claim goes on where the last one ended. */
  afterWebhookId: string
}

export const firstWebhookId = '00000000-0000-0000-0000-000000000000'

/**
 * Claims due deliveries, fairly: it steps from one webhook with pending rows to the next by index and takes from each
 * no more than it has room for. A million rows of one webhook are never walked to find another's.
 *
 * `id = ANY(ARRAY(…))` is what keeps the UPDATE on the primary key: `FROM candidates` gets a plan that scans and
 * hashes the whole table. Rows that another worker is just claiming are skipped, not waited for.
 */
export async function claim(queryable: Queryable, wanted: Claim): Promise<ClaimedDelivery[]> {
  const { rows } = await queryable.query<ClaimedDelivery>(
    `WITH RECURSIVE queues AS (
       (
         SELECT delivery.webhook_id
         FROM postrider.webhook_deliveries AS delivery
         WHERE delivery.status = 'pending'
           AND delivery.webhook_id > $1::uuid
         ORDER BY delivery.webhook_id
         LIMIT 1
       )
       UNION ALL
       SELECT (
         SELECT delivery.webhook_id
         FROM postrider.webhook_deliveries AS delivery
         WHERE delivery.status = 'pending'
           AND delivery.webhook_id > queues.webhook_id
         ORDER BY delivery.webhook_id
         LIMIT 1
       )
       FROM queues
       WHERE queues.webhook_id IS NOT NULL
     ),
     candidates AS (
       SELECT due.id
       FROM queues
       JOIN postrider.webhooks AS webhook
         ON webhook.id = queues.webhook_id
         AND webhook.is_active
       LEFT JOIN unnest($2::uuid[], $3::integer[]) AS busy (webhook_id, count)
         ON busy.webhook_id = queues.webhook_id
       CROSS JOIN LATERAL (
         SELECT delivery.id
         FROM postrider.webhook_deliveries AS delivery
         WHERE delivery.webhook_id = queues.webhook_id
           AND delivery.status = 'pending'
           AND delivery.scheduled_at <= $4::timestamptz
         ORDER BY delivery.scheduled_at
         LIMIT GREATEST($5::integer - COALESCE(busy.count, 0), 0)
         FOR UPDATE SKIP LOCKED
       ) AS due
       LIMIT $6::integer
     )
     UPDATE postrider.webhook_deliveries AS delivery
     SET status = 'delivering',
         lease_token = $7::uuid,
         lease_until = $8::timestamptz + make_interval(secs => $9::integer),
         claimed_at = $8::timestamptz
     FROM postrider.webhooks AS webhook
     WHERE delivery.id = ANY(ARRAY(SELECT candidates.id FROM candidates))
       AND webhook.id = delivery.webhook_id
     RETURNING
       delivery.id, delivery.webhook_id, delivery.project_id, delivery.event_id, delivery.event_type,
       delivery.payload::text AS payload, delivery.attempts, delivery.max_attempts, delivery.rescues,
       delivery.lease_token, delivery.lease_until, webhook.url, webhook.secret, webhook.previous_secret,
       webhook.previous_secret_expires_at, webhook.headers`,
    [
      wanted.afterWebhookId,
      [...wanted.inFlight.keys()],
      [...wanted.inFlight.values()],
      new Date(wanted.now.getTime() + dueEarlyMs),
      wanted.maxInFlight,
      wanted.limit,
      wanted.leaseToken,
      wanted.now,
      wanted.leaseSeconds,
    ],
  )
  return rows
}

/** Dates here end at the millisecond and PostgreSQL's do not: without this a row of this very moment would be missed. */
const dueEarlyMs = 10

/** Holds the leases of what is still in flight for another `leaseSeconds` from now. */
export async function renewLeases(
  queryable: Queryable,
  held: readonly ClaimedDelivery[],
  { now, leaseSeconds }: { now: Date; leaseSeconds: number },
): Promise<void> {
  await queryable.query(
    `UPDATE postrider.webhook_deliveries
     SET lease_until = $1::timestamptz + make_interval(secs => $2::integer)
     WHERE id = ANY($3::uuid[])
       AND lease_token = ANY($4::uuid[])
       AND status = 'delivering'`,
    [now, leaseSeconds, held.map(({ id }) => id), [...new Set(held.map(({ lease_token }) => lease_token))]],
  )
}
