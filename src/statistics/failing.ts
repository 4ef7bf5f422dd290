import type { Queryable } from '../database/database.ts'
import { type Range, unitOf } from './range.ts'
import { spansOf, wholeSpansOf, withReach } from './reach.ts'
import { type Outcomes, successRate } from './read.ts'

export interface FailingWebhook extends Outcomes {
  webhook_id: string
  name: string
  url: string
  is_active: boolean
  success_rate: number | null
  last_error: string | null
  last_error_at: Date | null
}

const most = 10

/** The webhooks with the most failed attempts in a range, out of the counts: what was recorded in the last seconds may be missing. */
export function readFailing(
  queryable: Queryable,
  projectId: string,
  range: Range,
): Promise<FailingWebhook[]> {
  return withReach(queryable, async (reach) => {
    // Up to now, whole days can stand for their hours.
    const isUpToNow = range.until >= reach.hours_until
    const { units, since, until } = isUpToNow
      ? wholeSpansOf(range, reach)
      : spansOf(range, unitOf(range), reach)
    const { rows } = await queryable.query<Omit<FailingWebhook, 'success_rate'>>(
      `WITH span AS MATERIALIZED (
         SELECT *
         FROM unnest($2::integer[], $3::timestamptz[], $4::timestamptz[]) AS span (unit, since, until)
       ),
       failing AS MATERIALIZED (
         SELECT
           row.webhook_id,
           SUM(row.retry + row.failed) AS failures,
           (array_agg(row.last_error ORDER BY row.last_error_at DESC NULLS LAST))[1] AS last_error,
           MAX(row.last_error_at) AS last_error_at
         FROM span
         JOIN postrider.attempt_statistics AS row
           ON row.project_id = $1::uuid
           AND row.seconds = span.unit
           AND row.at >= span.since
           AND row.at < span.until
           AND row.webhook_id IS NOT NULL
           AND row.retry + row.failed > 0
         GROUP BY row.webhook_id
         ORDER BY failures DESC
         LIMIT ${most}
       )
       SELECT
         webhook.id AS webhook_id,
         webhook.name,
         webhook.url,
         webhook.is_active,
         outcomes.*,
         failing.last_error,
         failing.last_error_at
       FROM failing
       JOIN postrider.webhooks AS webhook
         ON webhook.id = failing.webhook_id
       CROSS JOIN LATERAL (
         SELECT
           SUM(row.delivered)::integer AS delivered,
           SUM(row.retry)::integer AS retry,
           SUM(row.failed)::integer AS failed,
           SUM(row.interrupted)::integer AS interrupted
         FROM span
         JOIN postrider.attempt_statistics AS row
           ON row.project_id = $1::uuid
           AND row.webhook_id = failing.webhook_id
           AND row.seconds = span.unit
           AND row.at >= span.since
           AND row.at < span.until
       ) AS outcomes
       ORDER BY failing.failures DESC, webhook.id`,
      [projectId, units, since, until],
    )
    return rows.map((row) => ({ ...row, success_rate: successRate(row) }))
  })
}
