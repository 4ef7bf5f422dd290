import { expect, it } from 'vitest'
import { Database, type Queryable } from '../../src/database/database.ts'
import {
  claim,
  type ClaimedDelivery,
  firstWebhookId,
  giveBack,
  markDelivering,
  readUnknown,
} from '../../src/deliver/claim.ts'
import { cancelDelivery, getDelivery, listAttempts, retryDelivery } from '../../src/deliver/deliveries.ts'
import { advanceLines, promote } from '../../src/deliver/let-out.ts'
import { Life } from '../../src/deliver/life.ts'
import { listDeliveries } from '../../src/deliver/list.ts'
import { endLife, rescueExpired } from '../../src/deliver/rescue.ts'
import { findLocked, writeResults } from '../../src/deliver/results.ts'
import { getEvent, listEvents } from '../../src/publish/events.ts'
import { publish, publishMany } from '../../src/publish/publish.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

/**
 * Tables that are spread over machines by `project_id` are quick where a statement names the project for each of them: then
 * one machine has all that it needs. Here the plans of all statements of the hot path are read, those inside functions too,
 * and each table that is read or written without its project is compared with the list below.
 */

/**
 * Of each step, the tables that it uses without naming the project; a step that is not in the list names it for all.
 *
 * - The queue, the schedule, lines, rates and attempts have no project: they are found by webhook or by delivery, and a column
 *   more in each would be written and read for every delivery. Every step that touches one is here for it.
 * - A worker has one row for all that it holds, of any project: see docs/scaling.md for what would take its place.
 * - A claim looks for whatever is due, by webhook, and learns the project from what it finds. So do letting out and taking
 *   over. Results come in batches of many projects, and are found by the delivery's id.
 * - What failed or waits is listed from the tables of its places, and looked up by id: with the project too the planner takes it
 *   for rarer than it is.
 * - Triggers that note what failed go by the delivery's id.
 */
const unplaced = ['delivery_line_waiting', 'delivery_queue', 'delivery_schedule']
const recording = ['deliveries', 'delivery_schedule', 'webhook_delivery_attempts', 'webhooks', 'workers']
const takingOver = [
  'deliveries',
  'delivery_queue',
  'delivery_schedule',
  'webhook_delivery_attempts',
  'workers',
]
const unnamed: Record<string, readonly string[]> = {
  'publishing one': ['delivery_line_waiting', 'delivery_queue'],
  'publishing many': ['delivery_line_waiting', 'delivery_queue'],
  'beginning a life': ['workers'],
  'renewing the lease': ['workers'],
  claiming: ['deliveries', 'delivery_queue', 'webhook_breakers', 'webhook_rates', 'webhooks', 'workers'],
  'reading what a lost answer said': ['webhook_breakers', 'webhooks', 'workers'],
  'marking what is being sent': ['deliveries', 'workers'],
  'giving back': ['deliveries', 'delivery_queue', 'workers'],
  'recording what was delivered': recording,
  'recording what is tried again': recording,
  'recording what failed': recording,
  'recording what was filtered': [
    'deliveries',
    'failed_deliveries',
    'webhook_delivery_attempts',
    'webhook_rates',
    'workers',
  ],
  'looking for locked rows': ['deliveries'],
  'letting out of the schedule': ['deliveries', 'delivery_queue', 'delivery_schedule'],
  'letting out of the line': ['deliveries', 'delivery_line_waiting', 'delivery_lines', 'delivery_queue'],
  'ending a life': takingOver,
  'taking over': takingOver,
  'listing what failed': ['deliveries'],
  'listing what waits': ['deliveries', ...unplaced],
  'reading a delivery': unplaced,
  'reading attempts': ['webhook_delivery_attempts'],
  'retrying by hand': [...unplaced, 'failed_deliveries'],
  cancelling: unplaced,
}

const { connectionString, database: owner } = await createTestDatabase()
const database = new Database({ connectionString, maxConnections: 1 })
const plans: Node[] = []
database.pool.on('connect', (client) => {
  client.on('notice', ({ message }) => {
    const [, json] = message?.split('plan:\n') ?? []
    if (json !== undefined) plans.push((JSON.parse(json) as { Plan: Node }).Plan)
  })
})
const explaining = [
  `LOAD 'auto_explain'`,
  'SET auto_explain.log_min_duration = 0',
  'SET auto_explain.log_nested_statements = on',
  'SET auto_explain.log_verbose = on',
  'SET auto_explain.log_format = json',
  'SET auto_explain.log_level = notice',
  // Newer versions leave a table out that is joined with itself: here each is to be seen.
  `SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'enable_self_join_elimination'`,
]
for (const statement of explaining) await database.query(statement)

interface Node {
  'Node Type': string
  Operation?: string
  'Relation Name'?: string
  Alias?: string
  Plans?: Node[]
  [key: string]: unknown
}

/** Partitions count as their table. */
const { rows: relations } = await owner.query<{ name: string; root: string; has_project: boolean }>(
  `SELECT
     class.relname AS name,
     COALESCE(pg_partition_root(class.oid)::regclass::oid::regclass, class.oid::regclass)::text AS root,
     EXISTS (
       SELECT
       FROM pg_attribute AS attribute
       WHERE attribute.attrelid = class.oid
         AND attribute.attname = CASE class.relname WHEN 'projects' THEN 'id' ELSE 'project_id' END
     ) AS has_project
   FROM pg_class AS class
   WHERE class.relnamespace = 'postrider'::regnamespace
     AND class.relkind IN ('r', 'p')`,
)
const tables = new Map(
  relations.map(({ name, root, has_project }) => [
    name,
    { root: root.replace(/^postrider\./, ''), hasProject: has_project },
  ]),
)

const conditionKeys = [
  'Index Cond',
  'Recheck Cond',
  'Filter',
  'Join Filter',
  'Hash Cond',
  'Merge Cond',
  'One-Time Filter',
]

function nodesOf(node: Node): Node[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)]
}

/** Tables of a plan that are read or written without their project. */
function unnamedIn(plan: Node): string[] {
  const nodes = nodesOf(plan)
  const conditions = nodes
    .flatMap((node) => conditionKeys.map((key) => node[key]))
    .filter((condition) => typeof condition === 'string')
    .join('\n')
  return nodes.flatMap((node) => {
    const table = tables.get(node['Relation Name'] ?? '')
    if (!table) return []
    if (node.Operation === 'Insert') return table.hasProject ? [] : [table.root]
    // Quoted, where the alias is a word of SQL.
    // Partitions have the alias of their table with a number, and either may stand in a condition.
    const alias = node.Alias!.replace(/_\d+$/, '')
    const column = `"?${alias}(?:_\\d+)?"?\\.${table.root === 'projects' ? 'id' : 'project_id'}`
    const names = new RegExp(`\\(${column} = |= ${column}\\)`)
    return names.test(conditions) ? [] : [table.root]
  })
}

/** What a step does, and which tables it does it to without their project. */
async function unnamedBy(step: () => Promise<unknown>): Promise<string[]> {
  plans.length = 0
  await step()
  expect(plans.length).toBeGreaterThan(0)
  return [...new Set(plans.flatMap(unnamedIn))].toSorted()
}

const projectId = await insertProject(owner)
const webhookId = await insertWebhook(owner, { projectId, eventTypes: ['invoice.paid'] })
const lineId = await insertWebhook(owner, { projectId, eventTypes: ['invoice.sent'] })
await owner.query('UPDATE postrider.webhooks SET ordered = true WHERE id = $1::uuid', [lineId])
const filteredId = await insertWebhook(owner, { projectId, eventTypes: ['invoice.void'] })
await owner.query(`UPDATE postrider.webhooks SET filter = 'false' WHERE id = $1::uuid`, [filteredId])
const clock = { now: () => new Date() }
const life = new Life({ leaseSeconds: 300, clock })
const data = { amount: 1 }

async function claimSome(): Promise<ClaimedDelivery[]> {
  return claim(database, {
    workerId: life.id,
    now: clock.now(),
    limit: 10,
    maxHeld: 10,
    limits: { held: new Map(), most: new Map() },
    finished: [],
    afterWebhookId: firstWebhookId,
  })
}

/** What has to be there for a step, made with a connection of its own. */
async function claimed(type = 'invoice.paid'): Promise<ClaimedDelivery[]> {
  await publish(owner, { projectId, type, data })
  return (await claimSome()).filter(({ event_type }) => event_type === type)
}

const attempt = {
  startedAt: new Date(),
  durationMs: 1,
  requestHeaders: {},
  responseHeaders: null,
  responseBody: null,
}
const delivered = { kind: 'delivered', responseStatus: 200, error: null, note: null } as const
const failed = { kind: 'failed', responseStatus: 500, error: 'http 500' } as const
const retry = (): { kind: 'retry'; responseStatus: number; error: string; retryAt: Date } => ({
  kind: 'retry',
  responseStatus: 500,
  error: 'http 500',
  retryAt: new Date(Date.now() + 1_000),
})

async function record(
  outcome: () => typeof delivered | typeof failed | ReturnType<typeof retry>,
): Promise<void> {
  const results = (await claimed()).map((delivery) => ({ delivery, outcome: outcome(), attempt }))
  expect(results.length).toBeGreaterThan(0)
  plans.length = 0
  await writeResults(database, results, { workerId: life.id, now: clock.now() })
}

async function someDelivery(): Promise<string> {
  const { rows } = await owner.query<{ id: string }>('SELECT id FROM postrider.deliveries LIMIT 1')
  return rows[0]!.id
}

async function newDelivery(): Promise<{ projectId: string; id: string }> {
  const { id } = await publish(owner, { projectId, type: 'invoice.paid', data })
  const { rows } = await owner.query<{ id: string }>(
    'SELECT id FROM postrider.deliveries WHERE event_id = $1::uuid',
    [id],
  )
  return { projectId, id: rows[0]!.id }
}

const page = { limit: 10, cursor: undefined }

const steps: Record<string, () => Promise<unknown>> = {
  'beginning a life': () => life.begin(database),
  'renewing the lease': () => life.renew(database),
  'publishing one': () => publish(database, { projectId, type: 'invoice.paid', data }),
  'publishing many': () =>
    publishMany(
      database,
      ['invoice.paid', 'invoice.sent'].map((type) => ({ projectId, type, data })),
    ),
  'letting out of the line': () => advanceLines(database),
  claiming: () => claimSome(),
  'recording what was delivered': () => record(() => delivered),
  'recording what is tried again': () => record(retry),
  'recording what failed': () => record(() => failed),
  'recording what was filtered': async () => {
    const results = (await claimed('invoice.void')).map((delivery) => ({ delivery, filtered: 'no match' }))
    plans.length = 0
    await writeResults(database, results, { workerId: life.id, now: clock.now() })
  },
  'looking for locked rows': async () => findLocked(database, [await someDelivery()]),
  'letting out of the schedule': () => promote(database, new Date(Date.now() + 60_000)),
  'marking what is being sent': async () => {
    const held = await claimed()
    plans.length = 0
    await markDelivering(database, life.id, held)
  },
  'reading what a lost answer said': () => readUnknown(database, life.id, []),
  'giving back': () => giveBack(database, life.id, { kept: [] }),
  'ending a life': async () => {
    await claimed()
    plans.length = 0
    await endLife(database, life.id, clock.now())
  },
  'taking over': async () => {
    const dead = new Life({ leaseSeconds: 5, clock: { now: () => new Date(0) } })
    await dead.begin(owner)
    await owner.query(
      `UPDATE postrider.workers
       SET in_flight = ARRAY[$2::uuid], in_flight_attempts = ARRAY[9], in_flight_since = ARRAY[now()]
       WHERE id = $1::uuid`,
      [dead.id, await someDelivery()],
    )
    await rescueExpired(database, clock.now())
  },
  'listing events': () => listEvents(database, projectId, {}, page),
  'reading an event': async () => {
    const { id } = await publish(owner, { projectId, type: 'invoice.paid', data })
    plans.length = 0
    await getEvent(database, projectId, id)
  },
  'listing deliveries': () => listDeliveries(database, projectId, {}, page),
  'listing deliveries of a webhook': () =>
    listDeliveries(database, projectId, { webhook_id: webhookId }, page),
  'listing what failed': () => listDeliveries(database, projectId, { status: 'failed' }, page),
  'listing what waits': () => listDeliveries(database, projectId, { status: 'pending' }, page),
  'reading a delivery': async () => getDelivery(database, { projectId, id: await someDelivery() }),
  'reading attempts': async () => listAttempts(database, { projectId, id: await someDelivery() }),
  'retrying by hand': async () => {
    const key = await newDelivery()
    await owner.query(
      `UPDATE postrider.webhook_deliveries SET status = 'failed', last_error = 'x' WHERE id = $1::uuid`,
      [key.id],
    )
    plans.length = 0
    await retryDelivery(database, key, { now: clock.now(), scheduleLength: 6 })
  },
  cancelling: async () => {
    const key = await newDelivery()
    plans.length = 0
    await cancelDelivery(database, key)
  },
}

it('each statement of the hot path names the project for each table, but for those that are listed', async () => {
  const found: Record<string, readonly string[]> = {}
  for (const [name, step] of Object.entries(steps)) {
    const tables = await unnamedBy(step)
    if (tables.length > 0) found[name] = tables
  }
  expect(found).toEqual(
    Object.fromEntries(Object.entries(unnamed).map(([name, tables]) => [name, [...tables].toSorted()])),
  )
})

it('finds a table that is read without its project, and lets one pass that is not', async () => {
  const read = (condition: string): Promise<string[]> =>
    unnamedBy(() =>
      (database as Queryable).query(`SELECT FROM postrider.deliveries AS row WHERE ${condition}`),
    )
  expect(await read(`row.webhook_id = '${webhookId}'`)).toEqual(['deliveries'])
  expect(await read(`row.project_id = '${projectId}' AND row.webhook_id = '${webhookId}'`)).toEqual([])
  expect(await read(`row.project_id > '${projectId}'`)).toEqual(['deliveries'])
})
