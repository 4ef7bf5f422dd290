import { notFound } from '../contract/errors.ts'
import type { Queryable } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'

/** An event as it was published; `deliveries` is the number of webhooks that it matched then. */
export interface PublishedEvent {
  id: string
  type: string
  timestamp: Date
  application_id: string | null
  environment_name: string | null
  created_at: Date
  deliveries: number
}

export interface EventFilter {
  type?: string | undefined
  since?: Date | undefined
  until?: Date | undefined
}

/** The published events of a project, those that matched nothing too, newest first. */
export function listEvents(
  queryable: Queryable,
  projectId: string,
  filter: EventFilter,
  page: PageRequest,
): Promise<Page<PublishedEvent>> {
  const values: unknown[] = [projectId]
  const where = ['row.project_id = $1::uuid']
  const add = (condition: (parameter: string) => string, value: unknown): void => {
    if (value === undefined) return
    values.push(value)
    where.push(condition(`$${values.length}`))
  }
  add((parameter) => `row.created_at >= ${parameter}::timestamptz`, filter.since)
  add((parameter) => `row.created_at < ${parameter}::timestamptz`, filter.until)
  return readPage<PublishedEvent>(
    queryable,
    {
      columns:
        'row.id, row.type, row."timestamp", row.application_id, row.environment_name, row.created_at, row.deliveries',
      from: 'postrider.events',
      where,
      sought: filter.type === undefined ? undefined : ofType(filter.type),
      values,
    },
    page,
  )
}

function ofType(type: string) {
  return (parameters: unknown[]): string[] => {
    parameters.push(type)
    return [`row.type = $${parameters.length}::text`]
  }
}

export interface EventWithPayload extends PublishedEvent {
  /** JSON text, to the digit; null once it has expired. */
  payload: string | null
  payload_expired_at: Date | null
}

export async function getEvent(
  queryable: Queryable,
  projectId: string,
  id: string,
): Promise<EventWithPayload> {
  const { rows } = await queryable.query<EventWithPayload>(
    `SELECT event.id, event.type, event."timestamp", event.application_id, event.environment_name, event.created_at,
            event.deliveries, event.payload, event.payload_expired_at
     FROM postrider.events AS event
     WHERE event.project_id = $1::uuid
       AND event.id = $2::uuid
       AND event.created_at = (
         SELECT place.created_at
         FROM postrider.event_places AS place
         WHERE place.project_id = $1::uuid
           AND place.id = $2::uuid
       )`,
    [projectId, id],
  )
  if (!rows[0]) throw notFound('event')
  return rows[0]
}
