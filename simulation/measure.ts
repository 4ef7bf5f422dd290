// Measures what the statements cost for one delivery, by table, and writes simulation/costs.json. Needs a PostgreSQL that has
// pg_walinspect, from 15 on: `node simulation/measure.ts /usr/lib/postgresql/15/bin`.
import { writeFile } from 'node:fs/promises'
import { Database } from '../src/database/database.ts'
import { migrate } from '../src/database/migrate.ts'
import { claim, type ClaimedDelivery, firstWebhookId } from '../src/deliver/claim.ts'
import { promote } from '../src/deliver/let-out.ts'
import { Life } from '../src/deliver/life.ts'
import { type Result, writeResults } from '../src/deliver/results.ts'
import { publishMany } from '../src/publish/publish.ts'
import { insertProject, insertWebhook } from '../test/support/seed.ts'
import { startTestServer } from '../test/support/server.ts'
import { type Cost, type Costs, costsPath, type Step, steps, type TableCost } from './costs.ts'

const deliveries = 4_000
/** What is the same for both is each delivery's, the rest is each statement's. */
const [largeBatch, smallBatch] = [200, 10]
/** A worker under some load holds as many: its row names them, and is written by each claim. */
const held = 60
const webhooks = 20
/** As large as those of a usual receiver. */
const requestHeaders = {
  'content-type': 'application/json',
  'user-agent': 'Postrider/0.1.0',
  'webhook-id': '019a8c2e-0a3b-7d5c-9e1f-4b7a8c2d6e90',
  'webhook-timestamp': '1764000000',
  'webhook-signature': `v1,${'x'.repeat(44)}`,
  'postrider-event': 'type_1',
  'postrider-delivery': '019a8c2e-0a3b-7d5c-9e1f-4b7a8c2d6e90',
  'postrider-attempt': '1',
  'content-length': '1024',
}
const responseHeaders = {
  'content-type': 'text/plain',
  date: 'Tue, 24 Nov 2026 12:00:00 GMT',
  'content-length': '2',
}

const clock = { now: () => new Date() }

const [binaries] = process.argv.slice(2)
const server = await startTestServer(binaries === undefined ? {} : { binaries })
const database = new Database({ connectionString: `${server.url}/postgres`, maxConnections: 1 })
try {
  await migrate(database, { direction: 'up' })
  await database.query('CREATE EXTENSION pg_walinspect')
  // Nothing is to come in between, and no page is to be written out whole.
  await database.query('ALTER SYSTEM SET autovacuum = off')
  await database.query('SELECT pg_reload_conf()')
  const projectId = await insertProject(database)
  for (let place = 0; place < webhooks; place += 1)
    await insertWebhook(database, { projectId, eventTypes: [`type_${place}`] })
  await database.query('SET synchronous_commit = on')
  const life = new Life({ leaseSeconds: 300, clock })
  await life.begin(database)
  const given = { projectId, workerId: life.id }
  // Once beforehand: the first rows of a table, and plans, are not what the others cost.
  await journey({ ...given, count: 2 * largeBatch, batch: largeBatch })
  const large = await journey({ ...given, count: deliveries, batch: largeBatch })
  const small = await journey({ ...given, count: deliveries, batch: smallBatch })
  // Events are published one by one where it matters most: a statement of ten locks the webhooks of ten.
  const single = await measured(1_000, async () => {
    for (let place = 0; place < 1_000; place += 1) await publishMany(database, eventsOf(projectId, place, 1))
  })
  const apart = steps.map((step) => [
    step,
    step === 'publish' ? parted(large.publish, single, 1) : parted(large[step], small[step], smallBatch),
  ])
  const costs: Costs = {
    postgres: await serverVersion(),
    steps: Object.fromEntries(apart) as Costs['steps'],
  }
  await writeFile(costsPath, `${JSON.stringify(costs, null, 2)}\n`)
} finally {
  await database.close()
  await server.stop()
}

/** Of all that is claimed one half is delivered; the other waits for its next try, and is let out. */
async function journey(given: {
  projectId: string
  workerId: string
  count: number
  batch: number
}): Promise<Record<Step, Cost>> {
  const { projectId, workerId, count, batch } = given
  const half = count / 2
  const batches = Array.from({ length: count / batch }, (_, place) => place * batch)
  const publish = await measured(count, async () => {
    for (const from of batches) await publishMany(database, eventsOf(projectId, from, batch))
  })
  const claimed: ClaimedDelivery[] = []
  const claiming = await measured(count, async () => {
    for (const from of batches)
      claimed.push(...(await claimBatch(workerId, batch, finishedBefore(claimed, from, batch))))
  })
  const record = async (from: number, kind: 'delivered' | 'retry'): Promise<void> => {
    for (const start of batches.slice(0, half / batch)) {
      const results = claimed
        .slice(from + start, from + start + batch)
        .map((delivery) => resultOf(delivery, kind))
      await writeResults(database, results, { workerId, now: clock.now() })
    }
  }
  const deliver = await measured(half, () => record(0, 'delivered'))
  const retry = await measured(half, () => record(half, 'retry'))
  // At most a thousand at once, whatever there is: all of it is each delivery's.
  const letOut = await measured(half, () => promote(database, new Date(Date.now() + 3_600_000)))
  // What was let out is of no use to the next one.
  await database.query('TRUNCATE postrider.delivery_queue')
  await database.query(
    `UPDATE postrider.workers SET in_flight = '{}', in_flight_attempts = '{}', in_flight_since = '{}'`,
  )
  const emptyClaim = await measured(count / batch, async () => {
    for (const _ of batches) await claimBatch(workerId, batch, [])
  })
  return { publish, claim: claiming, deliver, retry, letOut, emptyClaim }
}

function eventsOf(projectId: string, from: number, batch: number) {
  return Array.from({ length: batch }, (_, place) => ({
    projectId,
    type: `type_${(from + place) % webhooks}`,
    // With the envelope it is about 1 KiB.
    data: { text: 'x'.repeat(800) },
  }))
}

/** Of what was claimed, what leaves the worker's row with the next claim, so that so many stay in it. */
function finishedBefore(claimed: readonly ClaimedDelivery[], from: number, batch: number): ClaimedDelivery[] {
  const end = Math.max(from + batch - Math.max(held, batch), 0)
  return claimed.slice(Math.max(end - batch, 0), end)
}

function claimBatch(
  workerId: string,
  batch: number,
  finished: readonly ClaimedDelivery[],
): Promise<ClaimedDelivery[]> {
  return claim(database, {
    workerId,
    now: clock.now(),
    limit: batch,
    maxHeld: batch,
    limits: { held: new Map(), most: new Map() },
    finished: finished.map(({ id }) => id),
    afterWebhookId: firstWebhookId,
  })
}

function resultOf(delivery: ClaimedDelivery, kind: 'delivered' | 'retry'): Result {
  const startedAt = clock.now()
  return {
    delivery,
    outcome:
      kind === 'delivered'
        ? { kind, responseStatus: 200, error: null, note: null }
        : { kind, responseStatus: 503, error: 'http 503', retryAt: new Date(startedAt.getTime() + 60_000) },
    attempt: { startedAt, durationMs: 120, requestHeaders, responseHeaders, responseBody: 'ok' },
  }
}

/** Both are of a delivery, in batches of `largeBatch` and of `smallSize`. */
function parted(large: Cost, small: Cost, smallSize: number): { delivery: Cost; statement: Cost } {
  const delivery: Cost = {}
  const statement: Cost = {}
  for (const table of new Set([...Object.keys(large), ...Object.keys(small)])) {
    const of = (key: keyof TableCost): { each: number; once: number } => {
      const [inLarge, inSmall] = [large[table]?.[key] ?? 0, small[table]?.[key] ?? 0]
      const once = Math.max((inSmall - inLarge) / (1 / smallSize - 1 / largeBatch), 0)
      return { each: round(Math.max(inLarge - once / largeBatch, 0)), once: round(once) }
    }
    const [rows, walBytes, tableBytes] = [of('rows'), of('walBytes'), of('tableBytes')]
    delivery[table] = { rows: rows.each, walBytes: walBytes.each, tableBytes: tableBytes.each }
    statement[table] = { rows: rows.once, walBytes: walBytes.once, tableBytes: tableBytes.once }
  }
  return { delivery, statement }
}

interface Figure {
  table: string
  rows: number
  walBytes: number
  tableBytes: number
}

async function measured(count: number, work: () => Promise<unknown>): Promise<Record<string, TableCost>> {
  const before = await counters()
  const fromLsn = await writtenUntil()
  await work()
  const wal = await walByTable(fromLsn, await writtenUntil())
  const after = await counters()
  const tables = new Set([...after.keys(), ...wal.keys()])
  const costs = Array.from(tables, (table): Figure => {
    const since = (key: 'rows' | 'bytes'): number =>
      (after.get(table)?.[key] ?? 0) - (before.get(table)?.[key] ?? 0)
    return {
      table,
      rows: round(since('rows') / count),
      walBytes: round((wal.get(table) ?? 0) / count),
      tableBytes: round(since('bytes') / count),
    }
  }).filter(({ rows, walBytes, tableBytes }) => rows > 0 || walBytes > 0 || tableBytes > 0)
  return Object.fromEntries(costs.map(({ table, ...cost }) => [table, cost]))
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000
}

async function counters(): Promise<Map<string, { rows: number; bytes: number }>> {
  await database.query('SELECT pg_stat_force_next_flush()')
  const { rows } = await database.query<{ name: string; rows: number; bytes: number }>(
    `SELECT
       relname AS name,
       (n_tup_ins + n_tup_upd + n_tup_del)::double precision AS rows,
       pg_total_relation_size(relid)::double precision AS bytes
     FROM pg_stat_user_tables
     WHERE schemaname = 'postrider'`,
  )
  return new Map(rows.map(({ name, ...figures }) => [name, figures]))
}

/** The table of each record is that of the first page it touches; what touches none is the commits'. */
/** Where the WAL ends, all of it written: a commit that waits for that comes first. */
async function writtenUntil(): Promise<string> {
  await database.query(`SELECT pg_logical_emit_message(true, 'measured', '')`)
  const { rows } = await database.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn()::text AS lsn')
  return rows[0]!.lsn
}

async function walByTable(fromLsn: string, untilLsn: string): Promise<Map<string, number>> {
  const { rows } = await database.query<{ name: string; bytes: number }>(
    `WITH owner AS (
       SELECT
         pg_relation_filenode(class.oid) AS filenode,
         COALESCE(of_index.relname, of_toast.relname, of_toast_index.relname, class.relname) AS name
       FROM pg_class AS class
       LEFT JOIN pg_index AS index ON index.indexrelid = class.oid
       LEFT JOIN pg_class AS of_index ON of_index.oid = index.indrelid AND of_index.relkind = 'r'
       LEFT JOIN pg_class AS of_toast ON of_toast.reltoastrelid = class.oid
       LEFT JOIN pg_class AS of_toast_index ON of_toast_index.reltoastrelid = index.indrelid
       WHERE class.relkind IN ('r', 'i', 't')
     )
     SELECT
       COALESCE(owner.name, 'commit') AS name,
       SUM(record.record_length - record.fpi_length)::double precision AS bytes
     FROM pg_get_wal_records_info($1::pg_lsn, $2::pg_lsn) AS record
     LEFT JOIN owner ON owner.filenode = substring(record.block_ref FROM 'rel \\d+/\\d+/(\\d+)')::oid
     GROUP BY 1`,
    [fromLsn, untilLsn],
  )
  return new Map(rows.map(({ name, bytes }) => [name, bytes]))
}

async function serverVersion(): Promise<string> {
  const { rows } = await database.query<{ version: string }>(
    `SELECT current_setting('server_version') AS version`,
  )
  return rows[0]!.version
}
