import type { Database } from '../database/database.ts'
import { briefly } from './brief-lock.ts'
import { expiredParts, mostKept, type Part, removeExpired, type Run, runsOf } from './dropping.ts'
import type { Partition } from './partitions.ts'

interface EventKeys {
  projectIds: string[]
  ids: string[]
}

/**
 * Drops the partitions of events that end before `cutoff`, once the deliveries of that time are gone; answers how many events
 * went with them. Those that a delivery still refers to go over into the partition that takes their place.
 */
export async function dropEvents(
  database: Database,
  partitions: readonly Partition[],
  { cutoff, signal }: { cutoff: Date; signal?: AbortSignal | undefined },
): Promise<number> {
  let dropped = 0
  const parts = expiredParts(partitions, 'events', cutoff)
  const runs = await runsOf(parts, async (part) => (await keptKeys(database, [part])).ids.length)
  for (const run of runs) {
    if (signal?.aborted) break
    dropped += await dropRun(database, run, signal)
  }
  return dropped
}

async function dropRun(database: Database, run: Run, signal: AbortSignal | undefined): Promise<number> {
  const kept = await keptKeys(database, run.parts)
  if (kept.ids.length > mostKept || !(await isWorthIt(database, run, kept))) return 0
  // Before the events: with its id there and the event gone, it could not be published again for a while.
  await forgetIds(database, run, kept, signal)
  const expired = await briefly(
    database,
    async (transaction) => {
      const { rows } = await transaction.query<{ expired: string[] }>(
        `SELECT postrider.replace_events($1::timestamptz, $2::timestamptz, $3::uuid[], $4::uuid[]) AS expired`,
        [run.since ?? '-infinity', run.until, kept.projectIds, kept.ids],
      )
      return rows[0]!.expired
    },
    signal,
  )
  await database.query(
    `DELETE FROM postrider.event_ids AS known
     WHERE known.late
       AND known.created_at >= $1::timestamptz
       AND known.created_at < $2::timestamptz
       AND NOT EXISTS (
         SELECT
         FROM postrider.events AS event
         WHERE event.project_id = known.project_id
           AND event.id = known.id
           AND event.created_at = known.created_at
         OFFSET 0
       )`,
    [run.since ?? '-infinity', run.until],
  )
  const { rows } = await database.queryPatiently<{ left: number }>(
    `SELECT COUNT(*)::integer AS left
     FROM postrider.events
     WHERE ($1::timestamptz IS NULL OR created_at >= $1::timestamptz)
       AND created_at < $2::timestamptz`,
    [run.since, run.until],
  )
  return (await removeExpired(database, expired, 'events')) - rows[0]!.left
}

/** Not one that has only what was kept of others, each day anew. */
async function isWorthIt(database: Database, { parts }: Run, { ids }: EventKeys): Promise<boolean> {
  if (parts.length > 1) return true
  const { rows } = await database.query<{ is_more: boolean }>(
    `SELECT COUNT(*) > $1::integer AS is_more
     FROM (SELECT FROM postrider.${parts[0]!.name} LIMIT $1::integer + 1) AS counted`,
    [ids.length],
  )
  return rows[0]!.is_more
}

/**
 * What deliveries refer to, up to one more than can be carried over. A delivery was created in the transaction of its event, or
 * the event is marked as one that got deliveries later.
 */
async function keptKeys(database: Database, parts: readonly Part[]): Promise<EventKeys> {
  const kept: EventKeys = { projectIds: [], ids: [] }
  for (const { since, until } of parts) {
    const { rows } = await database.queryPatiently<{ project_id: string; id: string }>(
      `SELECT delivery.project_id, delivery.event_id AS id
       FROM postrider.deliveries AS delivery
       WHERE delivery.created_at >= $1::timestamptz
         AND delivery.created_at < $2::timestamptz
       UNION
       SELECT known.project_id, known.id
       FROM postrider.event_ids AS known
       WHERE known.late
         AND known.created_at >= $1::timestamptz
         AND known.created_at < $2::timestamptz
         AND EXISTS (
           SELECT
           FROM postrider.deliveries AS delivery
           WHERE delivery.event_id = known.id
             AND delivery.project_id = known.project_id
           OFFSET 0
         )
       LIMIT ${mostKept + 1}`,
      [since ?? '-infinity', until],
    )
    kept.projectIds.push(...rows.map(({ project_id }) => project_id))
    kept.ids.push(...rows.map(({ id }) => id))
  }
  return kept
}

const batchSize = 5_000

/** Of those that are not kept. One that is marked now is left out; if its delivery comes to nothing, it goes the next time. */
async function forgetIds(
  database: Database,
  { since, until }: Run,
  { projectIds, ids }: EventKeys,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (;;) {
    if (signal?.aborted) return
    const { rowCount } = await database.query(
      `DELETE FROM postrider.event_ids
       WHERE ctid = ANY(ARRAY(
         SELECT known.ctid
         FROM postrider.event_ids AS known
         WHERE known.created_at >= $1::timestamptz
           AND known.created_at < $2::timestamptz
           AND NOT known.late
           AND NOT EXISTS (
             SELECT
             FROM unnest($3::uuid[], $4::uuid[]) AS kept (project_id, id)
             WHERE kept.project_id = known.project_id
               AND kept.id = known.id
           )
         LIMIT ${batchSize}
         FOR UPDATE SKIP LOCKED
       ))`,
      [since ?? '-infinity', until, projectIds, ids],
    )
    if ((rowCount ?? 0) < batchSize) return
  }
}
