import { Client } from 'pg'

/** A day of counts, as the upkeep would have written them: a business day with an incident in the afternoon. */
export async function writeHistory(
  connectionString: string,
  projectId: string,
  webhooks: Record<string, string>,
): Promise<void> {
  const client = new Client({ connectionString })
  await client.connect()
  try {
    for (const [name, share, failing] of [
      [null, 1, 0.004],
      ['Billing', 0.16, 0.001],
      ['Search index', 0.2, 0.0005],
      ['Warehouse', 0.12, 0.02],
      ['Customer.io sync', 0.14, 0.012],
      ['Analytics', 0.36, 0.0002],
      ['Legacy ERP', 0.02, 0.001],
    ] as const) {
      await client.query(
        `INSERT INTO postrider.attempt_statistics
           (project_id, webhook_id, seconds, at, delivered, retry, failed, latency_slots, latency_counts, backlog, last_error, last_error_at)
         SELECT
           $1::uuid,
           $2::uuid,
           60,
           minute,
           volume,
           bad,
           bad / 9,
           '{12,16,20,24,28,34}'::smallint[],
           ARRAY[volume * 30 / 100, volume * 40 / 100, volume * 20 / 100, volume * 8 / 100, volume * 2 / 100, bad]::integer[],
           bad * 6,
           CASE WHEN bad > 0 THEN $6::text END,
           CASE WHEN bad > 0 THEN minute END
         FROM (
           SELECT
             minute,
             ((60 + 45 * sin(extract(epoch FROM minute) / 86400 * 6.2832 - 1.9) + 14 * sin(extract(epoch FROM minute) / 700)) * $3::float8)::integer AS volume,
             ((60 * $3::float8) * ($4::float8 + CASE
               WHEN $5::boolean AND minute BETWEEN now() - interval '5 hours' AND now() - interval '225 minutes' THEN 0.32
               ELSE 0
             END))::integer AS bad
           FROM generate_series(
             date_trunc('minute', now()) - interval '30 hours',
             date_trunc('minute', now()) - interval '8 minutes',
             interval '1 minute'
           ) AS minute
         ) AS counted`,
        [
          projectId,
          name && webhooks[name],
          share,
          failing,
          name === null || name === 'Warehouse' || name === 'Customer.io sync',
          name === 'Warehouse' ? 'http 503' : 'http 422',
        ],
      )
    }
    await client.query(hourly)
    await client.query(
      `INSERT INTO postrider.event_statistics (project_id, type, seconds, at, events, deliveries)
       SELECT
         $1::uuid,
         kind.type,
         60,
         minute,
         ((22 + 16 * sin(extract(epoch FROM minute) / 86400 * 6.2832 - 1.9)) * kind.share)::integer,
         ((22 + 16 * sin(extract(epoch FROM minute) / 86400 * 6.2832 - 1.9)) * kind.share * 2.4)::integer
       FROM (
         VALUES
           (NULL, 1.0),
           ('order.created', 0.26),
           ('product.updated', 0.24),
           ('invoice.paid', 0.16),
           ('user.created', 0.12),
           ('order.completed', 0.12),
           ('subscription.renewed', 0.06),
           ('product.price_changed', 0.04)
       ) AS kind (type, share),
       generate_series(
         date_trunc('minute', now()) - interval '30 hours',
         date_trunc('minute', now()) - interval '8 minutes',
         interval '1 minute'
       ) AS minute`,
      [projectId],
    )
    await client.query(hourlyEvents)
  } finally {
    await client.end()
  }
}

/** The bars of lists are read by the hour. */
const hourly = `
  INSERT INTO postrider.attempt_statistics
    (project_id, webhook_id, seconds, at, delivered, retry, failed, latency_slots, latency_counts, backlog, last_error, last_error_at)
  SELECT
    counted.project_id,
    counted.webhook_id,
    3600,
    date_trunc('hour', counted.at),
    sum(counted.delivered),
    sum(counted.retry),
    sum(counted.failed),
    '{12,16,20,24,28,34}',
    ARRAY[
      sum(counted.delivered) * 30 / 100,
      sum(counted.delivered) * 40 / 100,
      sum(counted.delivered) * 20 / 100,
      sum(counted.delivered) * 8 / 100,
      sum(counted.delivered) * 2 / 100,
      sum(counted.retry)
    ]::integer[],
    max(counted.backlog),
    max(counted.last_error),
    max(counted.last_error_at)
  FROM postrider.attempt_statistics AS counted
  WHERE counted.seconds = 60
    AND cardinality(counted.latency_counts) = 6
  GROUP BY counted.project_id, counted.webhook_id, date_trunc('hour', counted.at)`

const hourlyEvents = `
  INSERT INTO postrider.event_statistics (project_id, type, seconds, at, events, deliveries)
  SELECT project_id, type, 3600, date_trunc('hour', at), sum(events), sum(deliveries)
  FROM postrider.event_statistics
  WHERE seconds = 60
  GROUP BY project_id, type, date_trunc('hour', at)`
