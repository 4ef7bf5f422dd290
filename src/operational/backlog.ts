import type { Queryable } from '../database/database.ts'

/**
 * Notes once for each project whose backlog has become high, for those who listen, by the samples of the last minute; it is
 * over when less than half of the threshold waits. What waits for operational webhooks does not count. Answers the projects
 * whose backlog has become high.
 */
export async function noteHighBacklogs(
  queryable: Queryable,
  { now, threshold }: { now: Date; threshold: number },
): Promise<string[]> {
  if (threshold === 0) return []
  const { rows } = await queryable.query<{ project_id: string }>(
    `WITH sampled AS MATERIALIZED (
       SELECT
         webhook.project_id,
         webhook.id AS webhook_id,
         webhook.name AS webhook_name,
         MAX(row.backlog) AS backlog,
         MAX(row.oldest_due_seconds) AS oldest_due_seconds
       FROM postrider.attempt_statistics AS row
       JOIN postrider.webhooks AS webhook
         ON webhook.id = row.webhook_id
         AND NOT webhook.operational
       WHERE row.seconds = 60
         AND row.at >= date_trunc('minute', $1::timestamptz, 'UTC')
         AND row.backlog > 0
       GROUP BY webhook.id
     ),
     waiting AS MATERIALIZED (
       SELECT
         sampled.project_id,
         SUM(sampled.backlog) AS backlog,
         MAX(sampled.oldest_due_seconds) AS oldest_due_seconds
       FROM sampled
       GROUP BY sampled.project_id
     ),
     low AS (
       DELETE FROM postrider.high_backlogs AS high
       WHERE NOT EXISTS (
         SELECT
         FROM waiting
         WHERE waiting.project_id = high.project_id
           AND waiting.backlog >= $2::integer / 2.0
       )
     ),
     high AS (
       INSERT INTO postrider.high_backlogs (project_id, since)
       SELECT waiting.project_id, $1::timestamptz
       FROM waiting
       WHERE waiting.backlog >= $2::integer
         AND EXISTS (
           SELECT
           FROM postrider.webhooks AS listening
           WHERE listening.project_id = waiting.project_id
             AND listening.operational
             AND listening.is_active
         )
       ON CONFLICT (project_id) DO NOTHING
       RETURNING project_id
     )
     INSERT INTO postrider.signals (project_id, type, data)
     SELECT
       waiting.project_id,
       'backlog.high',
       jsonb_build_object(
         'backlog', waiting.backlog,
         'threshold', $2::integer,
         'oldest_due_seconds', waiting.oldest_due_seconds,
         'webhooks', (
           SELECT jsonb_agg(jsonb_build_object(
             'webhook_id', largest.webhook_id,
             'webhook_name', largest.webhook_name,
             'backlog', largest.backlog
           ) ORDER BY largest.backlog DESC, largest.webhook_id)
           FROM (
             SELECT sampled.webhook_id, sampled.webhook_name, sampled.backlog
             FROM sampled
             WHERE sampled.project_id = waiting.project_id
             ORDER BY sampled.backlog DESC, sampled.webhook_id
             LIMIT 5
           ) AS largest
         )
       )
     FROM waiting
     WHERE waiting.project_id = ANY(ARRAY(SELECT high.project_id FROM high))
     RETURNING project_id`,
    [now, threshold],
  )
  return rows.map(({ project_id }) => project_id)
}
