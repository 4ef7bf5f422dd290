import type { Queryable } from '../database/database.ts'

/**
 * Rows in one transaction: short enough that nobody waits for its locks. In no order: the index by age has none, and to
 * sort would be to read all that is old for each batch.
 */
const batchSize = 1_000

export interface Expired {
  deliveries: number
  events: number
}

/**
 * Deletes `delivered` and `failed` deliveries created before `cutoff` with their attempts, then the events of that age
 * that no delivery refers to any more, and with them what was filtered, shapes that were replaced, and finished replays and
 * jobs. Whatever is pending or delivering stays, however old. Any number of processes may do this at once: rows that
 * another one is deleting are skipped. `signal` ends it between two batches.
 */
export async function expire(queryable: Queryable, cutoff: Date, signal?: AbortSignal): Promise<Expired> {
  const deliveries = await inBatches(() => deleteDeliveries(queryable, cutoff), signal)
  await inBatches(() => deleteFiltered(queryable, cutoff), signal)
  const events = await inBatches(() => deleteEvents(queryable, cutoff), signal)
  await deleteShapes(queryable, cutoff)
  await queryable.query(
    `DELETE FROM postrider.replays
     WHERE created_at < $1::timestamptz
       AND finished_at IS NOT NULL`,
    [cutoff],
  )
  await queryable.query(
    `DELETE FROM postrider.jobs
     WHERE finished_at < $1::timestamptz`,
    [cutoff],
  )
  return { deliveries, events }
}

async function inBatches(deleteBatch: () => Promise<number>, signal?: AbortSignal): Promise<number> {
  let total = 0
  for (;;) {
    const deleted = await deleteBatch()
    total += deleted
    if (deleted < batchSize || signal?.aborted) return total
  }
}

async function deleteDeliveries(queryable: Queryable, cutoff: Date): Promise<number> {
  const { rowCount } = await queryable.query(
    `DELETE FROM postrider.deliveries
     WHERE id = ANY(ARRAY(
       SELECT id
       FROM postrider.deliveries
       WHERE created_at < $1::timestamptz
         AND status IN ('delivered', 'failed')
       LIMIT ${batchSize}
       FOR UPDATE SKIP LOCKED
     ))`,
    [cutoff],
  )
  return rowCount ?? 0
}

async function deleteEvents(queryable: Queryable, cutoff: Date): Promise<number> {
  const { rows } = await queryable.query<{ count: number }>(
    `WITH expired AS MATERIALIZED (
       SELECT event.project_id, event.id
       FROM postrider.events AS event
       WHERE event.created_at < $1::timestamptz
         AND NOT EXISTS (
           SELECT
           FROM postrider.deliveries AS delivery
           WHERE delivery.event_id = event.id
             AND delivery.project_id = event.project_id
         )
       LIMIT ${batchSize}
       FOR UPDATE SKIP LOCKED
     ),
     deleted AS (
       DELETE FROM postrider.events AS event
       USING expired
       WHERE event.project_id = expired.project_id
         AND event.id = expired.id
       RETURNING event.id
     )
     SELECT COUNT(*)::integer AS count
     FROM deleted`,
    [cutoff],
  )
  return rows[0]!.count
}

async function deleteFiltered(queryable: Queryable, cutoff: Date): Promise<number> {
  const { rowCount } = await queryable.query(
    `DELETE FROM postrider.filtered_deliveries
     WHERE (event_id, webhook_id) IN (
       SELECT event_id, webhook_id
       FROM postrider.filtered_deliveries
       WHERE created_at < $1::timestamptz
       LIMIT ${batchSize}
       FOR UPDATE SKIP LOCKED
     )`,
    [cutoff],
  )
  return rowCount ?? 0
}

/**
 * Filters and templates that were replaced by then: only what is still to be sent may name them, and who was publishing
 * while they were replaced is done a day later.
 */
async function deleteShapes(queryable: Queryable, cutoff: Date): Promise<void> {
  await queryable.query(
    `DELETE FROM postrider.webhook_shapes AS shape
     WHERE shape.replaced_at < LEAST($1::timestamptz, now() - interval '1 day')
       AND NOT EXISTS (
         SELECT
         FROM postrider.deliveries AS delivery
         WHERE delivery.webhook_id = shape.webhook_id
           AND delivery.created_at < shape.replaced_at + interval '1 day'
           AND delivery.shape_id = shape.id
       )`,
    [cutoff],
  )
}
