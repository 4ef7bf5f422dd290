import type { Queryable } from '../database/database.ts'
import { type Delivery, listed } from './deliveries.ts'

/** What was found for a few typed characters; at most `most` of each. */
export interface SearchResults {
  webhooks: { id: string; name: string; url: string; is_active: boolean }[]
  applications: { id: string; name: string }[]
  events: { id: string; type: string; created_at: Date }[]
  deliveries: Delivery[]
}

const most = 8
/** Deliveries of all projects stand in the index of ids: no more of them are looked at. */
const lookedAt = 2_000

/**
 * Finds things of a project by the beginning of their id, and webhooks and applications by a part of their name; for no
 * text the newest of those two.
 */
export async function search(queryable: Queryable, projectId: string, text: string): Promise<SearchResults> {
  const wanted = text.trim()
  const ids = idRange(wanted)
  const values = [
    projectId,
    `%${wanted.replaceAll(/[\\%_]/g, '\\$&')}%`,
    ids?.first ?? null,
    ids?.last ?? null,
  ]
  const webhooks = await queryable.query<SearchResults['webhooks'][number]>(
    `SELECT webhook.id, webhook.name, webhook.url, webhook.is_active
     FROM postrider.webhooks AS webhook
     WHERE webhook.project_id = $1::uuid
       AND (
         webhook.name ILIKE $2::text
         OR webhook.url ILIKE $2::text
         OR webhook.id BETWEEN $3::uuid AND $4::uuid
       )
     ORDER BY webhook.created_at DESC, webhook.id DESC
     LIMIT ${most}`,
    values,
  )
  const applications = await queryable.query<SearchResults['applications'][number]>(
    `SELECT application.id, application.name
     FROM postrider.applications AS application
     WHERE application.project_id = $1::uuid
       AND (
         application.name ILIKE $2::text
         OR application.id BETWEEN $3::uuid AND $4::uuid
       )
     ORDER BY application.created_at DESC, application.id DESC
     LIMIT ${most}`,
    values,
  )
  if (!ids) return { webhooks: webhooks.rows, applications: applications.rows, events: [], deliveries: [] }

  const range = [projectId, ids.first, ids.last]
  const events = await queryable.query<SearchResults['events'][number]>(
    `SELECT event.id, event.type, event.created_at
     FROM postrider.events AS event
     WHERE event.project_id = $1::uuid
       AND event.id BETWEEN $2::uuid AND $3::uuid
     ORDER BY event.id DESC
     LIMIT ${most}`,
    range,
  )
  const deliveries = await queryable.query<Delivery>(
    `SELECT ${listed}
     FROM (
       SELECT *
       FROM postrider.deliveries AS delivery
       WHERE delivery.id BETWEEN $2::uuid AND $3::uuid
       ORDER BY delivery.id DESC
       LIMIT ${lookedAt}
     ) AS row
     WHERE row.project_id = $1::uuid
     ORDER BY row.id DESC
     LIMIT ${most}`,
    range,
  )
  return {
    webhooks: webhooks.rows,
    applications: applications.rows,
    events: events.rows,
    deliveries: deliveries.rows,
  }
}

/** The ids that begin with a text of four characters or more, if ids can. */
function idRange(text: string): { first: string; last: string } | undefined {
  const digits = text.replaceAll('-', '').toLowerCase()
  if (!/^[0-9a-f]{4,32}$/.test(digits) || !/^[0-9a-fA-F-]+$/.test(text)) return undefined
  return { first: digits.padEnd(32, '0'), last: digits.padEnd(32, 'f') }
}
