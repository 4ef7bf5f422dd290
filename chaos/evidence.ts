import type { Postgres } from './postgres.ts'
import type { ReceivedRequest } from './receiver.ts'

/** Everything there is to know in the end, from both sides. */
export interface Evidence {
  /** Events that were answered 202 or committed by the publisher. */
  accepted: ReadonlySet<string>
  /** Events that exist, those of a publisher that never heard so too. */
  stored: ReadonlySet<string>
  requests: readonly ReceivedRequest[]
  deliveries: readonly DeliveryRow[]
  attempts: readonly AttemptRow[]
}

export interface DeliveryRow {
  id: string
  event_id: string
  status: 'pending' | 'delivering' | 'delivered' | 'failed'
  attempts: number
  scheduled_ms: number
  last_attempt_ms: number | null
  delivered_ms: number | null
  last_error: string | null
}

export interface AttemptRow {
  delivery_id: string
  attempt: number
  outcome: 'delivered' | 'retry' | 'failed' | 'interrupted'
  started_ms: number
}

export async function storedEvents(postgres: Postgres): Promise<Set<string>> {
  const rows = await postgres.query<{ id: string }>(
    `SELECT id
     FROM postrider.events`,
  )
  return new Set(rows.map(({ id }) => id))
}

export function storedDeliveries(postgres: Postgres): Promise<DeliveryRow[]> {
  return postgres.query<DeliveryRow>(
    `SELECT
       id,
       event_id,
       status,
       attempts,
       EXTRACT(EPOCH FROM scheduled_at)::double precision * 1000 AS scheduled_ms,
       EXTRACT(EPOCH FROM last_attempt_at)::double precision * 1000 AS last_attempt_ms,
       EXTRACT(EPOCH FROM delivered_at)::double precision * 1000 AS delivered_ms,
       last_error
     FROM postrider.webhook_deliveries`,
  )
}

export function storedAttempts(postgres: Postgres): Promise<AttemptRow[]> {
  return postgres.query<AttemptRow>(
    `SELECT
       delivery_id,
       attempt,
       outcome,
       EXTRACT(EPOCH FROM started_at)::double precision * 1000 AS started_ms
     FROM postrider.webhook_delivery_attempts
     ORDER BY delivery_id, attempt`,
  )
}

/** How many deliveries have not ended yet. */
export async function unfinished(postgres: Postgres): Promise<number> {
  const [row] = await postgres.query<{ count: number }>(
    `SELECT COUNT(*)::integer AS count
     FROM postrider.webhook_deliveries
     WHERE status IN ('pending', 'delivering')`,
  )
  return row!.count
}
