import { Database, type Queryable } from '../../src/database/database.ts'
import { noteEventIds, withoutIndexes } from './postrider-layout.ts'

/**
 * Many rows in Postrider's tables, faster than publishing and delivering them: the one place in the bench that knows how
 * Postrider stores things. Webhooks are there already, made by `subscribe`.
 */

/** Finished deliveries with an attempt each, of all webhooks in turn, over the last 20 days. */
export function seedHistory(connectionString: string, deliveries: number): Promise<void> {
  return seed(connectionString, { deliveries, state: 'delivered' })
}

/** Deliveries that failed once and wait for a try between one and two hours from now, of all webhooks in turn. */
export function seedWaiting(connectionString: string, deliveries: number): Promise<void> {
  return seed(connectionString, { deliveries, state: 'waiting' })
}

/** Due deliveries of one tenant's webhook. */
export function seedDue(connectionString: string, tenant: string, deliveries: number): Promise<void> {
  return seed(connectionString, { deliveries, state: 'due', tenant })
}

interface Seed {
  deliveries: number
  state: 'delivered' | 'waiting' | 'due'
  tenant?: string
}

async function seed(connectionString: string, wanted: Seed): Promise<void> {
  const database = new Database({ connectionString, maxConnections: 1 })
  await database.transaction(async (transaction) => {
    // No foreign keys are checked row by row, and no triggers run.
    await transaction.query(`SET LOCAL session_replication_role = replica`)
    await transaction.query(`SET LOCAL maintenance_work_mem = '512MB'`)
    await withoutIndexes(transaction, async () => {
      await chooseRows(transaction, wanted)
      await insertEvents(transaction)
      await noteEventIds(transaction, 'seeded')
      await insertDeliveries(transaction, wanted)
      if (wanted.state === 'due') await enqueue(transaction)
      else await insertAttempts(transaction, wanted)
      if (wanted.state === 'waiting') await schedule(transaction)
    })
  })
  // As after some time of autovacuum, which would otherwise come into the measurement.
  await database.query('VACUUM (ANALYZE)')
  await database.close()
}

/**
 * The table `seeded`: what each delivery and its event are to be, webhook by webhook in turn. All are older than the
 * database: statistics of them were counted long ago.
 */
async function chooseRows(transaction: Queryable, { deliveries, state, tenant }: Seed): Promise<void> {
  await transaction.query(
    `CREATE TEMPORARY TABLE seeded ON COMMIT DROP AS
     SELECT
       uuidv7(row.age) AS event_id,
       uuidv7(row.age) AS delivery_id,
       webhook.id AS webhook_id,
       webhook.project_id,
       webhook.event_types ->> 0 AS type,
       now() + row.age AS created_at,
       now() + CASE
         WHEN $4::boolean THEN interval '1 hour' + random() * interval '1 hour'
         ELSE row.age
       END AS scheduled_at
     FROM (
       SELECT
         number,
         ($1::double precision * (number::double precision / $2::integer - 1)) * interval '1 day'
           - interval '15 minutes' AS age
       FROM generate_series(1, $2::integer) AS number
     ) AS row
     JOIN (
       SELECT
         webhook.*,
         row_number() OVER (ORDER BY webhook.id) - 1 AS place,
         COUNT(*) OVER () AS count
       FROM postrider.webhooks AS webhook
       JOIN postrider.projects AS project
         ON project.id = webhook.project_id
       WHERE $3::text IS NULL
         OR project.name = $3::text
     ) AS webhook
       ON webhook.place = row.number % webhook.count
     ORDER BY row.number`,
    [state === 'delivered' ? 20 : 0.02, deliveries, tenant ?? null, state === 'waiting'],
  )
}

/** One event for each delivery, with a small payload. */
async function insertEvents(transaction: Queryable): Promise<void> {
  await transaction.query(
    `INSERT INTO postrider.events (project_id, id, type, "timestamp", created_at, deliveries, payload)
     SELECT
       project_id,
       event_id,
       type,
       created_at,
       created_at,
       1,
       jsonb_build_object('id', event_id, 'type', type, 'data', '{}'::jsonb)
     FROM seeded`,
  )
}

async function insertDeliveries(transaction: Queryable, { state }: Seed): Promise<void> {
  await transaction.query(
    `INSERT INTO postrider.deliveries (
       id, webhook_id, project_id, event_id, event_type, status, attempts, scheduled_at, created_at,
       last_attempt_at, last_response_status, last_error, delivered_at
     )
     SELECT
       delivery_id,
       webhook_id,
       project_id,
       event_id,
       type,
       CASE WHEN $1::text = 'delivered' THEN 'delivered' ELSE 'pending' END::postrider.webhook_delivery_status,
       CASE WHEN $1::text = 'due' THEN 0 ELSE 1 END,
       scheduled_at,
       created_at,
       CASE WHEN $1::text <> 'due' THEN created_at END,
       CASE $1::text WHEN 'delivered' THEN 204 WHEN 'waiting' THEN 503 END,
       CASE WHEN $1::text = 'waiting' THEN 'http 503' END,
       CASE WHEN $1::text = 'delivered' THEN created_at END
     FROM seeded`,
    [state],
  )
}

/** Into the queue of what is due. */
async function enqueue(transaction: Queryable): Promise<void> {
  await transaction.query(
    `INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
     SELECT webhook_id, scheduled_at, delivery_id
     FROM seeded`,
  )
}

/** Among what waits for a later try. */
async function schedule(transaction: Queryable): Promise<void> {
  await transaction.query(
    `INSERT INTO postrider.delivery_schedule (scheduled_at, delivery_id, webhook_id)
     SELECT scheduled_at, delivery_id, webhook_id
     FROM seeded`,
  )
}

/** Their ids tell when they were recorded: were that now, the upkeep would count them all while others are measured. */
async function insertAttempts(transaction: Queryable, { state }: Seed): Promise<void> {
  await transaction.query(
    `INSERT INTO postrider.webhook_delivery_attempts (
       id, delivery_id, attempt, started_at, duration_ms, request_headers, response_status, response_headers,
       response_body, error, outcome
     )
     SELECT
       uuidv7(created_at - now()),
       delivery_id,
       1,
       created_at,
       3,
       jsonb_build_object('webhook-id', event_id, 'content-type', 'application/json'),
       CASE WHEN $1::text = 'delivered' THEN 204 ELSE 503 END,
       '{"date": "Tue, 24 Nov 2026 09:30:00 GMT", "connection": "keep-alive"}'::jsonb,
       '',
       CASE WHEN $1::text = 'waiting' THEN 'http 503' END,
       CASE WHEN $1::text = 'delivered' THEN 'delivered' ELSE 'retry' END
     FROM seeded`,
    [state],
  )
}
