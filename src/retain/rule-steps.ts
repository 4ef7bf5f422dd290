import type { Queryable } from '../database/database.ts'
import type { Cutoffs } from './rules.ts'

/** The last row of a project's history that was looked at, oldest first; times to the microsecond. */
export interface Position {
  createdAt: string
  id: string
}

export const beginning: Position = { createdAt: '-infinity', id: '00000000-0000-0000-0000-000000000000' }

export interface Slice {
  projectId: string
  cutoffs: Cutoffs
  after: Position
  /** Rows to look at. */
  size: number
}

export interface Sliced {
  done: number
  /** null: there is nothing behind this slice. */
  last: Position | null
}

export interface Candidate {
  id: string
  created_at: string
  may_go: boolean
}

/**
 * Looks at the next deliveries of a project, and deletes those whose time is over; what is not finished stays, and so does
 * what somebody is just changing.
 */
export async function expireDeliveries(queryable: Queryable, slice: Slice): Promise<Sliced> {
  const { rows } = await queryable.query<Candidate>(
    `SELECT
       delivery.id,
       delivery.created_at::text AS created_at,
       delivery.status IN ('delivered', 'failed')
         AND delivery.created_at < COALESCE(($6::jsonb ->> delivery.event_type)::timestamptz, $5::timestamptz) AS may_go
     FROM postrider.deliveries AS delivery
     WHERE delivery.project_id = $1::uuid
       AND delivery.created_at < $4::timestamptz
       AND (delivery.created_at, delivery.id) > ($2::timestamptz, $3::uuid)
     ORDER BY delivery.created_at, delivery.id
     LIMIT $7::integer`,
    valuesOf(slice),
  )
  const ids = idsOf(rows)
  if (ids.length === 0) return slicedOf(rows, slice, 0)
  const { rowCount } = await queryable.query(
    `DELETE FROM postrider.deliveries AS delivery
     WHERE delivery.project_id = $1::uuid
       AND delivery.id = ANY(ARRAY(
         SELECT held.id
         FROM postrider.deliveries AS held
         WHERE held.project_id = $1::uuid
           AND held.id = ANY($2::uuid[])
           AND held.status IN ('delivered', 'failed')
         FOR UPDATE SKIP LOCKED
       ))`,
    [slice.projectId, ids],
  )
  return slicedOf(rows, slice, rowCount ?? 0)
}

/**
 * The same of its events that no delivery refers to any more. With an event goes what says that filters kept it back, and its
 * id is free.
 */
export async function expireEvents(queryable: Queryable, slice: Slice): Promise<Sliced> {
  const { rows } = await queryable.query<Candidate>(
    `SELECT
       event.id,
       event.created_at::text AS created_at,
       event.created_at < COALESCE(($6::jsonb ->> event.type)::timestamptz, $5::timestamptz) AS may_go
     FROM postrider.events AS event
     WHERE event.project_id = $1::uuid
       AND event.created_at < $4::timestamptz
       AND (event.created_at, event.id) > ($2::timestamptz, $3::uuid)
     ORDER BY event.created_at, event.id
     LIMIT $7::integer`,
    valuesOf(slice),
  )
  const ids = await holdEvents(queryable, slice.projectId, rows)
  if (ids.length === 0) return slicedOf(rows, slice, 0)
  await queryable.query(
    `DELETE FROM postrider.filtered_deliveries AS filtered
     WHERE filtered.project_id = $1::uuid
       AND filtered.event_id = ANY($2::uuid[])`,
    [slice.projectId, ids],
  )
  const { rows: deleted } = await queryable.query<{ count: number }>(
    `WITH expired AS MATERIALIZED (
       SELECT event.id
       FROM postrider.events AS event
       WHERE event.project_id = $1::uuid
         AND event.id = ANY($2::uuid[])
         AND event.created_at BETWEEN $3::timestamptz AND $4::timestamptz
         AND NOT EXISTS (
           SELECT
           FROM postrider.deliveries AS delivery
           WHERE delivery.event_id = event.id
             AND delivery.project_id = $1::uuid
         )
       FOR UPDATE SKIP LOCKED
     ),
     deleted AS (
       DELETE FROM postrider.events AS event
       WHERE event.project_id = $1::uuid
         AND event.id = ANY(ARRAY(SELECT expired.id FROM expired))
         AND event.created_at BETWEEN $3::timestamptz AND $4::timestamptz
       RETURNING event.id
     )
     SELECT COUNT(*)::integer AS count
     FROM deleted`,
    [slice.projectId, ids, rows[0]!.created_at, rows.at(-1)!.created_at],
  )
  return slicedOf(rows, slice, deleted[0]!.count)
}

/**
 * Of events that may go, those that nobody is just making deliveries of: they are held from here on, in a statement of its own,
 * so that the next one sees the deliveries that were made before.
 */
export async function holdEvents(
  queryable: Queryable,
  projectId: string,
  candidates: readonly Candidate[],
): Promise<string[]> {
  const ids = idsOf(candidates)
  if (ids.length === 0) return []
  const { rows } = await queryable.query<{ id: string }>(
    `SELECT event.id
     FROM postrider.events AS event
     WHERE event.project_id = $1::uuid
       AND event.id = ANY($2::uuid[])
       AND event.created_at BETWEEN $3::timestamptz AND $4::timestamptz
     FOR UPDATE SKIP LOCKED`,
    [projectId, ids, candidates[0]!.created_at, candidates.at(-1)!.created_at],
  )
  return rows.map(({ id }) => id)
}

export function idsOf(rows: readonly Candidate[]): string[] {
  return rows.filter(({ may_go }) => may_go).map(({ id }) => id)
}

export function slicedOf(rows: readonly Candidate[], { size }: Slice, done: number): Sliced {
  const last = rows.at(-1)
  return { done, last: last && rows.length === size ? { createdAt: last.created_at, id: last.id } : null }
}

function valuesOf({ projectId, cutoffs, after, size }: Slice): unknown[] {
  const { latest, usual, byType } = cutoffs
  return [projectId, after.createdAt, after.id, latest, usual, JSON.stringify(byType), size]
}
