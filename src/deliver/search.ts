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

/** The rows of a long transaction bear the time of its begin, their ids that of each insertion. */
const slackMs = 60_000

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
    `SELECT place.id, event.type, place.created_at
     FROM (
       SELECT place.id, place.created_at
       FROM postrider.event_places AS place
       WHERE place.project_id = $1::uuid
         AND place.id BETWEEN $2::uuid AND $3::uuid
       ORDER BY place.id DESC
       LIMIT ${most}
     ) AS place
     CROSS JOIN LATERAL (
       SELECT event.type
       FROM postrider.events AS event
       WHERE event.project_id = $1::uuid
         AND event.id = place.id
         AND event.created_at = place.created_at
       OFFSET 0
     ) AS event
     ORDER BY place.id DESC`,
    range,
  )
  // By the time in the id, since the index of ids holds those of all projects: only a whole id is looked up there.
  const isWhole = ids.first === ids.last
  const deliveries = await queryable.query<Delivery>(
    `SELECT ${listed}
     FROM postrider.deliveries AS row
     WHERE row.project_id = $1::uuid
       AND row.id BETWEEN $2::uuid AND $3::uuid
       AND (
         $4::double precision IS NULL
         OR row.created_at BETWEEN to_timestamp($4::double precision / 1000)
           AND to_timestamp($5::double precision / 1000)
       )
     ORDER BY row.created_at DESC, row.id DESC
     LIMIT ${most}`,
    [
      ...range,
      isWhole ? null : millisecondsOf(ids.first) - slackMs,
      isWhole ? null : millisecondsOf(ids.last) + slackMs,
    ],
  )
  return {
    webhooks: webhooks.rows,
    applications: applications.rows,
    events: events.rows,
    deliveries: deliveries.rows,
  }
}

/** When a UUIDv7 was made (RFC 9562 § 5.7: its first 48 bits). */
function millisecondsOf(digits: string): number {
  return parseInt(digits.slice(0, 12), 16)
}

/** The ids that begin with a text of four characters or more, if ids can. */
function idRange(text: string): { first: string; last: string } | undefined {
  const digits = text.replaceAll('-', '').toLowerCase()
  if (!/^[0-9a-f]{4,32}$/.test(digits) || !/^[0-9a-fA-F-]+$/.test(text)) return undefined
  return { first: digits.padEnd(32, '0'), last: digits.padEnd(32, 'f') }
}
