import type { Queryable } from '../database/database.ts'

/** More than this in one place is told as this many: counting on would read the whole queue at every look. */
const backlogCountedTo = 100_000

/** What waits in the whole database. */
export interface Waiting {
  /** Due, and in the queue of whoever claims next. */
  queue: number
  /** For the time of their next try. */
  schedule: number
  /** In an ordered webhook's line, behind its head. */
  line: number
  /** For how long the oldest due delivery of an active webhook has been waiting. */
  oldestDueSeconds: number
  /** Workers whose lease holds. */
  workers: number
  /** Webhooks whose endpoint is down, so that it gets but a probe now and then. */
  breakers: number
}

/** Counted no further than needed. */
export async function readWaiting(queryable: Queryable): Promise<Waiting> {
  const { rows } = await queryable.query<Omit<Waiting, 'oldestDueSeconds'> & { oldest: number }>(
    `WITH RECURSIVE queues AS (
       (
         SELECT queued.webhook_id, queued.scheduled_at
         FROM postrider.delivery_queue AS queued
         ORDER BY queued.webhook_id, queued.scheduled_at
         LIMIT 1
       )
       UNION ALL
       SELECT next.webhook_id, next.scheduled_at
       FROM queues
       CROSS JOIN LATERAL (
         SELECT queued.webhook_id, queued.scheduled_at
         FROM postrider.delivery_queue AS queued
         WHERE queued.webhook_id > queues.webhook_id
         ORDER BY queued.webhook_id, queued.scheduled_at
         LIMIT 1
       ) AS next
     )
     SELECT
       (SELECT COUNT(*)::integer FROM (SELECT FROM postrider.delivery_queue LIMIT ${backlogCountedTo}) AS counted) AS queue,
       (SELECT COUNT(*)::integer FROM (SELECT FROM postrider.delivery_schedule LIMIT ${backlogCountedTo}) AS counted) AS schedule,
       (SELECT COUNT(*)::integer FROM (SELECT FROM postrider.delivery_line_waiting LIMIT ${backlogCountedTo}) AS counted) AS line,
       (SELECT COUNT(*)::integer FROM postrider.workers WHERE lease_until > clock_timestamp()) AS workers,
       (SELECT COUNT(*)::integer FROM postrider.webhook_breakers WHERE ends_at > clock_timestamp()) AS breakers,
       COALESCE((
         SELECT EXTRACT(EPOCH FROM clock_timestamp() - MIN(queues.scheduled_at))::double precision
         FROM queues
         JOIN postrider.webhooks AS webhook
           ON webhook.id = queues.webhook_id
           AND webhook.is_active
       ), 0) AS oldest`,
  )
  const { oldest, ...counts } = rows[0]!
  return { ...counts, oldestDueSeconds: oldest }
}

/** What waits, of each webhook that has any. */
export interface WaitingOfWebhook {
  project_id: string
  webhook_id: string
  deliveries: number
}

/** Beyond the count in one place the rest is left out, whosever it is. */
export async function readWaitingByWebhook(queryable: Queryable): Promise<WaitingOfWebhook[]> {
  const { rows } = await queryable.query<WaitingOfWebhook>(
    `SELECT webhook.project_id, webhook.id AS webhook_id, counted.deliveries
     FROM (
       SELECT placed.webhook_id, COUNT(*)::integer AS deliveries
       FROM (
         (SELECT webhook_id FROM postrider.delivery_queue LIMIT ${backlogCountedTo})
         UNION ALL
         (SELECT webhook_id FROM postrider.delivery_schedule LIMIT ${backlogCountedTo})
         UNION ALL
         (SELECT webhook_id FROM postrider.delivery_line_waiting LIMIT ${backlogCountedTo})
       ) AS placed
       GROUP BY placed.webhook_id
     ) AS counted
     JOIN postrider.webhooks AS webhook
       ON webhook.id = counted.webhook_id`,
  )
  return rows
}
