import type { Database, Queryable } from '../database/database.ts'
import { dropDeliveries } from './drop-deliveries.ts'
import { dropEvents } from './drop-events.ts'
import { expiredParts, removeLeftovers } from './dropping.ts'
import { Pace } from './pace.ts'
import { readPartitions } from './partitions.ts'
import { readRules } from './rules.ts'

export interface Expired {
  deliveries: number
  events: number
}

/**
 * Removes `delivered` and `failed` deliveries created before `cutoff` with their attempts, then the events of that age
 * that no delivery refers to any more, and with them what was filtered, shapes that were replaced, and finished replays and
 * jobs. Whatever is pending or delivering stays, however old, and what a project's own rules keep. Partitions that lie
 * before `cutoff` are dropped; the rest goes in batches, in no order: the index by age has none, and to sort would be to
 * read all that is old for each. Any number of processes may do this at once: rows that another one is deleting are skipped.
 * `signal` ends it between two steps.
 */
export async function expire(database: Database, cutoff: Date, signal?: AbortSignal): Promise<Expired> {
  const { longestDays, usualProjectIds } = await readRules(database, 0)
  const dropping = { cutoff: beforeAllRules(cutoff, longestDays), signal }
  const expired = { deliveries: 0, events: 0 }

  await removeLeftovers(database)
  expired.deliveries += await dropDeliveries(database, await readPartitions(database), dropping)
  // Projects with rules of their own are left to those. One by one, since what they keep would be read again for each batch.
  const ages: Age[] = (usualProjectIds ?? [null]).map((projectId) => ({ cutoff, projectId }))
  for (const age of ages) {
    expired.deliveries += await inBatches((size) => deleteDeliveries(database, age, size), signal)
    await inBatches((size) => deleteFiltered(database, age, size), signal)
  }
  expired.events += await dropEvents(database, await readPartitions(database), dropping)
  for (const age of ages) {
    expired.events += await inBatches((size) => deleteEvents(database, age, size), signal)
  }
  await deleteShapes(database, cutoff)
  await database.query(
    `DELETE FROM postrider.replays
     WHERE created_at < $1::timestamptz
       AND finished_at IS NOT NULL`,
    [cutoff],
  )
  await database.query(
    `DELETE FROM postrider.jobs
     WHERE finished_at < $1::timestamptz`,
    [cutoff],
  )
  return expired
}

/**
 * Before which moment a history of so many days goes: where it is partitioned, the last beginning of a partition before that,
 * so that whole partitions go instead of a part of one each day.
 */
export async function usualCutoff(queryable: Queryable, now: Date, days: number): Promise<Date> {
  const cutoff = new Date(now.getTime() - days * msPerDay)
  const parts = expiredParts(await readPartitions(queryable), 'deliveries', cutoff)
  return parts.at(-1)?.until ?? cutoff
}

const msPerDay = 86_400_000

/** What a project or an event type keeps for longer keeps the partition that it lies in. */
function beforeAllRules(cutoff: Date, longestDays: number): Date {
  if (longestDays === 0) return cutoff
  return new Date(Math.min(cutoff.getTime(), Date.now() - longestDays * msPerDay))
}

/** Before a moment, of one project or of all. */
interface Age {
  cutoff: Date
  projectId: string | null
}

/** Statements so short that nobody waits for the locks of one. */
async function inBatches(
  deleteBatch: (size: number) => Promise<number>,
  signal?: AbortSignal,
): Promise<number> {
  const pace = new Pace()
  let total = 0
  for (;;) {
    if (signal?.aborted) return total
    const { size } = pace
    const deleted = await pace.measured(deleteBatch)
    total += deleted
    if (deleted < size) return total
  }
}

async function deleteDeliveries(
  queryable: Queryable,
  { cutoff, projectId }: Age,
  size: number,
): Promise<number> {
  const { rowCount } = await queryable.query(
    `DELETE FROM postrider.deliveries
     WHERE id = ANY(ARRAY(
       SELECT id
       FROM postrider.deliveries
       WHERE created_at < $1::timestamptz
         AND status IN ('delivered', 'failed')
         AND ($2::uuid IS NULL OR project_id = $2::uuid)
       LIMIT $3::integer
       FOR UPDATE SKIP LOCKED
     ))`,
    [cutoff, projectId, size],
  )
  return rowCount ?? 0
}

/**
 * Two statements, since one alone would not see the deliveries that somebody made, and committed, between its begin and its
 * hold of their event.
 */
function deleteEvents(database: Database, { cutoff, projectId }: Age, size: number): Promise<number> {
  return database.transaction(async (transaction) => {
    const { rows: held } = await transaction.query<{ project_id: string; id: string; created_at: string }>(
      `SELECT event.project_id, event.id, event.created_at::text AS created_at
       FROM postrider.events AS event
       WHERE event.created_at < $1::timestamptz
         AND ($2::uuid IS NULL OR event.project_id = $2::uuid)
         AND ${isReferredToByNone}
       LIMIT $3::integer
       FOR UPDATE SKIP LOCKED`,
      [cutoff, projectId, size],
    )
    if (held.length === 0) return 0
    const { rowCount } = await transaction.query(
      `DELETE FROM postrider.events AS event
       USING unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS held (project_id, id, created_at)
       WHERE event.project_id = held.project_id
         AND event.id = held.id
         AND event.created_at = held.created_at
         AND event.created_at < $4::timestamptz
         AND ${isReferredToByNone}`,
      [
        held.map(({ project_id }) => project_id),
        held.map(({ id }) => id),
        held.map(({ created_at }) => created_at),
        cutoff,
      ],
    )
    return rowCount ?? 0
  })
}

const isReferredToByNone = `NOT EXISTS (
           SELECT
           FROM postrider.deliveries AS delivery
           WHERE delivery.event_id = event.id
             AND delivery.project_id = event.project_id
           OFFSET 0
         )`

async function deleteFiltered(
  queryable: Queryable,
  { cutoff, projectId }: Age,
  size: number,
): Promise<number> {
  const { rowCount } = await queryable.query(
    `DELETE FROM postrider.filtered_deliveries
     WHERE (event_id, webhook_id) IN (
       SELECT event_id, webhook_id
       FROM postrider.filtered_deliveries
       WHERE created_at < $1::timestamptz
         AND ($2::uuid IS NULL OR project_id = $2::uuid)
       LIMIT $3::integer
       FOR UPDATE SKIP LOCKED
     )`,
    [cutoff, projectId, size],
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
