import { systemClock } from '../../src/clock.ts'
import { Database } from '../../src/database/database.ts'
import { migrate } from '../../src/database/migrate.ts'
import { claim, firstWebhookId } from '../../src/deliver/claim.ts'
import { Life } from '../../src/deliver/life.ts'
import { writeResults } from '../../src/deliver/results.ts'
import { publish } from '../../src/publish/publish.ts'
import { expire } from '../../src/retain/expire.ts'
import { startOfDay } from '../../src/retain/partitions.ts'
import type { Bench } from '../ground.ts'
import type { Figures } from '../measure.ts'
import { percentile } from '../statistics.ts'
import { layOutMonth, noteEventIds, withoutIndexes } from '../systems/postrider-layout.ts'
import type { Case } from './case.ts'

const deliveries = 1_000_000

export const retention: Case = {
  name: 'retention',
  title: 'Retention',
  what:
    'How long it takes until a day of 1 million finished deliveries is gone, each with its event of 1 KiB and its attempt, and ' +
    'what those notice who publish and claim meanwhile: an event each 10 ms, a claim and its results each 10 ms, in ' +
    'milliseconds. Beside it nothing expires for ten seconds.',
  columns: [
    { key: 'seconds', title: 'expiry s', digits: 1 },
    { key: 'publishP50', title: 'publish p50', digits: 1 },
    { key: 'publishP99', title: 'publish p99', digits: 1 },
    { key: 'publishMost', title: 'publish most', digits: 1 },
    { key: 'claimP50', title: 'claim p50', digits: 1 },
    { key: 'claimP99', title: 'claim p99', digits: 1 },
    { key: 'claimMost', title: 'claim most', digits: 1 },
    { key: 'walMib', title: 'WAL MiB', digits: 1 },
  ],
  isLong: true,
  contestants: [
    {
      name: 'Postrider, nothing expires',
      longOnly: true,
      run: (bench) => measure(bench, { isPartitioned: true, expires: false }),
    },
    {
      name: 'Postrider, a day dropped',
      run: (bench) => measure(bench, { isPartitioned: true, expires: true }),
    },
    {
      name: 'Postrider, a day deleted',
      run: (bench) => measure(bench, { isPartitioned: false, expires: true }),
    },
  ],
}

interface Kind {
  isPartitioned: boolean
  expires: boolean
}

/** In the middle of the first three days that a partition has, which have expired. */
const ageDays = 32.5

async function measure(bench: Bench, { isPartitioned, expires }: Kind): Promise<Figures> {
  const template = await bench.postgres.template(
    isPartitioned ? 'retention_drop' : 'retention_delete',
    (url) => fill(url, isPartitioned, bench.short ? 2_000 : deliveries),
  )
  await using clone = await bench.postgres.clone(template.name)
  const { connectionString } = clone
  const [database, publishing, claiming] = [1, 2, 3].map(
    () => new Database({ connectionString, maxConnections: 2, lockTimeoutMs: 5_000 }),
  ) as [Database, Database, Database]
  const load = { isOn: true }
  const published = publishSteadily(publishing, template.state, load)
  const claimed = claimSteadily(claiming, load)

  const walBytes = await walPosition(database)
  const startedMs = performance.now()
  if (expires) {
    const { deliveries: gone } = await expire(database, startOfDay(new Date(), -30))
    if (gone === 0) throw new Error('nothing expired')
  } else await new Promise((resolve) => setTimeout(resolve, bench.short ? 100 : 10_000))
  const seconds = (performance.now() - startedMs) / 1_000
  const walMib = ((await walPosition(database)) - walBytes) / 1_048_576
  // So that there are enough of them where it takes no time.
  await new Promise((resolve) => setTimeout(resolve, bench.short ? 100 : 2_000))
  load.isOn = false
  const [publishMs, claimMs] = [await published, await claimed]
  for (const each of [database, publishing, claiming]) await each.close()
  return {
    seconds,
    walMib,
    ...times('publish', publishMs),
    ...times('claim', claimMs),
  }
}

function times(name: string, ms: readonly number[]): Figures {
  return {
    [`${name}P50`]: percentile(ms, 50),
    [`${name}P99`]: percentile(ms, 99),
    [`${name}Most`]: Math.max(...ms),
  }
}

async function publishSteadily(
  database: Database,
  projectId: string,
  load: { isOn: boolean },
): Promise<number[]> {
  const data = { text: 'x'.repeat(900) }
  return each10Ms(load, async () => void (await publish(database, { projectId, type: 'order.paid', data })))
}

async function claimSteadily(database: Database, load: { isOn: boolean }): Promise<number[]> {
  const life = new Life({ leaseSeconds: 300, clock: systemClock })
  await life.begin(database)
  let finished: string[] = []
  return each10Ms(load, async () => {
    const claimed = await claim(database, {
      workerId: life.id,
      now: new Date(),
      limit: 64,
      maxHeld: 64,
      limits: { held: new Map(), most: new Map() },
      finished,
      afterWebhookId: firstWebhookId,
    })
    const results = claimed.map((delivery) => ({
      delivery,
      outcome: { kind: 'delivered' as const, responseStatus: 204, error: null, note: null },
      attempt: {
        startedAt: new Date(),
        durationMs: 3,
        requestHeaders: {},
        responseHeaders: {},
        responseBody: '',
      },
    }))
    if (results.length > 0) await writeResults(database, results, { workerId: life.id, now: new Date() })
    finished = claimed.map(({ id }) => id)
  })
}

/** How long each took in milliseconds, the wait for one that is late included. */
async function each10Ms(load: { isOn: boolean }, work: () => Promise<void>): Promise<number[]> {
  const ms: number[] = []
  for (let dueMs = performance.now(); load.isOn; dueMs += 10) {
    const earlyMs = dueMs - performance.now()
    if (earlyMs > 0) await new Promise((resolve) => setTimeout(resolve, earlyMs))
    const startedMs = performance.now()
    await work()
    ms.push(performance.now() - startedMs)
  }
  return ms
}

async function walPosition(database: Database): Promise<number> {
  const { rows } = await database.query<{ bytes: string }>(
    `SELECT pg_current_wal_insert_lsn() - '0/0' AS bytes`,
  )
  return Number(rows[0]!.bytes)
}

/** A project with a webhook and a day of its history; answers the project's id. */
async function fill(connectionString: string, isPartitioned: boolean, count: number): Promise<string> {
  const database = new Database({ connectionString, maxConnections: 1 })
  if (isPartitioned) {
    await migrate(database, { direction: 'up' })
    await layOutMonth(database)
  } else await makePlain(database)
  const { rows } = await database.query<{ project_id: string; id: string }>(
    `WITH project AS (INSERT INTO postrider.projects (name) VALUES ('shop') RETURNING id)
     INSERT INTO postrider.webhooks (project_id, name, url, secret)
     SELECT id, 'hook', 'https://example.com/', 'whsec_' || repeat('A', 32)
     FROM project
     RETURNING project_id, id`,
  )
  const { project_id: projectId, id: webhookId } = rows[0]!
  await database.query(`SET session_replication_role = replica`)
  await withoutIndexes(database, () => insertDay(database, { projectId, webhookId, count }))
  await database.query('VACUUM (ANALYZE)')
  await database.close()
  return projectId
}

/** As an installation that had a history before there were partitions. */
async function makePlain(database: Database): Promise<void> {
  await migrate(database, { direction: 'up', to: 17 })
  await database.query(
    `INSERT INTO postrider.events (project_id, id, type, "timestamp", deliveries)
     SELECT id, id, 'a', now(), 0
     FROM gen_random_uuid() AS id`,
  )
  await migrate(database, { direction: 'up' })
  await database.query(`DELETE FROM postrider.events`)
}

async function insertDay(
  database: Database,
  { projectId, webhookId, count }: { projectId: string; webhookId: string; count: number },
): Promise<void> {
  await database.query(
    `CREATE TEMPORARY TABLE seeded AS
     SELECT
       $1::uuid AS project_id,
       uuidv7(row.age) AS event_id,
       uuidv7(row.age) AS delivery_id,
       now() + row.age AS created_at
     FROM (
       SELECT ($2::double precision * interval '1 day') * -1 + number * interval '1 day' / $3::integer AS age
       FROM generate_series(0, $3::integer - 1) AS number
     ) AS row`,
    [projectId, ageDays, count],
  )
  await database.query(
    `INSERT INTO postrider.events (project_id, id, type, "timestamp", created_at, deliveries, payload)
     SELECT project_id, event_id, 'order.paid', created_at, created_at, 1, '{"data":"' || repeat('x', 1000) || '"}'
     FROM seeded`,
  )
  await noteEventIds(database, 'seeded')
  await database.query(
    `INSERT INTO postrider.deliveries (
       id, webhook_id, project_id, event_id, event_type, status, attempts, scheduled_at, created_at, last_attempt_at,
       last_response_status, delivered_at
     )
     SELECT delivery_id, $1::uuid, project_id, event_id, 'order.paid', 'delivered', 1, created_at, created_at, created_at,
            204, created_at
     FROM seeded`,
    [webhookId],
  )
  await database.query(
    `INSERT INTO postrider.webhook_delivery_attempts (
       id, delivery_id, attempt, started_at, duration_ms, request_headers, response_status, response_headers, response_body,
       outcome
     )
     SELECT uuidv7(created_at - now()), delivery_id, 1, created_at, 3,
            jsonb_build_object('webhook-id', event_id, 'content-type', 'application/json'), 204,
            '{"date": "Tue, 24 Nov 2026 09:30:00 GMT", "connection": "keep-alive"}', '', 'delivered'
     FROM seeded`,
  )
  await database.query('DROP TABLE seeded')
}
