import type { Database } from '../database/database.ts'
import { briefly } from './brief-lock.ts'
import { histories, type History } from './partitions.ts'

/**
 * Says of a table that its rows lie between two moments, and looks whether they do while everybody goes on: PostgreSQL then
 * takes it as a partition without looking.
 *
 * @throws when they do not (`check_violation`)
 */
export async function holdWithin(
  database: Database,
  { history, table, since, until }: { history: History; table: string; since: Date | null; until: Date },
  signal?: AbortSignal,
): Promise<void> {
  const { rows } = await database.query<{ since: string; until: string }>(
    `SELECT
       postrider.partition_bound($1::text, $2::timestamptz) AS since,
       postrider.partition_bound($1::text, $3::timestamptz) AS until`,
    [history, since ?? '-infinity', until],
  )
  const bounds = rows[0]!
  const key = keys[history]
  const isWithin = [...(since ? [`${key} >= ${bounds.since}`] : []), `${key} < ${bounds.until}`].join(' AND ')
  await briefly(
    database,
    async (transaction) => {
      await transaction.query(`ALTER TABLE postrider.${table} DROP CONSTRAINT IF EXISTS within_bounds`)
      await transaction.query(
        `ALTER TABLE postrider.${table} ADD CONSTRAINT within_bounds CHECK (${isWithin}) NOT VALID`,
      )
    },
    signal,
  )
  await database.queryPatiently(`ALTER TABLE postrider.${table} VALIDATE CONSTRAINT within_bounds`)
}

/** What each is partitioned by. */
const keys: Record<History, string> = {
  deliveries: 'id',
  webhook_delivery_attempts: 'delivery_id',
  events: 'created_at',
}

/** Undoes it, where it came to nothing. */
export async function forgetBounds(database: Database, tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    await briefly(database, (transaction) =>
      transaction.query(`ALTER TABLE postrider.${table} DROP CONSTRAINT IF EXISTS within_bounds`),
    )
  }
}

/**
 * Plain tables that were to be partitioned, where that was cut off, refuse what lies beyond a moment that is yet to come: long
 * before that, they are let be.
 */
export async function forgetBoundsInTime(database: Database, now: Date): Promise<void> {
  const { rows } = await database.query(
    `SELECT
     FROM pg_constraint
     WHERE conrelid IN (
         'postrider.deliveries'::regclass,
         'postrider.webhook_delivery_attempts'::regclass,
         'postrider.events'::regclass
       )
       AND conname = 'within_bounds'
       AND postrider.moment_of_bound(substring(pg_get_constraintdef(oid) FROM '< (''[^'']+'')'))
         < $1::timestamptz + interval '4 days'`,
    [now],
  )
  if (rows.length > 0) await forgetBounds(database, histories)
}
