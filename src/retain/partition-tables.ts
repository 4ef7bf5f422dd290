import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../database/database.ts'
import { briefly } from './brief-lock.ts'
import { forgetBounds, holdWithin } from './bounds.ts'
import { Pace } from './pace.ts'
import { histories, type History, isPartitioned, startOfDay } from './partitions.ts'

/** What is written in the next days goes on into the table that is there: it has the time until then to be looked through. */
export const daysOfTable = 7
/** A table of so many rows is looked through while everybody waits. */
const fewRows = 20_000

export interface PartitionTablesOptions {
  now: Date
  /** Hears what is done, in words. */
  say?: (message: string) => void
  signal?: AbortSignal
}

/** Why an installation cannot be partitioned as it is. */
export class PartitionError extends Error {}

/**
 * Makes plain tables partitioned ones while everybody goes on: the tables that are there become the first partition, up to
 * some days from now. No lock is held for longer than 100 ms or waited for longer than that. What is cut off is done
 * again from the beginning, faster. Answers false where they were partitioned already.
 *
 * @throws {PartitionError} with what stands in the way
 */
export async function partitionTables(
  database: Database,
  { now, say = () => {}, signal }: PartitionTablesOptions,
): Promise<boolean> {
  if (await isPartitioned(database)) return false
  const until = startOfDay(now, daysOfTable)
  await refuseWhatRefers(database)
  const checked: History[] = []
  for (const history of histories) {
    if (await isToBeChecked(database, history, until)) checked.push(history)
  }

  say('the ids of events are written down')
  await briefly(database, (transaction) => transaction.query('SELECT postrider.begin_event_ids()'), signal)
  await waitForWriters(database, signal)
  await noteEventIds(database, say, signal)
  try {
    await validateChecks(database, say)
    for (const history of checked) {
      say(`${history}: looking whether all lies before ${until.toISOString()}`)
      signal?.throwIfAborted()
      await holdWithin(database, { history, table: history, since: null, until }, signal)
    }
    signal?.throwIfAborted()
    await briefly(
      database,
      (transaction) => transaction.query('SELECT postrider.partition_history($1::timestamptz)', [until]),
      signal,
    )
  } catch (error) {
    await forgetBounds(database, histories).catch(() => {
      say(
        `the tables refuse what comes after ${until.toISOString()}, until the upkeep beside a worker has put that right`,
      )
    })
    throw error
  }
  say(
    `the history is partitioned: one partition up to ${until.toISOString()}, then those that the upkeep makes`,
  )
  return true
}

/** They would refer to the first partition alone, and keep it from being dropped. */
async function refuseWhatRefers(database: Database): Promise<void> {
  const { rows } = await database.query<{ what: string }>(
    `SELECT format('the foreign key %I of %s', conname, conrelid::regclass) AS what
     FROM pg_constraint
     WHERE contype = 'f'
       AND confrelid IN (
         'postrider.deliveries'::regclass,
         'postrider.webhook_delivery_attempts'::regclass,
         'postrider.events'::regclass
       )
     UNION ALL
     SELECT format('the materialized view %s', relation.oid::regclass)
     FROM pg_class AS relation
     JOIN pg_rewrite AS rule
       ON rule.ev_class = relation.oid
     JOIN pg_depend AS depends
       ON depends.objid = rule.oid
       AND depends.refobjid IN (
         'postrider.deliveries'::regclass,
         'postrider.webhook_delivery_attempts'::regclass,
         'postrider.events'::regclass
       )
     WHERE relation.relkind = 'm'`,
  )
  if (rows[0]) {
    throw new PartitionError(
      `${rows[0].what} refers to a table of the history: drop it, and make it anew afterwards`,
    )
  }
}

/** Unless the table is so small that this is quick, whatever it holds. */
async function isToBeChecked(database: Database, history: History, until: Date): Promise<boolean> {
  const key = { deliveries: 'id', webhook_delivery_attempts: 'delivery_id', events: 'created_at' }[history]
  const bound = history === 'events' ? '$1::timestamptz' : 'postrider.uuid_at($1::timestamptz)'
  const { rows } = await database.queryPatiently<{ many: boolean; beyond: number }>(
    `SELECT
       (
         SELECT COUNT(*) > ${fewRows}
         FROM (SELECT FROM postrider.${history} LIMIT ${fewRows + 1}) AS counted
       ) AS many,
       (SELECT COUNT(*)::integer FROM postrider.${history} WHERE ${key} >= ${bound}) AS beyond`,
    [until],
  )
  const { many, beyond } = rows[0]!
  if (many && beyond > 0) {
    throw new PartitionError(
      `${beyond} rows of postrider.${history} have ${history === 'events' ? 'a time to come' : 'an id that is not a UUIDv7 of its time'}, as rows have that were written by hand: the table cannot be the partition of what lies before. Delete them, or wait until they have expired`,
    )
  }
  return many
}

/** Who began before ids were written down, and publishes without them, is waited for: a lock says when all have ended. */
async function waitForWriters(database: Database, signal?: AbortSignal): Promise<void> {
  await delay(1_000, undefined, { ...(signal && { signal }) })
  await briefly(
    database,
    (transaction) => transaction.query('LOCK TABLE postrider.events IN SHARE ROW EXCLUSIVE MODE'),
    signal,
  )
}

async function noteEventIds(
  database: Database,
  say: (message: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const pace = new Pace()
  let last = { project_id: nil, id: nil }
  let noted = 0
  let toldMs = performance.now()
  for (;;) {
    signal?.throwIfAborted()
    const { rows } = await pace.measured((size) =>
      database.query<{ project_id: string; id: string; count: number }>(
        `SELECT noted.project_id, noted.id, noted.count
         FROM postrider.note_event_ids($1::uuid, $2::uuid, $3::integer) AS noted`,
        [last.project_id, last.id, size],
      ),
    )
    if (!rows[0]) break
    last = rows[0]
    noted += rows[0].count
    if (performance.now() - toldMs > 5_000) {
      toldMs = performance.now()
      say(`${noted} ids of events so far`)
    }
  }
  say(`${noted} ids of events are written down`)
}

const nil = '00000000-0000-0000-0000-000000000000'

/** Those that hold for new rows only: a partition has them for all. */
async function validateChecks(database: Database, say: (message: string) => void): Promise<void> {
  const { rows } = await database.query<{ name: string; statement: string }>(
    `SELECT conname AS name, format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname) AS statement
     FROM pg_constraint
     WHERE conrelid IN (
         'postrider.deliveries'::regclass,
         'postrider.webhook_delivery_attempts'::regclass,
         'postrider.events'::regclass
       )
       AND contype = 'c'
       AND conname <> 'within_bounds'
       AND NOT convalidated`,
  )
  for (const { name, statement } of rows) {
    say(`looking whether ${name} holds for all rows`)
    await database.queryPatiently(statement)
  }
}
