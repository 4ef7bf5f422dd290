import type { Database } from '../database/database.ts'

/** Rows of the history that one statement reads: some 10 ms, or 150 where all of them are unfinished. */
const sliceSize = 5_000
/** Of each turn, so that nobody notices: ten million rows take about half an hour. */
const lookMs = 200
/** A process that starts has other things to do. */
const firstAfterMs = 60_000
/** Between the end of the history and its beginning. */
const pauseMs = 3_600_000
const firstId = '00000000-0000-0000-0000-000000000000'

/**
 * The safety net under all of it: an unfinished delivery that stands neither in the queue nor in the schedule nor in a
 * line nor in a worker's row goes into the schedule, and from there into the queue. There should be none. The whole
 * history is read for it, a little at each turn.
 */
export class LostDeliveries {
  readonly #database: Database
  #after = firstId
  #restUntilMs: number

  constructor(database: Database, restMs = firstAfterMs) {
    this.#database = database
    this.#restUntilMs = performance.now() + restMs
  }

  /** Looks on from where it stopped, for a while; answers how many it found. */
  async lookOn(signal: AbortSignal): Promise<number> {
    const startMs = performance.now()
    if (startMs < this.#restUntilMs) return 0
    let found = 0
    while (!signal.aborted && performance.now() < startMs + lookMs) {
      const slice = await requeueSlice(this.#database, this.#after)
      found += slice.found
      this.#after = slice.last ?? firstId
      if (slice.last === null) {
        this.#restUntilMs = performance.now() + pauseMs
        break
      }
    }
    return found
  }
}

/** The same for the whole history at once; answers how many there were. */
export async function requeueLost(database: Database): Promise<number> {
  let found = 0
  for (let after: string | null = firstId; after !== null;) {
    const slice = await requeueSlice(database, after)
    found += slice.found
    after = slice.last
  }
  return found
}

interface Slice {
  found: number
  /** The last one that was looked at; null where there is none behind `after`. */
  last: string | null
}

function requeueSlice(database: Database, after: string): Promise<Slice> {
  return database.transaction(async (transaction) => {
    // While statistics say that the queue is empty, it would be read whole for each row.
    await transaction.query('SET LOCAL enable_seqscan = off')
    const { rows } = await transaction.query<Slice>(
      `WITH slice AS MATERIALIZED (
         SELECT delivery.id, delivery.status
         FROM postrider.deliveries AS delivery
         WHERE delivery.id > $1::uuid
         ORDER BY delivery.id
         LIMIT $2::integer
       ),
       held AS MATERIALIZED (
         SELECT unnest(worker.in_flight) AS id
         FROM postrider.workers AS worker
       ),
       lost AS (
         UPDATE postrider.deliveries AS delivery
         SET status = 'pending'
         WHERE delivery.id = ANY(ARRAY(
             SELECT slice.id
             FROM slice
             WHERE slice.status IN ('pending', 'delivering')
           ))
           AND delivery.status IN ('pending', 'delivering')
           AND delivery.id NOT IN (SELECT held.id FROM held)
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
         RETURNING delivery.webhook_id, delivery.scheduled_at, delivery.id
       ),
       scheduled AS (
         INSERT INTO postrider.delivery_schedule (webhook_id, scheduled_at, delivery_id)
         SELECT lost.webhook_id, lost.scheduled_at, lost.id
         FROM lost
       )
       SELECT
         (SELECT COUNT(*)::integer FROM lost) AS found,
         (SELECT slice.id FROM slice ORDER BY slice.id DESC LIMIT 1) AS last`,
      [after, sliceSize],
    )
    return rows[0]!
  })
}
