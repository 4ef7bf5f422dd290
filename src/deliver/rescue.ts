import type { Database, Queryable } from '../database/database.ts'

export interface Rescued {
  id: string
  webhook_id: string
  event_id: string
  attempt: number
  status: 'pending' | 'failed'
}

interface InFlight {
  in_flight: string[]
  in_flight_attempts: number[]
  in_flight_since: Date[]
}

/**
 * Takes over what workers had in flight whose lease ran out: they died, stood still, or lost the database. The try that
 * was cut off becomes an attempt of outcome `interrupted` that the retry budget does not pay for. A delivery that was cut
 * off `max_rescues` times fails: its payload may be what kills the workers.
 *
 * Deleting the worker's row comes first and in a statement of its own: a result that is just being written holds that row,
 * so that what is read here afterwards is the last word. A row that is held is left for the next time.
 */
export function rescueExpired(database: Database, now: Date, exceptWorkerId?: string): Promise<Rescued[]> {
  return database.transaction(async (transaction) => {
    const { rows } = await transaction.query<InFlight>(
      `DELETE FROM postrider.workers
       WHERE id = ANY(ARRAY(
         SELECT worker.id
         FROM postrider.workers AS worker
         WHERE worker.lease_until < $1::timestamptz
           AND ($2::uuid IS NULL OR worker.id <> $2::uuid)
         FOR UPDATE SKIP LOCKED
       ))
       RETURNING in_flight, in_flight_attempts, in_flight_since`,
      [now, exceptWorkerId ?? null],
    )
    return interrupt(transaction, rows, { now, forgiven: 0 })
  })
}

/** Ends a worker's life and gives up what it still holds, which is not counted as a crash. */
export function endLife(database: Database, workerId: string, now: Date): Promise<Rescued[]> {
  return database.transaction(async (transaction) => {
    const { rows } = await transaction.query<InFlight>(
      `DELETE FROM postrider.workers
       WHERE id = $1::uuid
       RETURNING in_flight, in_flight_attempts, in_flight_since`,
      [workerId],
    )
    return interrupt(transaction, rows, { now, forgiven: 1 })
  })
}

/**
 * A try counts as cut off if its number was not used up by a result: the arrays may still name what is long finished.
 *
 * A delivery that was cut off before comes back at a moment of its own within some seconds. Were all that a dying worker
 * held sent together again, the one that kills workers would take the others with it, time after time.
 */
async function interrupt(
  transaction: Queryable,
  dead: readonly InFlight[],
  { now, forgiven }: { now: Date; forgiven: number },
): Promise<Rescued[]> {
  const ids = dead.flatMap(({ in_flight }) => in_flight)
  if (ids.length === 0) return []
  const { rows } = await transaction.query<Rescued>(
    `WITH rescued AS (
       UPDATE postrider.deliveries AS delivery
       SET status = CASE
             WHEN delivery.rescues + 1 >= delivery.max_rescues + $5::integer THEN 'failed'
             ELSE 'pending'
           END::postrider.webhook_delivery_status,
           rescues = delivery.rescues + 1,
           max_rescues = delivery.max_rescues + $5::integer,
           scheduled_at = $4::timestamptz + CASE
             WHEN delivery.rescues = 0 THEN interval '0'
             ELSE random() * interval '4 seconds' * delivery.rescues
           END,
           last_attempt_at = entry.since,
           last_response_status = NULL,
           last_response_body = NULL,
           last_error = CASE
             WHEN delivery.rescues + 1 >= delivery.max_rescues + $5::integer THEN 'worker crashed'
             ELSE 'interrupted'
           END
       FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[]) AS entry (id, attempt, since)
       WHERE delivery.id = ANY($1::uuid[])
         AND delivery.id = entry.id
         AND delivery.attempts + delivery.rescues + 1 = entry.attempt
         AND delivery.status IN ('pending', 'delivering')
       RETURNING
         delivery.id, delivery.webhook_id, delivery.event_id, delivery.status, delivery.scheduled_at,
         entry.attempt, entry.since
     ),
     waiting AS (
       INSERT INTO postrider.delivery_schedule (scheduled_at, delivery_id, webhook_id)
       SELECT rescued.scheduled_at, rescued.id, rescued.webhook_id
       FROM rescued
       WHERE rescued.status = 'pending'
     ),
     recorded AS (
       INSERT INTO postrider.webhook_delivery_attempts (delivery_id, attempt, started_at, error, outcome)
       SELECT rescued.id, rescued.attempt, rescued.since, 'interrupted', 'interrupted'
       FROM rescued
     )
     SELECT rescued.id, rescued.webhook_id, rescued.event_id, rescued.attempt, rescued.status
     FROM rescued`,
    [
      ids,
      dead.flatMap(({ in_flight_attempts }) => in_flight_attempts),
      dead.flatMap(({ in_flight_since }) => in_flight_since),
      now,
      forgiven,
    ],
  )
  return rows
}

/**
 * The safety net under all of it: an unfinished delivery that stands neither in the queue nor in the schedule nor in a
 * line nor in a worker's row goes back into the queue. There should be none; it reads the whole table. Answers how many.
 */
export async function requeueLost(database: Database): Promise<number> {
  const { rowCount } = await database.queryPatiently(
    `WITH lost AS (
       UPDATE postrider.deliveries AS delivery
       SET status = 'pending'
       WHERE delivery.status IN ('pending', 'delivering')
         AND NOT EXISTS (
           SELECT
           FROM postrider.delivery_queue AS queued
           WHERE queued.webhook_id = delivery.webhook_id
             AND queued.scheduled_at = delivery.scheduled_at
             AND queued.delivery_id = delivery.id
         )
         AND NOT EXISTS (
           SELECT
           FROM postrider.delivery_schedule AS waiting
           WHERE waiting.scheduled_at = delivery.scheduled_at
             AND waiting.delivery_id = delivery.id
         )
         AND NOT EXISTS (
           SELECT
           FROM postrider.delivery_line_waiting AS lined
           WHERE lined.webhook_id = delivery.webhook_id
             AND lined.delivery_id = delivery.id
         )
         AND NOT EXISTS (
           SELECT
           FROM postrider.workers AS worker
           WHERE delivery.id = ANY(worker.in_flight)
         )
       RETURNING delivery.webhook_id, delivery.scheduled_at, delivery.id
     )
     INSERT INTO postrider.delivery_schedule (webhook_id, scheduled_at, delivery_id)
     SELECT lost.webhook_id, lost.scheduled_at, lost.id
     FROM lost`,
  )
  return rowCount ?? 0
}
