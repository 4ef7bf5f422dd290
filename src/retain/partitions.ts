import type { Queryable } from '../database/database.ts'

/** The tables that hold the history. Where they are partitioned, all three are, at the same moments. */
export const histories = ['deliveries', 'webhook_delivery_attempts', 'events'] as const

export type History = (typeof histories)[number]

/** A part of the history, from one moment to another: of deliveries and attempts by the time in the delivery's id. */
export interface Partition {
  history: History
  name: string
  /** null: without a beginning. */
  since: Date | null
  /** null: without an end. */
  until: Date | null
}

/** All of them, oldest first; none where the tables are plain. */
export async function readPartitions(queryable: Queryable): Promise<Partition[]> {
  const { rows } = await queryable.query<Partition>(
    `SELECT
       part.history,
       part.partition AS name,
       CASE WHEN isfinite(part.since) THEN part.since END AS since,
       CASE WHEN isfinite(part.until) THEN part.until END AS until
     FROM postrider.history_partitions AS part
     ORDER BY part.since`,
  )
  return rows
}

export async function isPartitioned(queryable: Queryable): Promise<boolean> {
  const { rows } = await queryable.query<{ is_partitioned: boolean }>(
    `SELECT relkind = 'p' AS is_partitioned
     FROM pg_class
     WHERE oid = 'postrider.deliveries'::regclass`,
  )
  return rows[0]!.is_partitioned
}

/** The partition that takes what has none of its own yet; undefined where the tables are plain. */
export function openPartition(partitions: readonly Partition[], history: History): Partition | undefined {
  return partitions.find((part) => part.history === history && part.name === `${history}_open`)
}

const dayMs = 86_400_000

/** The beginning of a day in UTC, where partitions begin and end, or of one so many days later. */
export function startOfDay(moment: Date, daysLater = 0): Date {
  return new Date((Math.floor(moment.getTime() / dayMs) + daysLater) * dayMs)
}
