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
  /**
   * Conditions that no index serves, which add their parameters to those given: a page looks at no more than so many
   * rows for those that meet them.
   */
  sought?: ((parameters: unknown[]) => readonly string[]) | undefined
  values: readonly unknown[]
}

/**
 * One page of a list, newest first. The cursor names the last row seen by (created_at, id), not an offset: rows that
 * are inserted meanwhile move nothing. Times go through the cursor as whole microseconds, as PostgreSQL keeps them;
 * rows that were written by hand may hold any, and infinity too.
 */
export async function readPage<Row extends { id: string }>(
  queryable: Queryable,
  { columns, from, where, sought, values }: PageQuery,
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
  const inOrder = `FROM ${from} AS row
     WHERE ${conditions.length === 0 ? 'true' : conditions.join(' AND ')}
     ORDER BY row.created_at DESC, row.id DESC`
  const searched = [...parameters]
  const found = sought
    ? `FROM (SELECT * ${inOrder} LIMIT ${searchedAtOnce}) AS row
     WHERE ${sought(parameters).join(' AND ')}
     ORDER BY row.created_at DESC, row.id DESC`
    : inOrder

  const { rows } = await queryable.query<Row & { microseconds: string }>(
    `SELECT ${microsecondsOf('row.created_at')} AS microseconds, ${columns}
     ${found}
     LIMIT $${parameters.length + 1}::integer`,
    [...parameters, limit + 1],
  )
  const more = rows.length > limit
  const page = more ? rows.slice(0, limit) : rows
  const last = page.at(-1)
  const end = more || !sought ? undefined : await endOfSearch(queryable, inOrder, searched)
  return {
    rows: page.map(({ microseconds: _, ...row }) => row as unknown as Row),
    next_cursor: more && last ? encodeCursor(last.microseconds, last.id) : cursorAt(end, last),
  }
}

/**
 * Rows that one page looks at where no index tells which are sought: some 50 ms. A page may then be shorter than asked
 * for, even empty, and still have a next one.
 */
const searchedAtOnce = 20_000

interface Place {
  microseconds: string
  id: string
}

/** Where the search for a page came to its end, if there are rows behind it. */
async function endOfSearch(
  queryable: Queryable,
  inOrder: string,
  values: unknown[],
): Promise<Place | undefined> {
  const { rows } = await queryable.query<Place>(
    `SELECT ${microsecondsOf('row.created_at')} AS microseconds, row.id
     ${inOrder}
     OFFSET ${searchedAtOnce - 1}
     LIMIT 1`,
    values,
  )
  return rows[0]
}

/** Rows that were inserted since move the end towards the newest: what was found lies before it all the same. */
function cursorAt(end: Place | undefined, found: Place | undefined): string | null {
  if (!end) return null
  const isBehind = found !== undefined && compare(found, end) < 0
  return isBehind ? encodeCursor(found.microseconds, found.id) : encodeCursor(end.microseconds, end.id)
}

function compare(one: Place, other: Place): number {
  if (one.microseconds === other.microseconds) return one.id < other.id ? -1 : 1
  const [first, second] = [one, other].map(({ microseconds }) =>
    Number(microseconds.replace('infinity', 'Infinity')),
  )
  return first! - second!
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
