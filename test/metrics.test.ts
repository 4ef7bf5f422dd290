import { describe, expect, it } from 'vitest'
import type { ClaimedDelivery } from '../src/deliver/claim.ts'
import { Metrics, type MetricsBy } from '../src/metrics.ts'
import { readWaiting } from '../src/statistics/waiting.ts'
import { createTestDatabase } from './support/database.ts'
import { Receiver } from './support/receiver.ts'
import { startPostrider } from './support/running.ts'
import { insertProject, insertWebhook } from './support/seed.ts'
import { publish } from '../src/publish/publish.ts'

const { database } = await createTestDatabase()

function metricsOf({ by, ...given }: { by?: MetricsBy; database?: typeof database } = {}): Metrics {
  return new Metrics({
    database,
    pools: { calls: database.pool },
    worker: { inFlight: 3, held: 7 },
    by,
    ...given,
  })
}

const noWaiting = { queue: 0, schedule: 0, line: 0, oldest: 0, workers: 0, breakers: 0 }

/** By series, as they stand in the exposition. */
async function seriesOf(metrics: Metrics): Promise<Map<string, number>> {
  const { body } = await metrics.text()
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
}

function delivery(project_id: string, webhook_id: string): ClaimedDelivery {
  return { project_id, webhook_id } as ClaimedDelivery
}

describe('metrics', () => {
  it('tell of claims and results by their size and time', async () => {
    const metrics = metricsOf()
    metrics.claimed(0, 2)
    metrics.claimed(40, 20)
    metrics.recorded(12, 30)
    const series = await seriesOf(metrics)
    expect(series.get('postrider_claim_deliveries_count')).toBe(1)
    expect(series.get('postrider_claim_deliveries_sum')).toBe(40)
    expect(series.get('postrider_claim_duration_seconds_count')).toBe(2)
    expect(series.get('postrider_claim_duration_seconds_bucket{le="0.0025"}')).toBe(1)
    expect(series.get('postrider_record_results_bucket{le="10"}')).toBe(0)
    expect(series.get('postrider_record_results_bucket{le="20"}')).toBe(1)
    expect(series.get('postrider_record_duration_seconds_sum')).toBeCloseTo(0.03)
    expect(series.get('postrider_deliveries_in_flight')).toBe(3)
    expect(series.get('postrider_deliveries_held')).toBe(7)
  })

  it('have each outcome from the beginning, so that the first failure has a rate', async () => {
    const series = await seriesOf(metricsOf())
    for (const outcome of ['delivered', 'retry', 'failed', 'gone', 'interrupted', 'superseded'])
      expect(series.get(`postrider_attempts_total{outcome="${outcome}"}`)).toBe(0)
    expect(series.get('postrider_events_published_total{result="duplicate"}')).toBe(0)
  })

  it('tell of connections', async () => {
    const client = await database.pool.connect()
    const series = await seriesOf(metricsOf())
    client.release()
    expect(series.get('postrider_pool_connections{pool="calls"}')).toBeGreaterThanOrEqual(1)
    expect(series.get('postrider_pool_max_connections{pool="calls"}')).toBe(database.pool.options.max)
    expect(series.get('postrider_pool_waiting{pool="calls"}')).toBe(0)
    expect(series.has('postrider_pool_idle_connections{pool="calls"}')).toBe(true)
  })

  it('say nothing of a database that is away, and all the rest', async () => {
    const away = { query: () => Promise.reject(new Error('away')) } as unknown as typeof database
    const series = await seriesOf(metricsOf({ database: away, by: 'project' }))
    expect(series.get('postrider_backlog_deliveries')).toBeNaN()
    expect(series.get('postrider_workers')).toBeNaN()
    expect(series.get('postrider_deliveries_in_flight')).toBe(3)
  })

  it('look at the database once for scrapes that follow each other', async () => {
    let looks = 0
    const counted = {
      query: () => Promise.resolve(((looks += 1), { rows: [noWaiting] })),
    } as unknown as typeof database
    const metrics = metricsOf({ database: counted })
    await Promise.all([metrics.text(), metrics.text()])
    await metrics.text()
    expect(looks).toBe(1)
  })
})

describe('what waits', () => {
  it('is counted by its place', async () => {
    const projectId = await insertProject(database)
    const webhookId = await insertWebhook(database, { projectId })
    for (const _ of [1, 2, 3]) await publish(database, { projectId, type: 'a', data: {} })
    await database.query(
      `WITH waiting AS (
         DELETE FROM postrider.delivery_queue
         WHERE delivery_id IN (SELECT delivery_id FROM postrider.delivery_queue WHERE webhook_id = $1::uuid LIMIT 1)
         RETURNING delivery_id, webhook_id
       )
       INSERT INTO postrider.delivery_schedule (scheduled_at, delivery_id, webhook_id, place)
       SELECT now() + interval '1 hour', delivery_id, webhook_id, now()
       FROM waiting`,
      [webhookId],
    )
    expect(await readWaiting(database)).toMatchObject({ queue: 2, schedule: 1, line: 0, workers: 0 })
    const series = await seriesOf(metricsOf())
    expect(series.get('postrider_backlog_deliveries')).toBe(3)
    expect(series.get('postrider_waiting_deliveries{place="queue"}')).toBe(2)
    expect(series.get('postrider_waiting_deliveries{place="schedule"}')).toBe(1)
    expect(series.get('postrider_waiting_deliveries{place="line"}')).toBe(0)
    expect(series.get('postrider_oldest_due_seconds')).toBeGreaterThan(0)
    expect(Array.from(series.keys()).filter((name) => name.includes(projectId))).toEqual([])

    const byProject = await seriesOf(metricsOf({ by: 'project' }))
    expect(byProject.get(`postrider_tenant_backlog_deliveries{project_id="${projectId}"}`)).toBe(3)
    const byWebhook = await seriesOf(metricsOf({ by: 'webhook' }))
    const labels = `project_id="${projectId}",webhook_id="${webhookId}"`
    expect(byWebhook.get(`postrider_tenant_backlog_deliveries{${labels}}`)).toBe(3)
  })
})

describe('a label that grows with tenants', () => {
  it.each<[MetricsBy, string]>([
    ['project', 'outcome="failed",project_id="p"'],
    ['webhook', 'outcome="failed",project_id="p",webhook_id="w"'],
  ])('is there if it is asked for: by %s', async (by, labels) => {
    const metrics = metricsOf({ by })
    const outcome = { kind: 'failed', responseStatus: 500, error: 'http 500' } as const
    metrics.ended(delivery('p', 'w'), { outcome, durationMs: 12, traceId: undefined })
    metrics.ended(delivery('p', 'w'), 'filtered')
    const series = await seriesOf(metrics)
    expect(series.get(`postrider_attempts_total{${labels}}`)).toBe(1)
    expect(series.get('postrider_deliveries_filtered_total')).toBe(1)
    expect(series.get('postrider_attempt_duration_seconds_count')).toBe(1)
  })
})

it('a process that delivers tells of its claims, its results and itself', async () => {
  await using receiver = await Receiver.start()
  await using running = await startPostrider()
  const { postrider } = running
  postrider.metrics.tellProcess()
  const project = await postrider.projects.create({ name: 'shop' })
  await postrider.webhooks.create(project.id, { name: 'w', url: receiver.url })
  await postrider.publish({ projectId: project.id, type: 'a', data: {} })
  const told = () => seriesOf(postrider.metrics)
  await expect.poll(async () => (await told()).get('postrider_record_results_sum')).toBe(1)
  const series = await told()
  expect(series.get('postrider_claim_deliveries_sum')).toBe(1)
  expect(series.get('postrider_workers')).toBeLessThanOrEqual(1)
  expect(series.get('postrider_pool_max_connections{pool="engine"}')).toBe(10)
  expect(series.get('process_resident_memory_bytes')).toBeGreaterThan(0)
  expect(series.get('process_cpu_seconds_total')).toBeGreaterThan(0)
  expect(series.has('nodejs_eventloop_lag_p99_seconds')).toBe(true)
})
