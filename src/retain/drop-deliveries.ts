import type { Database } from '../database/database.ts'
import { briefly } from './brief-lock.ts'
import { expiredParts, mostKept, type Part, removeExpired, type Run, runsOf } from './dropping.ts'
import type { Partition } from './partitions.ts'

/**
 * Drops the partitions of deliveries and attempts that end before `cutoff`; answers how many deliveries went with them. What is
 * not finished, or was created later than its id says, goes over into the partition that takes their place. One in which
 * that is much stays as it is: what is finished in it is deleted.
 */
export async function dropDeliveries(
  database: Database,
  partitions: readonly Partition[],
  { cutoff, signal }: { cutoff: Date; signal?: AbortSignal | undefined },
): Promise<number> {
  let dropped = 0
  const parts = expiredParts(partitions, 'deliveries', cutoff)
  const runs = await runsOf(parts, async (part) => (await keptIds(database, [part], cutoff)).length)
  for (const run of runs) {
    if (signal?.aborted) break
    dropped += await dropRun(database, run, { cutoff, signal })
  }
  return dropped
}

async function dropRun(
  database: Database,
  run: Run,
  { cutoff, signal }: { cutoff: Date; signal?: AbortSignal | undefined },
): Promise<number> {
  if (!(await isWorthIt(database, run))) return 0
  // From here on what is finished stays so: whatever is to be kept is known before everybody has to wait.
  await eachOf(database, run, 'close_deliveries', signal)
  let kept: string[]
  let expired: string[]
  try {
    kept = await keptIds(database, run.parts, cutoff)
    expired = kept.length > mostKept ? [] : await replace(database, run, kept, signal)
  } catch (error) {
    await eachOf(database, run, 'reopen_deliveries').catch(() => {})
    throw error
  }
  if (expired.length === 0) {
    await eachOf(database, run, 'reopen_deliveries')
    return 0
  }
  const count = await removeExpired(database, expired, 'deliveries')
  await forgetFailed(database, run, signal)
  return count - kept.length
}

/** Not one that has only what was kept of others, each day anew. */
async function isWorthIt(database: Database, { parts }: Run): Promise<boolean> {
  if (parts.length > 1) return true
  const { rows } = await database.queryPatiently(
    `SELECT FROM postrider.${parts[0]!.name} WHERE status IN ('delivered', 'failed') LIMIT 1`,
  )
  return rows.length > 0
}

async function eachOf(
  database: Database,
  { parts }: Run,
  name: 'close_deliveries' | 'reopen_deliveries',
  signal?: AbortSignal,
): Promise<void> {
  for (const part of parts) {
    await briefly(
      database,
      (transaction) => transaction.query(`SELECT postrider.${name}($1::text)`, [part.name]),
      signal,
    )
  }
}

/** Up to one more than can be carried over. */
async function keptIds(database: Database, parts: readonly Part[], cutoff: Date): Promise<string[]> {
  const kept: string[] = []
  for (const { name } of parts) {
    const { rows } = await database.queryPatiently<{ id: string }>(
      `SELECT id
       FROM postrider.${name}
       WHERE status NOT IN ('delivered', 'failed')
         OR created_at >= $1::timestamptz
       LIMIT ${mostKept + 1}`,
      [cutoff],
    )
    kept.push(...rows.map(({ id }) => id))
  }
  return kept
}

function replace(
  database: Database,
  { since, until }: Run,
  kept: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  return briefly(
    database,
    async (transaction) => {
      const { rows } = await transaction.query<{ expired: string[] }>(
        `SELECT postrider.replace_deliveries($1::timestamptz, $2::timestamptz, $3::uuid[]) AS expired`,
        [since ?? '-infinity', until, kept],
      )
      return rows[0]!.expired
    },
    signal,
  )
}

const batchSize = 1_000

/** The list of failed ones names them until then, and finds none. */
async function forgetFailed(
  database: Database,
  { since, until }: Run,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (;;) {
    if (signal?.aborted) return
    const { rowCount } = await database.query(
      `DELETE FROM postrider.failed_deliveries
       WHERE delivery_id = ANY(ARRAY(
         SELECT failed.delivery_id
         FROM postrider.failed_deliveries AS failed
         WHERE ($1::timestamptz IS NULL OR failed.delivery_id >= postrider.uuid_at($1::timestamptz))
           AND failed.delivery_id < postrider.uuid_at($2::timestamptz)
           AND NOT EXISTS (
             SELECT
             FROM postrider.deliveries AS delivery
             WHERE delivery.id = failed.delivery_id
             OFFSET 0
           )
         LIMIT ${batchSize}
         FOR UPDATE SKIP LOCKED
       ))`,
      [since, until],
    )
    if ((rowCount ?? 0) < batchSize) return
  }
}
