import type { Database } from '../database/database.ts'
import type { History, Partition } from './partitions.ts'

/** Rows that are carried over while everybody waits: some 50 ms. */
export const mostKept = 2_000

/** Tables that are taken out while everybody waits: some 5 ms each. */
const mostParts = 4

/** A partition that has an end. */
export type Part = Partition & { until: Date }

/** Partitions that follow each other, in whose place comes one with what is kept of them. */
export interface Run {
  since: Date | null
  until: Date
  parts: readonly Part[]
}

/** The partitions of one table that end before `cutoff`, oldest first. */
export function expiredParts(partitions: readonly Partition[], history: History, cutoff: Date): Part[] {
  return partitions.filter(
    (part): part is Part => part.history === history && part.until !== null && part.until <= cutoff,
  )
}

/**
 * The first partition, which has what was kept of earlier days, together with the day behind it, and so on. One of which much is
 * to be kept stays as it is, and what follows it begins anew.
 */
export async function runsOf(
  parts: readonly Part[],
  countKept: (part: Part) => Promise<number>,
): Promise<Run[]> {
  const runs: Part[][] = [[]]
  let kept = 0
  for (const part of parts) {
    const count = await countKept(part)
    if (kept + count > mostKept || runs.at(-1)!.length === mostParts) {
      runs.push([])
      kept = 0
    }
    if (count > mostKept) continue
    runs.at(-1)!.push(part)
    kept += count
  }
  return runs
    .filter((run) => run.length > 0)
    .map((run) => ({ since: run[0]!.since, until: run.at(-1)!.until, parts: run }))
}

/** Drops tables that nobody knows any more; answers how many rows those of one history had. */
export async function removeExpired(
  database: Database,
  tables: readonly string[],
  counted: History,
): Promise<number> {
  let count = 0
  for (const table of tables) {
    if (table.startsWith(`${counted}_`)) {
      const { rows } = await database.queryPatiently<{ count: number }>(
        `SELECT COUNT(*)::integer AS count FROM postrider.${table}`,
      )
      count += rows[0]!.count
    }
    await database.queryPatiently(`DROP TABLE IF EXISTS postrider.${table}`)
  }
  return count
}

/** What somebody took out and did not come to drop. */
export async function removeLeftovers(database: Database): Promise<void> {
  const { rows } = await database.query<{ name: string }>(
    `SELECT relname::text AS name
     FROM pg_class
     WHERE relnamespace = 'postrider'::regnamespace
       AND relkind = 'r'
       AND NOT relispartition
       AND relname ~ '^(deliveries|webhook_delivery_attempts|events)_.*_expired$'`,
  )
  for (const { name } of rows) await database.queryPatiently(`DROP TABLE IF EXISTS postrider.${name}`)
}
