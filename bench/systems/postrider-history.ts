import { Database } from '../../src/database/database.ts'
import { noteEventIds, withoutIndexes } from './postrider-layout.ts'

/** One large project with 100 webhooks, and ten small ones. */
export async function seedProjects(connectionString: string): Promise<void> {
  const database = new Database({ connectionString, maxConnections: 1 })
  await database.query(
    `INSERT INTO postrider.projects (name) SELECT 'large' UNION ALL SELECT 'small ' || generate_series(1, 10)`,
  )
  await database.query(
    `INSERT INTO postrider.webhooks (project_id, name, url, secret)
     SELECT project.id, 'hook ' || number, 'https://example.com/' || number, 'whsec_' || repeat('A', 32)
     FROM postrider.projects AS project
     CROSS JOIN LATERAL generate_series(1, CASE WHEN project.name = 'large' THEN 100 ELSE 5 END) AS number`,
  )
  await database.close()
}

/**
 * A history of 30 days in Postrider's tables, of the webhooks that are there: 60 % of it is the project's that is called
 * large. One delivery in 50 failed, most with 500; one type of event is rare.
 */
export async function seedMonth(connectionString: string, deliveries: number): Promise<void> {
  const database = new Database({ connectionString, maxConnections: 1 })
  await database.query(`SET session_replication_role = replica`)
  await database.query(`SET maintenance_work_mem = '512MB'`)
  await database.query(`SET synchronous_commit = off`)
  await withoutIndexes(database, async () => {
    for (let from = 0; from < deliveries; from += 500_000) await insert(database, from, deliveries)
  })
  await database.query('VACUUM (ANALYZE)')
  await database.close()
}

async function insert(database: Database, from: number, total: number): Promise<void> {
  await database.query(
    `CREATE TEMPORARY TABLE seeded AS
     SELECT
       number,
       uuidv7(age) AS event_id,
       uuidv7(age) AS delivery_id,
       webhook.id AS webhook_id,
       webhook.project_id,
       CASE WHEN number % 100000 = 7 THEN 'type.rare' ELSE 'type.' || number % 20 END AS type,
       now() + age AS created_at,
       CASE WHEN number % 50 > 0 THEN 204 WHEN number % 250 = 0 THEN 404 WHEN number % 350 = 0 THEN NULL ELSE 500 END AS code,
       (10 * exp(random() * 4))::integer AS duration_ms
     FROM generate_series($1::integer, LEAST($1::integer + 500000, $2::integer) - 1) AS number
     CROSS JOIN LATERAL (SELECT interval '30 days' * (number::double precision / $2::integer - 1) - interval '20 seconds' AS age) AS placed
     JOIN (
       SELECT
         webhook.*,
         project.name = 'large' AS is_large,
         row_number() OVER (PARTITION BY project.name = 'large' ORDER BY webhook.id) - 1 AS place,
         COUNT(*) OVER (PARTITION BY project.name = 'large') AS count
       FROM postrider.webhooks AS webhook
       JOIN postrider.projects AS project
         ON project.id = webhook.project_id
     ) AS webhook
       ON webhook.is_large = (number % 10 < 6)
       AND webhook.place = number / 10 % webhook.count`,
    [from, total],
  )
  await database.query(
    `INSERT INTO postrider.events (project_id, id, type, "timestamp", created_at, deliveries, payload)
     SELECT project_id, event_id, type, created_at, created_at, 1, '{"id":"' || event_id || '","type":"' || type || '","data":{}}'
     FROM seeded
     ORDER BY number`,
  )
  await noteEventIds(database, 'seeded')
  await database.query(
    `INSERT INTO postrider.deliveries (
       id, webhook_id, project_id, event_id, event_type, status, attempts, scheduled_at, created_at,
       last_attempt_at, last_response_status, last_error, delivered_at
     )
     SELECT
       delivery_id, webhook_id, project_id, event_id, type,
       CASE WHEN code = 204 THEN 'delivered' ELSE 'failed' END::postrider.webhook_delivery_status,
       1, created_at, created_at, created_at, code,
       CASE WHEN code = 204 THEN NULL WHEN code IS NULL THEN 'connection refused' ELSE 'http ' || code END,
       CASE WHEN code = 204 THEN created_at END
     FROM seeded
     ORDER BY number`,
  )
  await database.query(
    `INSERT INTO postrider.failed_deliveries (delivery_id, project_id, webhook_id, created_at)
     SELECT delivery_id, project_id, webhook_id, created_at
     FROM seeded
     WHERE code IS DISTINCT FROM 204`,
  )
  await database.query(
    `INSERT INTO postrider.webhook_delivery_attempts (
       id, delivery_id, attempt, started_at, duration_ms, request_headers, response_status, response_headers,
       response_body, error, outcome
     )
     SELECT
       uuidv7(created_at - now()), delivery_id, 1, created_at, duration_ms,
       jsonb_build_object('webhook-id', event_id, 'content-type', 'application/json'), code,
       '{"date": "Tue, 24 Nov 2026 09:30:00 GMT", "connection": "keep-alive"}', '',
       CASE WHEN code = 204 THEN NULL WHEN code IS NULL THEN 'connection refused' ELSE 'http ' || code END,
       CASE WHEN code = 204 THEN 'delivered' ELSE 'failed' END
     FROM seeded
     ORDER BY number`,
  )
  await database.query('DROP TABLE seeded')
}
