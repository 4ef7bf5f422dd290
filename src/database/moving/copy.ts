import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ClientBase } from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { qualified, quoted, readSequences, readTables, setSequence, type Table } from './tables.ts'

/** What the migrations write by themselves, and the same in each database of their version. */
const bookkeeping = 'migrations'

export interface Copying {
  /** In a transaction that sees one moment: see `beginReading`. */
  source: ClientBase
  /** In a transaction; the schema is there, as the migrations leave it. */
  target: ClientBase
  /** Hears how many bytes of a table have gone over so far. */
  onBytes?: (table: string, bytes: number) => void
  /** Hears of each table that is over. */
  onTable?: (table: string, rows: number) => void
}

/** Nobody writes from now on; others may read. Locks come first: the moment that is read is after the last write. */
export async function beginReading(source: ClientBase): Promise<void> {
  // Before the transaction: a look into the catalogue would fix the moment that it reads.
  const tables = await readTables(source)
  await source.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  await source.query(`LOCK TABLE ${tables.map(({ name }) => qualified(name)).join(', ')} IN SHARE MODE`)
}

/**
 * All rows of the schema's tables and the numbers of its sequences. Triggers of the target rest meanwhile: what they write is
 * among what is copied. References are checked, so each table comes after those that it names.
 *
 * @throws {Error} where the two schemas are not the same, or rows are there already
 */
export async function copySchema({ source, target, onBytes, onTable }: Copying): Promise<void> {
  const tables = (await readTables(source)).filter(({ name }) => name !== bookkeeping)
  const there = await readTables(target)
  requireSame(tables, there)
  for (const { name } of tables) await target.query(`ALTER TABLE ${qualified(name)} DISABLE TRIGGER USER`)
  // What the migrations have put there stands in the source, too, and has gone on since.
  for (const { name } of tables.toReversed()) await target.query(`DELETE FROM ${qualified(name)}`)
  for (const table of tables) {
    const rows = await copyTable(table, { source, target, ...(onBytes && { onBytes }) })
    onTable?.(table.name, rows)
  }
  if (hasPartitions(there) && !hasPartitions(tables)) await noteEventIds(target)
  for (const sequence of await readSequences(source)) await setSequence(target, sequence)
  for (const { name } of tables) await target.query(`ALTER TABLE ${qualified(name)} ENABLE TRIGGER USER`)
}

async function copyTable({ name, columns }: Table, { source, target, onBytes }: Copying): Promise<number> {
  const list = columns.map(quoted).join(', ')
  // As text, which every version reads; by a query, which also reads what is partitioned.
  const rows = source.query(copyTo(`COPY (SELECT ${list} FROM ${qualified(name)}) TO STDOUT`))
  const stored = target.query(copyFrom(`COPY ${qualified(name)} (${list}) FROM STDIN`))
  let bytes = 0
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      onBytes?.(name, bytes)
      done(null, chunk)
    },
  })
  await pipeline(rows, counted, stored)
  if (stored.rowCount !== rows.rowCount)
    throw new Error(`${qualified(name)} has ${rows.rowCount} rows, and ${stored.rowCount} arrived`)
  return stored.rowCount ?? 0
}

function hasPartitions(tables: readonly Table[]): boolean {
  return tables.some(({ is_partitioned }) => is_partitioned)
}

/**
 * An older installation has plain tables, and a new one partitions, which find an event by what is written down of its id:
 * without that it would be published a second time, and what waits would have no payload.
 */
async function noteEventIds(target: ClientBase): Promise<void> {
  await target.query(
    `INSERT INTO postrider.event_ids AS known (project_id, id, created_at, late)
     SELECT
       event.project_id,
       event.id,
       event.created_at,
       EXISTS (
         SELECT
         FROM postrider.deliveries AS delivery
         WHERE delivery.event_id = event.id
           AND delivery.project_id = event.project_id
           AND delivery.created_at <> event.created_at
       )
     FROM postrider.events AS event
     ON CONFLICT (project_id, id) DO UPDATE
     SET created_at = EXCLUDED.created_at,
         late = known.late OR EXCLUDED.late`,
  )
}

function requireSame(source: readonly Table[], target: readonly Table[]): void {
  for (const { name, columns } of source) {
    const same = target.find((table) => table.name === name)
    if (!same) throw new Error(`${qualified(name)} is no table of Postrider: take it to another schema first`)
    if (columns.join() !== same.columns.join())
      throw new Error(`${qualified(name)} has other columns there: ${same.columns.join(', ')}`)
  }
}
