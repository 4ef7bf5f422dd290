import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { createServer } from '../src/api/server.ts'
import { Database } from '../src/database/database.ts'
import { Postrider } from '../src/postrider.ts'
import { expireStatistics, fold } from '../src/statistics/fold.ts'
import { rollAttempts, rollEvents } from '../src/statistics/roll.ts'
import { adminKey, readTimes } from './dashboard/calls.ts'
import { type Call, type Ids, pagesOf } from './dashboard/pages.ts'
import { describeRun } from './machine.ts'
import { BenchPostgres } from './postgres.ts'
import { formatNumber, table } from './report.ts'
import { percentile } from './statistics.ts'
import { seedMonth, seedProjects } from './systems/postrider-history.ts'

/**
 * How long what the dashboard asks for takes on a long history: `node bench/dashboard.ts --deliveries 10000000`. Each page's
 * calls are to answer within 200 ms at p95. Prints a table; `--write` writes it to `bench/DASHBOARD.md`. `--seed-only` leaves
 * the database where it is until it is interrupted, and `--database URL` measures there.
 */

const wantedMs = 200
const { values } = parseArgs({
  options: {
    deliveries: { type: 'string', default: '10000000' },
    calls: { type: 'string', default: '40' },
    write: { type: 'boolean', default: false },
    'seed-only': { type: 'boolean', default: false },
    database: { type: 'string' },
  },
})
const deliveries = Number(values.deliveries)

if (values.database) {
  await measureAndWrite(values.database)
} else {
  const postgres = await BenchPostgres.start()
  try {
    await postgres.admin.query('CREATE DATABASE dashboard')
    const url = postgres.admin.pool.options.connectionString!.replace(/\w+$/, 'dashboard')
    await seedAndCount(url)
    if (values['seed-only']) {
      print(url)
      await once(process, 'SIGINT')
    } else {
      await measureAndWrite(url)
    }
  } finally {
    await postgres.stop()
  }
}

async function seedAndCount(connectionString: string): Promise<void> {
  const postrider = engineOn(connectionString)
  await postrider.migrate()
  await postrider.stop()
  await seedProjects(connectionString)
  const seededMs = await timed(() => seedMonth(connectionString, deliveries))
  print(`${formatNumber(deliveries)} deliveries seeded in ${formatNumber(seededMs / 1_000)} s`)
  await count(connectionString)
}

function engineOn(connectionString: string): Postrider {
  return new Postrider({ connectionString, encryptionKeys: [{ id: 'k1', key: Buffer.alloc(32, 1) }] })
}

async function measureAndWrite(connectionString: string): Promise<void> {
  const postrider = engineOn(connectionString)
  const figures = await measure(postrider, connectionString)
  await postrider.stop()
  if (!values.write) return
  const database = new Database({ connectionString, maxConnections: 1 })
  const { rows } = await database.query<{ version: string; deliveries: number }>(
    `SELECT current_setting('server_version') AS version, COUNT(*)::integer AS deliveries
     FROM postrider.deliveries`,
  )
  await database.close()
  await writeFile(
    new URL('DASHBOARD.md', import.meta.url),
    `# What the dashboard asks for

Written by \`node bench/dashboard.ts --write\`.

${describeRun({ postgres: rows[0]!.version, rounds: 1 })}
- ${formatNumber(rows[0]!.deliveries)} deliveries of 30 days, 60 % of them in the project that is looked at, at 100 webhooks; ${values.calls} calls of each kind, one after the other
- Load of the machine meanwhile, from this and from other work: ${loadavg()[1]!.toFixed(1)}

Milliseconds from the call to the whole answer, over HTTP, with row-level security. Wanted: ${wantedMs} ms at p95.

${figures}
`,
  )
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
  await database.query('VACUUM (ANALYZE)')
  await database.close()
  print(
    `counted in ${formatNumber(rolledMs / 1_000)} s, ten minutes of history in ${formatNumber(percentile(slicesMs, 95))} ms at p95; summed up by the hour and the day in ${formatNumber(foldedMs / 1_000)} s`,
  )
}

async function measure(postrider: Postrider, connectionString: string): Promise<string> {
  const server = createServer({ postrider, adminKey, port: 0, rateLimit: false })
  const { url } = await server.start()
  const { projectId, ids } = await pick(connectionString)
  const rows: string[][] = []
  for (const [page, calls] of Object.entries(pagesOf(ids, new Date()))) {
    for (const call of calls) {
      const row = [page, ...(await timesOf(`${url}/api/projects/${projectId}/`, call))]
      rows.push(row)
      print(row.join('  '))
    }
  }
  await server.stop()
  return table([['page', 'call', 'p50', 'p95', 'slowest', 'kB', ''], ...rows])
}

/** The newest of the project that has most. */
async function pick(connectionString: string): Promise<{ projectId: string; ids: Ids }> {
  const database = new Database({ connectionString, maxConnections: 1 })
  const { rows } = await database.query<Ids & { project: string }>(
    `SELECT
       project.id AS project,
       delivery.webhook_id AS webhook,
       delivery.id AS delivery,
       delivery.event_id AS event
     FROM postrider.projects AS project
     JOIN postrider.deliveries AS delivery
       ON delivery.project_id = project.id
     WHERE project.name = 'large'
     ORDER BY delivery.created_at DESC
     LIMIT 1`,
  )
  await database.close()
  const { project, ...ids } = rows[0]!
  return { projectId: project, ids }
}

async function timesOf(base: string, call: Call): Promise<string[]> {
  const { times, bytes } = await readTimes(base, call, Number(values.calls))
  const { path, body } = call
  const name = `${path}${body ? ` ${JSON.stringify(body)}` : ''}`
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '{id}')
    .replaceAll(/[&?]?(since|until)=[^&]+/g, '')
  const p95 = percentile(times, 95)
  return [
    `\`${name}\``,
    formatNumber(percentile(times, 50)),
    formatNumber(p95),
    formatNumber(Math.max(...times)),
    formatNumber(bytes / 1_024, 1),
    p95 > wantedMs ? '**missed**' : '',
  ]
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return performance.now() - startedMs
}
