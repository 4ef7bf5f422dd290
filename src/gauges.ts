import { Gauge, type Registry } from '@prometheus-io/client'
import type { Queryable } from './database/database.ts'
import {
  readWaiting,
  readWaitingByWebhook,
  type Waiting,
  type WaitingOfWebhook,
} from './statistics/waiting.ts'

/** What is looked up when Prometheus asks. */

/** Whose labels are told: those of projects, or of webhooks and their projects. */
export type MetricsBy = 'project' | 'webhook'

export function tenantLabels(by: MetricsBy | undefined): ('project_id' | 'webhook_id')[] {
  if (by === undefined) return []
  return by === 'project' ? ['project_id'] : ['project_id', 'webhook_id']
}

export interface PoolCounts {
  readonly totalCount: number
  readonly idleCount: number
  readonly waitingCount: number
  readonly options: { max: number }
}

export type Reading = [value: number, labels?: Record<string, string>]

/** What is not there any more is told no longer. */
export function addGauge(
  registry: Registry,
  { name, help, labels = [] }: { name: string; help: string; labels?: readonly string[] },
  read: () => Reading[] | Promise<Reading[]>,
): Gauge<string> {
  return new Gauge({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    async collect() {
      const readings = await read()
      this.reset()
      for (const [value, labelled = {}] of readings) this.set(labelled, value)
    },
  })
}

export function tellPools(registry: Registry, pools: Readonly<Record<string, PoolCounts>>): void {
  const tell = (name: string, help: string, count: (pool: PoolCounts) => number): unknown =>
    addGauge(registry, { name, help, labels: ['pool'] }, () =>
      Object.entries(pools).map(([pool, counts]) => [count(counts), { pool }]),
    )
  tell('postrider_pool_connections', 'Connections to the database that are open.', (pool) => pool.totalCount)
  tell('postrider_pool_idle_connections', 'Of them, those that nobody uses.', (pool) => pool.idleCount)
  tell('postrider_pool_max_connections', 'As many may be open.', (pool) => pool.options.max)
  tell('postrider_pool_waiting', 'Who waits for a connection to become free.', (pool) => pool.waitingCount)
}

/** One look at what waits serves every scrape of this long. */
const lookAgeMs = 5_000
/** What is in all places together is told up to this. */
const mostWaiting = 100_000

export function tellWaiting(registry: Registry, database: Queryable, by: MetricsBy | undefined): void {
  // The numbers are unknown while the database is away; the rest of the metrics are not.
  const look = remembered(() => readWaiting(database).catch(() => unknown))
  const tell = (name: string, help: string, pick: (waiting: Waiting) => number): unknown =>
    addGauge(registry, { name, help }, async () => [[pick(await look())]])
  tell(
    'postrider_backlog_deliveries',
    `Deliveries of the whole database that wait to be sent, counted up to ${mostWaiting}.`,
    ({ queue, schedule, line }) => Math.min(queue + schedule + line, mostWaiting),
  )
  tell(
    'postrider_oldest_due_seconds',
    'How long the oldest due delivery of an active webhook has been waiting to be sent.',
    ({ oldestDueSeconds }) => oldestDueSeconds,
  )
  tell('postrider_workers', 'Workers of the whole database whose lease holds.', ({ workers }) => workers)
  tell(
    'postrider_open_breakers',
    'Webhooks whose endpoint is down, so that it gets but a probe now and then.',
    ({ breakers }) => breakers,
  )
  addGauge(
    registry,
    {
      name: 'postrider_waiting_deliveries',
      help: 'The backlog by where it waits: queue, due; schedule, for the next try; line, behind others of its webhook.',
      labels: ['place'],
    },
    async () => {
      const { queue, schedule, line } = await look()
      return Object.entries({ queue, schedule, line }).map(([place, count]) => [count, { place }])
    },
  )
  if (by !== undefined) tellTenants(registry, database, by)
}

function tellTenants(registry: Registry, database: Queryable, by: MetricsBy): void {
  const look = remembered(() => readWaitingByWebhook(database).catch(() => []))
  addGauge(
    registry,
    {
      name: 'postrider_tenant_backlog_deliveries',
      help: 'Deliveries that wait to be sent, of each project or webhook that has any.',
      labels: tenantLabels(by),
    },
    async () => byTenant(await look(), by),
  )
}

function byTenant(waiting: readonly WaitingOfWebhook[], by: MetricsBy): Reading[] {
  if (by === 'webhook') return waiting.map(({ deliveries, ...labels }) => [deliveries, labels])
  const ofProjects = Object.entries(Object.groupBy(waiting, ({ project_id }) => project_id))
  return ofProjects.map(([project_id, rows = []]) => [
    rows.reduce((sum, { deliveries }) => sum + deliveries, 0),
    { project_id },
  ])
}

function remembered<Seen>(look: () => Promise<Seen>): () => Promise<Seen> {
  let last: { seen: Promise<Seen>; atMs: number } | undefined
  return () => {
    const nowMs = performance.now()
    if (!last || nowMs - last.atMs > lookAgeMs) last = { seen: look(), atMs: nowMs }
    return last.seen
  }
}

const unknown: Waiting = {
  queue: NaN,
  schedule: NaN,
  line: NaN,
  oldestDueSeconds: NaN,
  workers: NaN,
  breakers: NaN,
}
