import type { Database, Queryable } from '../database/database.ts'
import { briefly } from './brief-lock.ts'
import { histories, type History } from './partitions.ts'

/**
 * Says of a table that its rows lie between two moments, and looks whether they do while everybody goes on: PostgreSQL then
 * takes it as a partition without looking. `signal` cuts the look off; the bound stays then: `forgetBounds`.
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
  signal?.throwIfAborted()
  const look = `ALTER TABLE postrider.${table} VALIDATE CONSTRAINT within_bounds`
  const cutOff = (): void => void cancel(database, look).catch(() => {})
  signal?.addEventListener('abort', cutOff)
  try {
    await database.queryPatiently(look)
  } finally {
    signal?.removeEventListener('abort', cutOff)
  }
}

/** Over another connection. Whoever is told to stop may not wait for minutes: killed, it would leave the bound behind. */
async function cancel(database: Database, statement: string): Promise<void> {
  await database.query(
    `SELECT pg_cancel_backend(pid)
     FROM pg_stat_activity
     WHERE datname = current_database()
       AND state = 'active'
       AND pid <> pg_backend_pid()
       AND query = $1::text`,
    [statement],
  )
}

/** What each is partitioned by. */
const keys: Record<History, string> = {
  deliveries: 'id',
  webhook_delivery_attempts: 'delivery_id',
  events: 'created_at',
}

/** Undoes it, where it came to nothing: of all of them, whatever becomes of one. */
export async function forgetBounds(database: Database, tables: readonly string[]): Promise<void> {
  const errors: unknown[] = []
  for (const table of tables) {
    await briefly(database, (transaction) =>
      transaction.query(`ALTER TABLE postrider.${table} DROP CONSTRAINT IF EXISTS within_bounds`),
    ).catch((error: unknown) => errors.push(error))
  }
  if (errors.length > 0) throw errors[0]
}

/** The first moment that a table takes no row of, where what set it was cut off or is at work; null: they take all. */
export async function readBound(queryable: Queryable): Promise<Date | null> {
  const { rows: bounds } = await queryable.query<{ bound: string }>(
    `SELECT substring(pg_get_constraintdef(oid) FROM '< (''[^'']+'')') AS bound
     FROM pg_constraint
     WHERE connamespace = 'postrider'::regnamespace
       AND conname = 'within_bounds'`,
  )
  // In a schema that is older there is neither one nor the function.
  if (bounds.length === 0) return null
  const { rows } = await queryable.query<{ until: Date | null }>(
    `SELECT MIN(postrider.moment_of_bound(given.bound)) AS until
     FROM unnest($1::text[]) AS given (bound)`,
    [bounds.map(({ bound }) => bound)],
  )
  return rows[0]!.until
}

/**
 * Plain tables that were to be partitioned, where that was cut off, refuse what lies beyond a moment that is yet to come: long
 * before that, they are let be.
 */
export async function forgetBoundsInTime(database: Database, now: Date): Promise<void> {
  const until = await readBound(database)
  if (until !== null && until.getTime() < now.getTime() + 4 * 86_400_000) {
    await forgetBounds(database, histories)
  }
}
