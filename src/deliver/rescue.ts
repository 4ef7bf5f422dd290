import type { Database, Queryable } from '../database/database.ts'

export interface Rescued {
  id: string
  webhook_id: string
  event_id: string
  attempt: number
  status: 'pending' | 'failed'
}

/** What a worker's row names, as far as it is read here. */
interface InFlight {
  in_flight: string[]
  in_flight_attempts: number[]
  in_flight_since: Date[]
  alone: string | null
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
       RETURNING in_flight, in_flight_attempts, in_flight_since, alone`,
      [now, exceptWorkerId ?? null],
    )
    return interrupt(transaction, rows.flatMap(entriesOf), { now, forgiven: 0 })
  })
}

/** Ends a worker's life and gives up what it still holds, which is not counted as a crash. */
export function endLife(database: Database, workerId: string, now: Date): Promise<Rescued[]> {
  return database.transaction(async (transaction) => {
    const { rows } = await transaction.query<InFlight>(
      `DELETE FROM postrider.workers
       WHERE id = $1::uuid
       RETURNING in_flight, in_flight_attempts, in_flight_since, alone`,
      [workerId],
    )
    return interrupt(transaction, rows.flatMap(entriesOf), { now, forgiven: 1 })
  })
}

/**
 * A try of a worker that lives, whose result the database refuses for good: it was sent, and its number is not to be used
 * again. It counts, or it would be sent for ever.
 */
export function interruptSent(
  database: Database,
  workerId: string,
  { id, attempt, now }: { id: string; attempt: number; now: Date },
): Promise<Rescued[]> {
  return database.transaction(async (transaction) => {
    const { rows } = await transaction.query<InFlight>(
      `SELECT worker.in_flight, worker.in_flight_attempts, worker.in_flight_since, worker.alone
       FROM postrider.workers AS worker
       WHERE worker.id = $1::uuid
       FOR KEY SHARE`,
      [workerId],
    )
    const sent = rows.flatMap(entriesOf).filter((entry) => entry.id === id && entry.attempt === attempt)
    const entries = sent.map((entry) => ({ ...entry, isSent: true }))
    return interrupt(transaction, entries, { now, forgiven: 0 })
  })
}

interface Entry {
  id: string
  attempt: number
  since: Date
  /** For sure, and nothing was in flight beside it. */
  isSent: boolean
}

function entriesOf({ in_flight, in_flight_attempts, in_flight_since, alone }: InFlight): Entry[] {
  return in_flight.map((id, place) => ({
    id,
    attempt: in_flight_attempts[place]!,
    since: in_flight_since[place]!,
    isSent: id === alone,
  }))
}

/**
 * A try counts as cut off if its number was not used up by a result: the arrays may still name what is long finished.
 * Whether it had been sent is not known, but for the last chance of a delivery: that is sent alone, and noted before. So
 * what is held beside it, or waits for it, goes back uncounted, and only what was in flight by itself fails.
 *
 * What was cut off keeps its place in the queue. Only what was cut off before comes back at a moment of its own: sent
 * together again, the one that kills workers would take the others with it each time.
 */
async function interrupt(
  transaction: Queryable,
  entries: readonly Entry[],
  { now, forgiven }: { now: Date; forgiven: 0 | 1 },
): Promise<Rescued[]> {
  if (entries.length === 0) return []
  const { rows } = await transaction.query<Rescued>(
    `WITH entry AS MATERIALIZED (
       SELECT entry.id, entry.attempt, entry.since, entry.is_sent, delivery.scheduled_at AS place
       FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[], $4::boolean[])
         AS entry (id, attempt, since, is_sent)
       JOIN postrider.deliveries AS delivery
         ON delivery.id = entry.id
       WHERE delivery.id = ANY($1::uuid[])
     ),
     rescued AS (
       UPDATE postrider.deliveries AS delivery
       SET status = CASE
             WHEN delivery.rescues + 1 >= delivery.max_rescues + $6::integer THEN 'failed'
             ELSE 'pending'
           END::postrider.webhook_delivery_status,
           rescues = delivery.rescues + 1,
           max_rescues = delivery.max_rescues + $6::integer,
           scheduled_at = CASE
             WHEN $6::integer > 0 THEN delivery.scheduled_at
             WHEN entry.is_sent THEN $5::timestamptz + interval '1 minute'
             WHEN delivery.rescues = 0 THEN delivery.scheduled_at
             ELSE $5::timestamptz + random() * interval '1 second' * delivery.rescues
           END,
           last_attempt_at = entry.since,
           last_response_status = NULL,
           last_response_body = NULL,
           last_error = CASE
             WHEN delivery.rescues + 1 >= delivery.max_rescues + $6::integer THEN 'worker crashed'
             ELSE 'interrupted'
           END
       FROM entry
       WHERE delivery.id = ANY($1::uuid[])
         AND delivery.id = entry.id
         AND delivery.attempts + delivery.rescues + 1 = entry.attempt
         AND delivery.status IN ('pending', 'delivering')
         AND (entry.is_sent OR delivery.rescues + 1 < delivery.max_rescues + $6::integer)
       RETURNING
         delivery.id, delivery.webhook_id, delivery.event_id, delivery.status, delivery.scheduled_at,
         entry.attempt, entry.since, entry.place
     ),
     unsent AS (
       UPDATE postrider.deliveries AS delivery
       SET status = 'pending'
       FROM entry
       WHERE delivery.id = ANY($1::uuid[])
         AND delivery.id = entry.id
         AND delivery.attempts + delivery.rescues + 1 = entry.attempt
         AND delivery.status IN ('pending', 'delivering')
         AND NOT (entry.is_sent OR delivery.rescues + 1 < delivery.max_rescues + $6::integer)
       RETURNING delivery.id, delivery.webhook_id, delivery.scheduled_at, entry.place
     ),
     unfinished AS (
       SELECT rescued.id, rescued.webhook_id, rescued.scheduled_at, rescued.place
       FROM rescued
       WHERE rescued.status = 'pending'
       UNION ALL
       SELECT unsent.id, unsent.webhook_id, unsent.scheduled_at, unsent.place
       FROM unsent
     ),
     queued AS (
       INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
       SELECT unfinished.webhook_id, unfinished.scheduled_at, unfinished.id
       FROM unfinished
       WHERE unfinished.scheduled_at <= $5::timestamptz
     ),
     waiting AS (
       INSERT INTO postrider.delivery_schedule (scheduled_at, delivery_id, webhook_id, place)
       SELECT unfinished.scheduled_at, unfinished.id, unfinished.webhook_id, unfinished.place
       FROM unfinished
       WHERE unfinished.scheduled_at > $5::timestamptz
     ),
     recorded AS (
       INSERT INTO postrider.webhook_delivery_attempts (delivery_id, attempt, started_at, error, outcome)
       SELECT rescued.id, rescued.attempt, rescued.since, 'interrupted', 'interrupted'
       FROM rescued
     )
     SELECT rescued.id, rescued.webhook_id, rescued.event_id, rescued.attempt, rescued.status
     FROM rescued`,
    [
      entries.map(({ id }) => id),
      entries.map(({ attempt }) => attempt),
      entries.map(({ since }) => since),
      entries.map(({ isSent }) => isSent),
      now,
      forgiven,
    ],
  )
  return rows
}
