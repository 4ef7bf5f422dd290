import { invalidField } from '../contract/errors.ts'
import { isUuid } from '../ids.ts'
import type { Queryable } from './database.ts'

/** What a caller asks of a list: `limit` 1..100, and the `next_cursor` of the page before. */
export interface PageRequest {
  limit?: number | undefined
  cursor?: string | undefined
}

export interface Page<Row> {
  rows: Row[]
  next_cursor: string | null
}

interface PageQuery {
  /** Of one table under the alias `row`, which has `created_at` and `id`. */
  columns: string
  /** Its name, with the schema. */
  from: string
  /** Conditions joined by AND, with parameters $1 … as in `values`. */
  where: readonly string[]
  values: readonly unknown[]
}

/**
 * One page of a list, newest first. The cursor names the last row seen by (created_at, id), not an offset: rows that
 * are inserted meanwhile move nothing. Times go through the cursor as whole microseconds, as PostgreSQL keeps them;
 * rows that were written by hand may hold any, and infinity too.
 */
export async function readPage<Row extends { id: string }>(
  queryable: Queryable,
  { columns, from, where, values }: PageQuery,
  { limit = 50, cursor }: PageRequest,
): Promise<Page<Row>> {
  const conditions = [...where]
  const parameters = [...values]
  if (cursor !== undefined) {
    const { microseconds, id } = decodeCursor(cursor)
    parameters.push(microseconds, id)
    const moment = momentOf(`$${parameters.length - 1}`, microseconds)
    conditions.push(`(row.created_at, row.id) < (${moment}, $${parameters.length}::uuid)`)
  }
  parameters.push(limit + 1)

  const { rows } = await queryable.query<Row & { microseconds: string }>(
    `SELECT ${microsecondsOf('row.created_at')} AS microseconds, ${columns}
     FROM ${from} AS row
     WHERE ${conditions.length === 0 ? 'true' : conditions.join(' AND ')}
     ORDER BY row.created_at DESC, row.id DESC
     LIMIT $${parameters.length}::integer`,
    parameters,
  )
  const more = rows.length > limit
  const page = more ? rows.slice(0, limit) : rows
  const last = page.at(-1)
  return {
    rows: page.map(({ microseconds: _, ...row }) => row as unknown as Row),
    next_cursor: more && last ? encodeCursor(last.microseconds, last.id) : null,
  }
}

/** As text: the last years that PostgreSQL knows are too large for a bigint. */
function microsecondsOf(column: string): string {
  return `CASE
         WHEN isfinite(${column}) THEN trunc(EXTRACT(EPOCH FROM ${column}) * 1000000)::text
         ELSE ${column}::text
       END`
}

/** The way back, exact: days and the rest, since an interval of microseconds alone passes through a double. */
function momentOf(parameter: string, microseconds: string): string {
  if (microseconds.endsWith('infinity')) return `${parameter}::timestamptz`
  return `(
         'epoch'::timestamp
         + make_interval(days => div(${parameter}::numeric, 86400000000)::integer)
         + mod(${parameter}::numeric, 86400000000)::bigint * interval '1 microsecond'
       ) AT TIME ZONE 'UTC'`
}

function encodeCursor(microseconds: string, id: string): string {
  return Buffer.from(`${microseconds}.${id}`).toString('base64url')
}

function decodeCursor(cursor: string): { microseconds: string; id: string } {
  const text = Buffer.from(cursor, 'base64url').toString()
  const [, microseconds, id] = /^(-?(?:\d{1,19}|infinity))\.([0-9a-f-]{36})$/.exec(text) ?? []
  if (microseconds === undefined || id === undefined || !isUuid(id)) {
    throw invalidField('cursor', 'must be the next_cursor of an earlier page of the same list')
  }
  return { microseconds: microseconds.endsWith('infinity') ? microseconds : bounded(microseconds), id }
}

/** Within what PostgreSQL knows, from 4714 BC to the year 294276: beyond it a cursor was made by hand. */
function bounded(microseconds: string): string {
  const count = BigInt(microseconds)
  if (count < firstMicrosecond) return String(firstMicrosecond)
  return String(count > lastMicrosecond ? lastMicrosecond : count)
}

const firstMicrosecond = -210_866_803_200_000_000n
const lastMicrosecond = 9_224_318_015_999_999_999n
