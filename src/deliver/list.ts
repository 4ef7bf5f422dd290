import type { Queryable } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'
import { type Delivery, type DeliveryStatus, listed } from './deliveries.ts'

export interface DeliveryFilter {
  status?: DeliveryStatus | undefined
  webhook_id?: string | undefined
  event_id?: string | undefined
  event_type?: string | undefined
  code?: CodeClass | undefined
  since?: Date | undefined
  until?: Date | undefined
}

export type CodeClass = '2xx' | '3xx' | '4xx' | '5xx' | 'none'

/**
 * The deliveries of a project, newest first. Status, type and code have no index, which would cost every delivery its
 * update in place: what failed stands in a table of its own, what waits is found where it waits, and anything else is
 * looked for in a bounded part of the history for each page.
 */
export async function listDeliveries(
  queryable: Queryable,
  projectId: string,
  filter: DeliveryFilter,
  page: PageRequest,
): Promise<Page<Delivery>> {
  const values: unknown[] = [projectId]
  const where = ['row.project_id = $1::uuid']
  const add = (comparison: string, type: string, value: unknown): void => {
    if (value === undefined) return
    values.push(value)
    where.push(`row.${comparison} $${values.length}::${type}`)
  }
  add('webhook_id =', 'uuid', filter.webhook_id)
  add('event_id =', 'uuid', filter.event_id)
  add('created_at >=', 'timestamptz', filter.since)
  add('created_at <', 'timestamptz', filter.until)
  const { status, event_type, code } = filter
  const isSought = status !== undefined || event_type !== undefined || code !== undefined
  const sought = (parameters: unknown[]): string[] => {
    parameters.push(status ?? null, event_type ?? null)
    const [statusAt, typeAt] = [parameters.length - 1, parameters.length]
    return [
      `($${statusAt}::postrider.webhook_delivery_status IS NULL OR row.status = $${statusAt})`,
      `($${typeAt}::text IS NULL OR row.event_type = $${typeAt})`,
      ...(code === undefined ? [] : [codeCondition(code)]),
    ]
  }
  const from = await sourceOf(queryable, projectId, filter)
  return readPage<Delivery>(
    queryable,
    { columns: listed, from, where, sought: isSought ? sought : undefined, values },
    page,
  )
}

/** On the row of a delivery. */
export function codeCondition(code: CodeClass): string {
  if (code === 'none') return 'row.last_response_status IS NULL'
  const first = Number(code[0]) * 100
  return `row.last_response_status >= ${first} AND row.last_response_status < ${first + 100}`
}

/** More that wait than this are so many that they are found in the history soon. */
const mostWaiting = 5_000

async function sourceOf(queryable: Queryable, projectId: string, filter: DeliveryFilter): Promise<string> {
  const { status, code, event_id, webhook_id } = filter
  if (event_id !== undefined) return history
  if (status === 'failed') return placed(failedRows)
  const isWaiting = status === 'pending'
  // Whatever was answered 2xx is delivered; a delivery in flight shows up again with its result.
  const isUnsuccessful = status === undefined && code !== undefined && code !== '2xx'
  if (!isWaiting && !isUnsuccessful) return history
  const count = await countWaiting(queryable, projectId, webhook_id)
  if (count > mostWaiting) return history
  const places = isWaiting ? waitingRows(webhook_id) : `${failedRows} UNION ALL ${waitingRows(webhook_id)}`
  return placed(places)
}

const history = 'postrider.deliveries'

/**
 * Deliveries by their places in the history, which come from what has that order as an index or is short enough to sort:
 * the rest of each row is looked up while a page is filled.
 */
function placed(places: string): string {
  return `(
       SELECT
         place.project_id, place.webhook_id, place.created_at, place.id,
         delivery.event_id, delivery.event_type, delivery.status, delivery.attempts, delivery.max_attempts,
         delivery.scheduled_at, delivery.delivered_at, delivery.last_attempt_at, delivery.last_response_status,
         delivery.last_error
       FROM (${places}) AS place
       CROSS JOIN LATERAL (
         SELECT *
         FROM postrider.deliveries AS delivery
         WHERE delivery.id = place.id
         OFFSET 0
       ) AS delivery
     )`
}

const failedRows = `SELECT failed.project_id, failed.webhook_id, failed.created_at, failed.delivery_id AS id
       FROM postrider.failed_deliveries AS failed`

function waitingRows(webhookId: string | undefined): string {
  return `SELECT waiting.project_id, waiting.webhook_id, waiting.created_at, waiting.id
       FROM postrider.deliveries AS waiting
       WHERE waiting.id = ANY(ARRAY(SELECT placed.delivery_id ${waitingPlaces(webhookId)}))`
}

/** Where the deliveries of a project or of one webhook wait, as `placed`: $1 project, $2 webhook. */
export function waitingPlaces(webhookId: string | undefined): string {
  return `FROM postrider.webhooks AS webhook
       CROSS JOIN LATERAL (
         SELECT delivery_id FROM postrider.delivery_queue AS queued WHERE queued.webhook_id = webhook.id
         UNION ALL
         SELECT delivery_id FROM postrider.delivery_schedule AS scheduled WHERE scheduled.webhook_id = webhook.id
         UNION ALL
         SELECT delivery_id FROM postrider.delivery_line_waiting AS lined WHERE lined.webhook_id = webhook.id
       ) AS placed
       WHERE webhook.project_id = $1::uuid
         ${webhookId === undefined ? '' : 'AND webhook.id = $2::uuid'}`
}

async function countWaiting(
  queryable: Queryable,
  projectId: string,
  webhookId: string | undefined,
): Promise<number> {
  const { rows } = await queryable.query<{ count: number }>(
    `SELECT COUNT(*)::integer AS count
     FROM (SELECT ${waitingPlaces(webhookId)} LIMIT ${mostWaiting + 1}) AS counted`,
    webhookId === undefined ? [projectId] : [projectId, webhookId],
  )
  return rows[0]!.count
}
