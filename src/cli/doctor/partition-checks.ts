import type { Database } from '../../database/database.ts'
import { readBound } from '../../retain/bounds.ts'
import { isPartitioned, openPartition, readPartitions, startOfDay } from '../../retain/partitions.ts'
import { type Finding, ok, problem, warning } from './finding.ts'

/** Deletes of so many rows are noticed by nobody. */
const fewEvents = 1_000_000

/** How the history is laid out, and whether the days to come have their partitions. */
export async function examinePartitions(database: Database, now: Date): Promise<Finding> {
  const subject = 'history'
  const bound = await readBound(database)
  if (bound !== null) {
    return (bound < now ? problem : warning)(
      subject,
      `takes nothing that is written from ${bound.toISOString()} on: it is being partitioned, or that was cut off`,
      "Where nothing is at work on it, run 'postrider partition' again, or start 'postrider worker'.",
    )
  }
  if (!(await isPartitioned(database))) {
    const { rows } = await database.query<{ events: number }>(
      `SELECT GREATEST(reltuples, 0)::double precision AS events
       FROM pg_class
       WHERE oid = 'postrider.events'::regclass`,
    )
    const plain = 'in plain tables: what is old is deleted in batches'
    return rows[0]!.events < fewEvents
      ? ok(subject, plain)
      : warning(subject, plain, "Run 'postrider partition', so that it is dropped by the day instead.")
  }
  const partitions = await readPartitions(database)
  const open = openPartition(partitions, 'deliveries')
  // A new one has none ahead until it is started.
  if (!open?.since || open.since < startOfDay(now)) {
    return warning(
      subject,
      'partitioned, but nobody makes the partitions of new days: all goes into the open one',
      "Start 'postrider worker' or 'postrider serve': the upkeep makes them.",
    )
  }
  const count = partitions.filter(({ history }) => history === 'deliveries').length
  return ok(subject, `in ${count} partitions, made up to ${open.since.toISOString().slice(0, 10)}`)
}
