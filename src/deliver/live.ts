import type { Queryable } from '../database/database.ts'
import { type Delivery, type DeliveryAttempt, listed } from './deliveries.ts'

/** Something that happened with a delivery, which is shown as it is now. */
export interface Change {
  /** Of the attempt, or of the delivery that was created: later ones are greater. */
  id: string
  change: 'created' | 'attempt'
  delivery: Delivery
  attempt: LiveAttempt | null
}

type LiveAttempt = Pick<
  DeliveryAttempt,
  'id' | 'attempt' | 'started_at' | 'duration_ms' | 'response_status' | 'error' | 'outcome'
>

/**
 * Deliveries of a project that were created, and attempts that were recorded, since a moment; oldest first, the newest
 * `limit` of them. Found by their ids, which are made when a row is written: what is read are the rows of that time, however
 * long the history is.
 */
export async function readChanges(
  queryable: Queryable,
  projectId: string,
  { since, limit }: { since: Date; limit: number },
): Promise<Change[]> {
  const values = [projectId, since, limit]
  const created = await queryable.query<Delivery>(
    `SELECT ${listed}
     FROM postrider.deliveries AS row
     WHERE row.id >= postrider.uuid_at($2::timestamptz)
       AND row.project_id = $1::uuid
     ORDER BY row.id DESC
     LIMIT $3::integer`,
    values,
  )
  const tried = await queryable.query<Delivery & { tried: LiveAttempt & { started_at: string } }>(
    `SELECT
       ${listed},
       jsonb_build_object(
         'id', attempt.id,
         'attempt', attempt.attempt,
         'started_at', attempt.started_at,
         'duration_ms', attempt.duration_ms,
         'response_status', attempt.response_status,
         'error', attempt.error,
         'outcome', attempt.outcome
       ) AS tried
     FROM postrider.webhook_delivery_attempts AS attempt
     CROSS JOIN LATERAL (
       SELECT ${listed}, row.project_id
       FROM postrider.deliveries AS row
       WHERE row.id = attempt.delivery_id
       OFFSET 0
     ) AS row
     WHERE attempt.id >= postrider.uuid_at($2::timestamptz)
       AND row.project_id = $1::uuid
     ORDER BY attempt.id DESC
     LIMIT $3::integer`,
    values,
  )
  const changes: Change[] = [
    ...created.rows.map((delivery) => ({
      id: delivery.id,
      change: 'created' as const,
      delivery,
      attempt: null,
    })),
    ...tried.rows.map(({ tried: attempt, ...delivery }) => ({
      id: attempt.id,
      change: 'attempt' as const,
      delivery,
      attempt: { ...attempt, started_at: new Date(attempt.started_at) },
    })),
  ]
  return changes.toSorted((one, other) => (one.id < other.id ? -1 : 1)).slice(-limit)
}
