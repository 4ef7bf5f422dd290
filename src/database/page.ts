import { invalidField } from '../contract/errors.ts'
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
 * are inserted meanwhile move nothing. Times go through the cursor as whole microseconds, as PostgreSQL keeps them.
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
    conditions.push(
      `(row.created_at, row.id) < ('epoch'::timestamptz + $${parameters.length - 1}::bigint * interval '1 microsecond', $${parameters.length}::uuid)`,
    )
  }
  parameters.push(limit + 1)

  const { rows } = await queryable.query<Row & { microseconds: string }>(
    `SELECT (EXTRACT(EPOCH FROM row.created_at) * 1000000)::bigint AS microseconds, ${columns}
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

function encodeCursor(microseconds: string, id: string): string {
  return Buffer.from(`${microseconds}.${id}`).toString('base64url')
}

function decodeCursor(cursor: string): { microseconds: string; id: string } {
  const match = /^(-?\d{1,18})\.([0-9a-f-]{36})$/.exec(Buffer.from(cursor, 'base64url').toString())
  if (!match?.[1] || !match[2] || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(match[2])) {
    throw invalidField('cursor', 'must be the next_cursor of an earlier page of the same list')
  }
  return { microseconds: match[1], id: match[2] }
}
