import { beforeEach, expect, test } from 'vitest'
import { sampleBacklog } from '../../src/statistics/backlog.ts'
import { expireStatistics, fold } from '../../src/statistics/fold.ts'
import { resolveBars, resolveBuckets } from '../../src/statistics/range.ts'
import { readStatistics } from '../../src/statistics/read.ts'
import { AttemptRoller, rollAttempts, rollEvents } from '../../src/statistics/roll.ts'
import { readSummaries } from '../../src/statistics/summaries.ts'
import { readVolumes } from '../../src/statistics/volumes.ts'
import { publish } from '../../src/publish/publish.ts'
import type { Database } from '../../src/database/database.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

let database: Database
let projectId: string
let webhookId: string
beforeEach(async () => {
  ;({ database } = await createTestDatabase())
  projectId = await insertProject(database)
  webhookId = await insertWebhook(database, { projectId })
})

const startedMs = Date.now()
const inSeconds = (seconds: number) => new Date(startedMs + seconds * 1_000)

/** An attempt of a new event, recorded now. */
async function attempt({
  startedAt = inSeconds(0),
  outcome = 'delivered',
  durationMs = 100,
}: { startedAt?: Date; outcome?: string; durationMs?: number | null } = {}) {
  await publish(database, { projectId, type: 'a.b', data: 1 })
  await database.query(
    `INSERT INTO postrider.webhook_delivery_attempts (delivery_id, attempt, started_at, duration_ms, outcome, error)
     SELECT id, 1, $1::timestamptz, $2::integer, $3::text, CASE WHEN $3::text <> 'delivered' THEN 'http 500' END
     FROM postrider.deliveries
     ORDER BY id DESC
     LIMIT 1`,
    [startedAt, durationMs, outcome],
  )
}

const read = (hours: number, now = inSeconds(30)) =>
  readStatistics(
    database,
    { projectId },
    { range: resolveBuckets({ since: new Date(now.getTime() - hours * 3_600_000) }, now), now },
  )

async function countAll(now = inSeconds(60)): Promise<void> {
  while (await rollAttempts(database, now));
  while (await rollEvents(database, now));
  while (await fold(database));
}

/** What a second count, or one that was cut off, must not change. */
async function rows(): Promise<unknown> {
  const { rows: kept } = await database.query(
    `SELECT webhook_id, seconds, at, delivered, retry, failed, interrupted, latency_slots, latency_counts
     FROM postrider.attempt_statistics
     ORDER BY webhook_id NULLS FIRST, seconds, at`,
  )
  return kept
}

test('what is counted reads as what was read from the history before', async () => {
  await attempt({ durationMs: 90 })
  await attempt({ durationMs: 900, outcome: 'retry' })
  await attempt({ durationMs: 95, outcome: 'failed' })
  await attempt({ durationMs: null, outcome: 'interrupted' })
  const before = await read(1)
  expect(before.totals).toMatchObject({ published: 4, delivered: 1, retry: 1, failed: 1, interrupted: 1 })
  expect(before.totals.success_rate).toBeCloseTo(1 / 3)
  expect(before.totals.p50_ms).toBeGreaterThan(76)
  expect(before.totals.p99_ms).toBeLessThanOrEqual(1_024)
  expect(await rows()).toEqual([])

  await countAll()
  expect(await rows()).toHaveLength(2)
  expect(await read(1)).toEqual(before)
  await countAll(inSeconds(90))
  expect(await read(1)).toEqual(before)
})

test('each attempt is counted once, whatever is cut off or done at the same time', async () => {
  for (let count = 0; count < 5; count += 1) await attempt()
  const cutOff = database.transaction(async (transaction) => {
    await rollAttempts(
      { query: transaction.query.bind(transaction), transaction: (work) => work(transaction) },
      inSeconds(60),
    )
    throw new Error('cut off')
  })
  await expect(cutOff).rejects.toThrow('cut off')
  expect(await rows()).toEqual([])
  await Promise.all(Array.from({ length: 4 }, () => rollAttempts(database, inSeconds(60))))
  await countAll()
  expect((await read(1)).totals.delivered).toBe(5)
})

test('a slice that takes too long is tried again shorter, down to a second', async () => {
  const tried: unknown[] = []
  const roller = new AttemptRoller({
    query: (text, values) => database.query(text, values),
    transaction: (work) =>
      work({
        query: async (_text, values) => {
          tried.push(values![1])
          throw new Error('Query read timeout')
        },
      }),
  })
  for (let count = 0; count < 5; count += 1)
    await expect(roller.step(inSeconds(60))).rejects.toThrow('timeout')
  expect(tried).toEqual([600, 60, 6, 1, 1])
})

test('hours and days are summed up once and tell the same', async () => {
  const { rows: progress } = await database.query<{ day: Date }>(
    `UPDATE postrider.statistics_progress
     SET attempts_until = now() - interval '3 days',
         events_until = date_trunc('minute', now() - interval '3 days', 'UTC'),
         events_settled_until = date_trunc('minute', now() - interval '3 days', 'UTC'),
         hours_until = date_trunc('day', now() - interval '3 days', 'UTC'),
         days_until = date_trunc('day', now() - interval '3 days', 'UTC')
     RETURNING days_until AS day`,
  )
  const day = progress[0]!.day.getTime()
  for (const hours of [25, 25.1, 26, 49])
    await attempt({ startedAt: new Date(day + hours * 3_600_000), durationMs: 10 })
  await attempt({ durationMs: 500, outcome: 'retry' })
  await countAll()
  const { rows: kept } = await database.query(
    `SELECT seconds, COUNT(*)::integer AS count, SUM(delivered)::integer AS delivered
     FROM postrider.attempt_statistics
     WHERE webhook_id = $1::uuid
     GROUP BY seconds
     ORDER BY seconds`,
    [webhookId],
  )
  expect(kept).toEqual([
    { seconds: 60, count: 5, delivered: 4 },
    { seconds: 3_600, count: expect.any(Number), delivered: 4 },
    { seconds: 86_400, count: 2, delivered: 4 },
  ])
  for (const hours of [2 * 24 + 20, 8 * 24, 39 * 24]) {
    expect((await read(hours)).totals).toMatchObject({ delivered: 4, retry: 1 })
  }
  await expireStatistics(database, inSeconds(10 * 86_400))
  expect((await read(39 * 24)).totals.delivered).toBe(4)
})

test('an attempt that is recorded after its hour was summed up is added to the hour and the day', async () => {
  await database.query(
    `UPDATE postrider.statistics_progress
     SET hours_until = date_trunc('hour', now(), 'UTC'),
         days_until = date_trunc('day', now(), 'UTC')`,
  )
  await attempt({ startedAt: inSeconds(-30 * 3_600) })
  await countAll()
  const { rows: kept } = await database.query<{ seconds: number }>(
    `SELECT seconds FROM postrider.attempt_statistics WHERE webhook_id = $1::uuid ORDER BY seconds`,
    [webhookId],
  )
  expect(kept.map(({ seconds }) => seconds)).toEqual([60, 3_600, 86_400])
  for (const hours of [47, 8 * 24, 39 * 24]) expect((await read(hours)).totals.delivered).toBe(1)
})

test('events of a transaction that committed late are counted when their minute is settled', async () => {
  const minute = inSeconds(-180)
  await database.query(
    `UPDATE postrider.statistics_progress
     SET events_until = date_trunc('minute', now() - interval '10 minutes', 'UTC'),
         events_settled_until = date_trunc('minute', now() - interval '10 minutes', 'UTC')`,
  )
  const publishAt = async (type: string) => {
    const { id } = await publish(database, { projectId, type, data: 1 })
    await database.query(`UPDATE postrider.events SET created_at = $2::timestamptz WHERE id = $1::uuid`, [
      id,
      minute,
    ])
  }
  await publishAt('a.b')
  while (await rollEvents(database, inSeconds(0)));
  expect((await read(1)).totals.published).toBe(1)
  await publishAt('a.c')
  expect((await read(1)).totals.published).toBe(1)
  while (await rollEvents(database, inSeconds(720)));
  expect((await read(1)).totals.published).toBe(2)
  const range = resolveBars({ since: inSeconds(-3_600) }, inSeconds(30))
  const volumes = await readVolumes(database, projectId, { range, now: inSeconds(30) })
  expect(volumes).toMatchObject([
    { name: 'a.b', published: 1, deliveries: 1 },
    { name: 'a.c', published: 1, deliveries: 1 },
  ])
  expect(volumes[0]!.bars.reduce((sum, count) => sum + count, 0)).toBe(1)
})

test('a webhook is summed up in 24 bars with its last error, counted or not', async () => {
  const quiet = await insertWebhook(database, { projectId, eventTypes: ['x'] })
  await attempt({ startedAt: inSeconds(-3_600 * 5) })
  await countAll()
  await database.query(`UPDATE postrider.statistics_progress SET attempts_until = clock_timestamp()`)
  await attempt({ outcome: 'retry', durationMs: 40 })
  const range = resolveBars({}, inSeconds(30))
  const scope = { projectId, webhookIds: [quiet, webhookId] }
  const [nothing, summary] = await readSummaries(database, scope, { range, now: inSeconds(30) })
  expect(nothing).toMatchObject({ webhook_id: quiet, success_rate: null, p95_ms: null, last_error: null })
  expect(nothing!.attempts).toEqual(Array.from({ length: 24 }, () => 0))
  expect(summary).toMatchObject({
    webhook_id: webhookId,
    delivered: 1,
    retry: 1,
    success_rate: 0.5,
    last_error: 'http 500',
    backlog: { count: 2, is_exact: true },
  })
  expect(summary!.attempts.filter((count) => count > 0)).toEqual([1, 1])
  expect(summary!.failures.at(-1)).toBe(1)
})

test('the backlog is told as it is now, and as it was', async () => {
  await attempt()
  await attempt()
  await sampleBacklog(database, inSeconds(0))
  await sampleBacklog(database, inSeconds(60))
  await database.query(`DELETE FROM postrider.delivery_queue`)
  const { backlog, buckets } = await read(1, inSeconds(180))
  expect(backlog).toEqual({ count: 0, is_exact: true, oldest_due_at: null })
  expect(buckets.filter((bucket) => bucket.backlog === 2)).toHaveLength(2)
  expect(buckets.at(-1)).toMatchObject({ backlog: 0 })
  expect(Math.max(...buckets.map((bucket) => bucket.oldest_due_seconds))).toBeGreaterThan(20)
})

test('a webhook that is deleted takes its counts along, and the project keeps its own', async () => {
  await attempt()
  await countAll()
  await database.query(`DELETE FROM postrider.webhooks WHERE id = $1::uuid`, [webhookId])
  expect(await rows()).toMatchObject([{ webhook_id: null, delivered: 1 }])
})
