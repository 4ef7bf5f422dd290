import { parseArgs } from 'node:util'
import { createServer } from '../src/api/server.ts'
import { Database } from '../src/database/database.ts'
import { Postrider } from '../src/postrider.ts'
import { expireStatistics, fold } from '../src/statistics/fold.ts'
import { rollAttempts, rollEvents } from '../src/statistics/roll.ts'
import { BenchPostgres } from './postgres.ts'
import { percentile } from './statistics.ts'
import { seedMonth } from './systems/postrider-history.ts'

/**
 * How long what the dashboard asks for takes on a long history: `node bench/dashboard.ts --deliveries 10000000`. Each page's
 * calls are to answer within 200 ms at p95. Prints a table.
 */

const { values } = parseArgs({
  options: { deliveries: { type: 'string', default: '10000000' }, calls: { type: 'string', default: '40' } },
})
const deliveries = Number(values.deliveries)

const postgres = await BenchPostgres.start()
try {
  await postgres.admin.query('CREATE DATABASE dashboard')
  const connectionString = postgres.admin.pool.options.connectionString!.replace(/\w+$/, 'dashboard')
  const postrider = new Postrider({
    connectionString,
    encryptionKeys: [{ id: 'k1', key: Buffer.alloc(32, 1) }],
  })
  await postrider.migrate()
  const seededMs = await timed(() => seedMonth(connectionString, deliveries))
  print(`${deliveries} deliveries seeded in ${(seededMs / 1_000).toFixed(0)} s`)
  await count(connectionString)
  await measure(postrider, connectionString)
  await postrider.stop()
} finally {
  await postgres.stop()
}

/** As the upkeep does, from the beginning of the history. */
async function count(connectionString: string): Promise<void> {
  const database = new Database({ connectionString, maxConnections: 2 })
  await database.query(
    `UPDATE postrider.statistics_progress
     SET attempts_until = first.at,
         events_until = first.at,
         events_settled_until = first.at,
         hours_until = first.at,
         days_until = first.at
     FROM (SELECT date_trunc('day', MIN(started_at), 'UTC') AS at FROM postrider.webhook_delivery_attempts) AS first`,
  )
  const now = new Date()
  const slicesMs: number[] = []
  const rolledMs = await timed(async () => {
    let more: boolean
    do {
      const startedMs = performance.now()
      more = await rollAttempts(database, now)
      slicesMs.push(performance.now() - startedMs)
    } while (more)
    while (await rollEvents(database, now));
  })
  const foldedMs = await timed(async () => {
    while (await fold(database));
    await expireStatistics(database, now)
  })
  print(
    `counted in ${(rolledMs / 1_000).toFixed(1)} s, a slice of ten minutes in ${percentile(slicesMs, 95).toFixed(0)} ms at p95; summed up in ${(foldedMs / 1_000).toFixed(1)} s`,
  )
  await database.query('VACUUM (ANALYZE)')
  await database.close()
}

async function measure(postrider: Postrider, connectionString: string): Promise<void> {
  const server = createServer({ postrider, adminKey: 'admin', port: 0, rateLimit: false })
  const { url } = await server.start()
  const database = new Database({ connectionString, maxConnections: 1 })
  const { rows } = await database.query<{ project_id: string; webhook_id: string; delivery_id: string }>(
    `SELECT project.id AS project_id, delivery.webhook_id, delivery.id AS delivery_id
     FROM postrider.projects AS project
     JOIN postrider.deliveries AS delivery
       ON delivery.project_id = project.id
     WHERE project.name = 'large'
     ORDER BY delivery.created_at DESC
     LIMIT 1`,
  )
  const { project_id, webhook_id, delivery_id } = rows[0]!
  const hours = (count: number) => new Date(Date.now() - count * 3_600_000).toISOString()
  const paths: string[] = []
  for (const range of [1, 24, 168, 720]) {
    paths.push(`statistics?since=${hours(range)}`)
    paths.push(`webhooks/${webhook_id}/statistics?since=${hours(range)}`)
    paths.push(`statistics/webhooks?since=${hours(range)}`)
    paths.push(`statistics/failures?since=${hours(range)}`)
    paths.push(`statistics/event-types?since=${hours(range)}`)
  }
  for (const filter of [
    '',
    'status=failed',
    'status=pending',
    'status=delivering',
    'status=delivered',
    'code=2xx',
    'code=4xx',
    'code=5xx',
    'code=none',
    'event_type=type.0',
    'event_type=type.rare',
    'event_type=type.never',
    `since=${hours(240)}&until=${hours(239)}`,
    `webhook_id=${webhook_id}`,
    `webhook_id=${webhook_id}&status=failed`,
    `webhook_id=${webhook_id}&code=5xx&event_type=type.1`,
  ]) {
    paths.push(`deliveries?limit=50&${filter}`)
  }
  paths.push(
    `deliveries/${delivery_id}`,
    `deliveries/${delivery_id}/attempts`,
    'events?limit=50',
    'events?limit=50&type=type.rare',
    'webhooks?limit=100',
    `search?q=${delivery_id.slice(0, 8)}`,
    `search?q=${delivery_id}`,
    'search?q=hook',
  )
  for (const path of paths) print(await timesOf(`${url}/api/projects/${project_id}/${path}`, path))
  for (const job of [
    { kind: 'retry', filter: { status: 'failed' } },
    { kind: 'retry', filter: { status: 'failed', code: '5xx', event_type: 'type.1' } },
    { kind: 'retry', filter: { status: 'delivered', since: hours(24) } },
    { kind: 'cancel' },
    { kind: 'send_waiting_now', filter: { webhook_id } },
    { kind: 'backfill', filter: { webhook_id, since: hours(48) } },
  ]) {
    const body = JSON.stringify({ ...job, dry_run: true })
    print(await timesOf(`${url}/api/projects/${project_id}/jobs`, `count ${JSON.stringify(job)}`, body))
  }
  await database.close()
  await server.stop()
}

/** The first call warms up: a connection, the cache. */
async function timesOf(url: string, name: string, body?: string): Promise<string> {
  const headers = { authorization: 'Bearer admin', 'content-type': 'application/json' }
  const times: number[] = []
  let answer = ''
  for (let call = 0; call <= Number(values.calls); call += 1) {
    const ms = await timed(async () => {
      const response = await fetch(url, { headers, ...(body !== undefined && { method: 'POST', body }) })
      answer = await response.text()
      if (!response.ok) throw new Error(`${name}: ${answer}`)
    })
    if (call > 0) times.push(ms)
  }
  const figures = [percentile(times, 50), percentile(times, 95), Math.max(...times)].map((ms) =>
    ms.toFixed(1).padStart(8),
  )
  return `${figures.join(' ')}  ${String(answer.length).padStart(7)} B  ${name.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '{id}')}`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return performance.now() - startedMs
}
