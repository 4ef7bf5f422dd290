import type { Queryable } from '../database/database.ts'

/** A moment, and which transactions had ended by then: all before `xid`. */
export interface EventPosition {
  at: Date
  xid: number
  /** How long before its end a transaction may have begun whose events are looked for. */
  backSeconds: number
  /** Ids of events after it that were read already. */
  known: readonly string[]
  /** The end of the page before, for the next page of the same look. */
  behind?: { publishedAt: string; id: string } | undefined
}

export interface NewEvent {
  id: string
  type: string
  /** The body that receivers get, JSON text. */
  payload: string
  /** Of the transaction that wrote it. */
  xid: number
  published_at: string
}

export interface NewEvents {
  /** Where we are: what is committed from here on was not looked at. */
  at: Date
  xid: number
  events: NewEvent[]
  /** There is no further page. */
  isAll: boolean
}

const limit = 100

/**
 * Events that an application published, committed after a position, in the order in which they were published; without a position, only where we
 * are. Neither an event's time, which is that of the beginning of its transaction, nor its id tells when it was committed:
 * that tells the transaction. Whatever was not yet committed then is of one that is not older than the oldest that wrote
 * (subtransactions are younger still). The time only limits how far back is looked, by index.
 *
 * In a transaction: the position is taken before the events are read, so that nothing falls in between.
 */
export async function readNewEvents(
  transaction: Queryable,
  projectId: string,
  after: EventPosition | undefined,
): Promise<NewEvents> {
  const { rows } = await transaction.query<{ at: Date; xid: string }>(
    `SELECT clock_timestamp() AS at, pg_snapshot_xmin(pg_current_snapshot())::xid::text AS xid`,
  )
  const here = { at: rows[0]!.at, xid: Number(rows[0]!.xid) }
  if (!after) return { ...here, events: [], isAll: true }
  const found = await transaction.query<Omit<NewEvent, 'xid'> & { xid: string }>(
    `SELECT event.id, event.type, event.payload, event.xmin::text AS xid, event.created_at::text AS published_at
     FROM postrider.events AS event
     WHERE event.project_id = $1::uuid
       AND event.created_at >= $2::timestamptz
       AND age(event.xmin) <= age($3::text::xid)
       AND event.id <> ALL($4::uuid[])
       AND event.payload IS NOT NULL
       AND NOT event.operational
       AND ($5::timestamptz IS NULL OR (event.created_at, event.id) > ($5::timestamptz, $6::uuid))
     ORDER BY event.created_at, event.id
     LIMIT $7::integer`,
    [
      projectId,
      new Date(after.at.getTime() - after.backSeconds * 1_000),
      String(after.xid),
      after.known,
      after.behind?.publishedAt ?? null,
      after.behind?.id ?? null,
      limit,
    ],
  )
  const events = found.rows.map((event) => ({ ...event, xid: Number(event.xid) }))
  return { ...here, events, isAll: events.length < limit }
}
