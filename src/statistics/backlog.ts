import type { Queryable } from '../database/database.ts'

/** What waits to be sent: due, for its next try, or in a line. */
export interface Backlog {
  count: number
  /** False where counting ended early. */
  is_exact: boolean
  /** Since when the oldest that could be sent has been waiting. */
  oldest_due_at: Date | null
}

/** In each of the three places; beyond it the sample says so many. */
const sampledTo = 200_000
const mostTold = 100_000

/** Notes what waits now, for each webhook and project that has a backlog. */
export async function sampleBacklog(queryable: Queryable, now: Date): Promise<void> {
  await queryable.query(
    `WITH waiting AS (
       SELECT placed.webhook_id, COUNT(*) AS count
       FROM (
         (SELECT webhook_id FROM postrider.delivery_queue LIMIT ${sampledTo})
         UNION ALL
         (SELECT webhook_id FROM postrider.delivery_schedule LIMIT ${sampledTo})
         UNION ALL
         (SELECT webhook_id FROM postrider.delivery_line_waiting LIMIT ${sampledTo})
       ) AS placed
       GROUP BY placed.webhook_id
     ),
     by_webhook AS (
       SELECT
         webhook.project_id,
         webhook.id AS webhook_id,
         waiting.count,
         CASE WHEN webhook.is_active THEN (
           SELECT MIN(queued.scheduled_at)
           FROM postrider.delivery_queue AS queued
           WHERE queued.webhook_id = webhook.id
         ) END AS oldest_due_at
       FROM waiting
       JOIN postrider.webhooks AS webhook
         ON webhook.id = waiting.webhook_id
     )
     INSERT INTO postrider.attempt_statistics (project_id, webhook_id, seconds, at, backlog, oldest_due_seconds)
     SELECT
       by_webhook.project_id,
       by_webhook.webhook_id,
       60,
       date_trunc('minute', $1::timestamptz, 'UTC'),
       LEAST(SUM(by_webhook.count), ${mostTold}),
       COALESCE(GREATEST(EXTRACT(EPOCH FROM $1::timestamptz - MIN(by_webhook.oldest_due_at)), 0), 0)
     FROM by_webhook
     GROUP BY GROUPING SETS ((by_webhook.project_id, by_webhook.webhook_id), (by_webhook.project_id))`,
    [now],
  )
}

/**
 * What waits now, of each of these webhooks. Counting ends at `limit`; beyond it the largest of the last minutes' samples
 * is told.
 */
export async function readBacklogs(
  queryable: Queryable,
  {
    projectId,
    webhookIds,
    now,
    limit,
  }: { projectId: string; webhookIds: readonly string[]; now: Date; limit: number },
): Promise<Map<string, Backlog>> {
  const { rows } = await queryable.query<{
    webhook_id: string
    count: number
    sampled: number
    oldest_due_at: Date | null
  }>(
    `SELECT
       webhook.id AS webhook_id,
       waiting.count,
       CASE WHEN waiting.count > $4::integer THEN (
         SELECT COALESCE(MAX(row.backlog), 0)
         FROM postrider.attempt_statistics AS row
         WHERE row.project_id = $1::uuid
           AND row.webhook_id = webhook.id
           AND row.seconds = 60
           AND row.at >= $3::timestamptz - interval '2 minutes'
       ) ELSE 0 END AS sampled,
       CASE WHEN webhook.is_active THEN (
         SELECT MIN(queued.scheduled_at)
         FROM postrider.delivery_queue AS queued
         WHERE queued.webhook_id = webhook.id
           AND queued.scheduled_at <= $3::timestamptz
       ) END AS oldest_due_at
     FROM postrider.webhooks AS webhook
     CROSS JOIN LATERAL (
       SELECT COUNT(*)::integer AS count
       FROM (
         SELECT FROM postrider.delivery_queue AS queued WHERE queued.webhook_id = webhook.id
         UNION ALL
         SELECT FROM postrider.delivery_schedule AS scheduled WHERE scheduled.webhook_id = webhook.id
         UNION ALL
         SELECT FROM postrider.delivery_line_waiting AS lined WHERE lined.webhook_id = webhook.id
         LIMIT $4::integer + 1
       ) AS placed
     ) AS waiting
     WHERE webhook.project_id = $1::uuid
       AND webhook.id = ANY($2::uuid[])`,
    [projectId, webhookIds, now, limit],
  )
  return new Map(rows.map(({ webhook_id, ...row }) => [webhook_id, backlogOf(row, limit)]))
}

/** The same of a whole project. */
export async function readBacklog(
  queryable: Queryable,
  { projectId, now, limit }: { projectId: string; now: Date; limit: number },
): Promise<Backlog> {
  const { rows } = await queryable.query<{ count: number; sampled: number; oldest_due_at: Date | null }>(
    `WITH waiting AS (
       SELECT COUNT(*)::integer AS count
       FROM (
         SELECT
         FROM postrider.webhooks AS webhook
         CROSS JOIN LATERAL (
           SELECT FROM postrider.delivery_queue AS queued WHERE queued.webhook_id = webhook.id
           UNION ALL
           SELECT FROM postrider.delivery_schedule AS scheduled WHERE scheduled.webhook_id = webhook.id
           UNION ALL
           SELECT FROM postrider.delivery_line_waiting AS lined WHERE lined.webhook_id = webhook.id
         ) AS placed
         WHERE webhook.project_id = $1::uuid
         LIMIT $3::integer + 1
       ) AS placed
     )
     SELECT
       waiting.count,
       CASE WHEN waiting.count > $3::integer THEN (
         SELECT COALESCE(MAX(row.backlog), 0)
         FROM postrider.attempt_statistics AS row
         WHERE row.project_id = $1::uuid
           AND row.webhook_id IS NULL
           AND row.seconds = 60
           AND row.at >= $2::timestamptz - interval '2 minutes'
       ) ELSE 0 END AS sampled,
       (
         SELECT MIN(oldest.scheduled_at)
         FROM postrider.webhooks AS webhook
         CROSS JOIN LATERAL (
           SELECT queued.scheduled_at
           FROM postrider.delivery_queue AS queued
           WHERE queued.webhook_id = webhook.id
             AND queued.scheduled_at <= $2::timestamptz
           ORDER BY queued.scheduled_at
           LIMIT 1
         ) AS oldest
         WHERE webhook.project_id = $1::uuid
           AND webhook.is_active
       ) AS oldest_due_at
     FROM waiting`,
    [projectId, now, limit],
  )
  return backlogOf(rows[0]!, limit)
}

function backlogOf(
  { count, sampled, oldest_due_at }: { count: number; sampled: number; oldest_due_at: Date | null },
  limit: number,
): Backlog {
  return { count: Math.max(Math.min(count, limit), sampled), is_exact: count <= limit, oldest_due_at }
}
