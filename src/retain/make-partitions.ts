import type { Database } from '../database/database.ts'
import { briefly } from './brief-lock.ts'
import { forgetBounds, forgetBoundsInTime, holdWithin } from './bounds.ts'
import { histories, type History, openPartition, readPartitions, startOfDay } from './partitions.ts'

/** Days that have their partitions before they begin. */
export const daysAhead = 3
/**
 * The whole history has about so many: each statement opens all of them. With 16, a claim and a result of one delivery take 0.8
 * and 0.5 ms of PostgreSQL's CPU, as against 0.6 and 0.4 on a plain table, and with 33 they take 1.4 and 1.0; of 64, what
 * they take on a plain table.
 */
const partitionsOfHistory = 10
/** So many rows of an open partition are looked through while everybody waits. */
const fewRows = 5_000

/**
 * Makes the partitions of today and the next days, for all three tables; answers how many were made. Each is of a tenth of
 * the days that history is kept, and at least of one. Where nobody made any for longer, what was written meanwhile becomes
 * one partition; that is for one process at a time. Nothing is done where the tables are plain.
 */
export async function makePartitions(
  database: Database,
  { now, keptDays }: { now: Date; keptDays: number },
  signal?: AbortSignal,
): Promise<number> {
  const days = Math.ceil(keptDays / partitionsOfHistory)
  for (let made = 0; ; made += 1) {
    const partitions = await readPartitions(database)
    const since = openPartition(partitions, 'deliveries')?.since
    if (!since) await forgetBoundsInTime(database, now)
    if (!since || since > startOfDay(now, daysAhead) || signal?.aborted) return made
    const full: History[] = []
    for (const history of histories) {
      if (!openPartition(partitions, history)) continue
      if (await hasManyRows(database, `${history}_open`)) full.push(history)
    }
    // To look through many rows takes time, in which more are written: they must lie within the bounds as well.
    const soonest = startOfDay(now, full.length > 0 ? 2 : 0)
    const usual = startOfDay(since, days)
    const until = usual > soonest ? usual : soonest
    try {
      for (const history of full) {
        await holdWithin(database, { history, table: `${history}_open`, since, until }, signal)
      }
      await briefly(
        database,
        (transaction) => transaction.query(`SELECT postrider.end_open_partitions($1::timestamptz)`, [until]),
        signal,
      )
    } catch (error) {
      await forgetBounds(
        database,
        full.map((history) => `${history}_open`),
      ).catch(() => {})
      throw error
    }
  }
}

async function hasManyRows(database: Database, table: string): Promise<boolean> {
  const { rows } = await database.query<{ many: boolean }>(
    `SELECT COUNT(*) > ${fewRows} AS many
     FROM (SELECT FROM postrider.${table} LIMIT ${fewRows + 1}) AS counted`,
  )
  return rows[0]!.many
}
