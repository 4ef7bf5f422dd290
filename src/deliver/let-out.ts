import type { Queryable } from '../database/database.ts'

const promotedAtOnce = 1_000

/**
 * Moves what waited for its next try into the queue, now that its time has come; answers how many. What only waited for a
 * moment of its own after its worker died gets its old place there, unless somebody is just changing it.
 */
export async function promote(queryable: Queryable, now: Date): Promise<number> {
  let promoted = 0
  for (;;) {
    const count = await promoteSome(queryable, now)
    promoted += count
    if (count < promotedAtOnce) return promoted
  }
}

async function promoteSome(queryable: Queryable, now: Date): Promise<number> {
  const { rowCount } = await queryable.query(
    `WITH due AS (
       DELETE FROM postrider.delivery_schedule
       WHERE ctid = ANY(ARRAY(
         SELECT waiting.ctid
         FROM postrider.delivery_schedule AS waiting
         WHERE waiting.scheduled_at <= $1::timestamptz + interval '10 milliseconds'
         ORDER BY waiting.scheduled_at
         LIMIT ${promotedAtOnce}
         FOR UPDATE SKIP LOCKED
       ))
       RETURNING webhook_id, scheduled_at, delivery_id, place
     ),
     free AS (
       SELECT delivery.id
       FROM postrider.deliveries AS delivery
       WHERE delivery.id = ANY(ARRAY(
         SELECT due.delivery_id
         FROM due
         WHERE due.place IS NOT NULL
       ))
       AND delivery.status = 'pending'
       FOR NO KEY UPDATE SKIP LOCKED
     ),
     back AS (
       UPDATE postrider.deliveries AS delivery
       SET scheduled_at = due.place
       FROM due
       WHERE delivery.id = ANY(ARRAY(SELECT free.id FROM free))
         AND delivery.id = due.delivery_id
       RETURNING delivery.id, delivery.scheduled_at
     )
     INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
     SELECT due.webhook_id, COALESCE(back.scheduled_at, due.scheduled_at), due.delivery_id
     FROM due
     LEFT JOIN back
       ON back.id = due.delivery_id`,
    [now],
  )
  return rowCount ?? 0
}

/**
 * Lets the next of each line out whose head is finished, into the queue. Whoever has the line's row does it; the head is
 * looked up under that lock, so that two never let out two. Answers how many lines moved.
 */
export async function advanceLines(queryable: Queryable): Promise<number> {
  const { rowCount } = await queryable.query(
    `WITH free AS MATERIALIZED (
       SELECT line.webhook_id
       FROM postrider.delivery_lines AS line
       WHERE EXISTS (
         SELECT
         FROM postrider.delivery_line_waiting AS waiting
         WHERE waiting.webhook_id = line.webhook_id
       )
       AND NOT EXISTS (
         SELECT
         FROM postrider.deliveries AS head
         WHERE head.id = line.active_delivery_id
           AND head.status IN ('pending', 'delivering')
       )
       FOR UPDATE OF line SKIP LOCKED
     ),
     next AS (
       DELETE FROM postrider.delivery_line_waiting AS waiting
       USING free
       WHERE waiting.webhook_id = free.webhook_id
         AND waiting.position = (
           SELECT first.position
           FROM postrider.delivery_line_waiting AS first
           WHERE first.webhook_id = free.webhook_id
           ORDER BY first.position
           LIMIT 1
         )
       RETURNING waiting.webhook_id, waiting.delivery_id
     ),
     queued AS (
       INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
       SELECT delivery.webhook_id, delivery.scheduled_at, delivery.id
       FROM next
       JOIN postrider.deliveries AS delivery
         ON delivery.id = next.delivery_id
     )
     UPDATE postrider.delivery_lines AS line
     SET active_delivery_id = next.delivery_id
     FROM next
     WHERE line.webhook_id = next.webhook_id`,
  )
  return rowCount ?? 0
}
