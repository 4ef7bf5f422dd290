import { expect, it } from 'vitest'
import { advanceLines } from '../../src/deliver/let-out.ts'
import { publish } from '../../src/publish/publish.ts'
import { retryDelivery } from '../../src/deliver/deliveries.ts'
import { listDeliveries } from '../../src/deliver/list.ts'
import { Projects } from '../../src/registry/projects.ts'
import { type DeletionStep, stepDeletion } from '../../src/retain/deletion.ts'
import { Deletions } from '../../src/retain/deletions.ts'
import { rollAttempts, rollEvents } from '../../src/statistics/roll.ts'
import { silentLogger } from '../../src/log.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { TestWorker } from '../support/engine.ts'
import { insertPast } from '../support/history.ts'
import { Receiver } from '../support/receiver.ts'
import { countRows } from '../support/rows.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

const { database } = await createTestDatabase()
const projects = new Projects({ database })
const now = new Date()
const later = new Date(now.getTime() + 120_000)

async function countOf(table: string, projectId: string): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    `SELECT COUNT(*)::integer AS count FROM postrider.${table} WHERE project_id = $1::uuid`,
    [projectId],
  )
  return rows[0]!.count
}

/** Until nothing is left to do. */
async function carryOut(size: number, at = new Date()): Promise<DeletionStep[]> {
  const steps: DeletionStep[] = []
  for (;;) {
    const step = await stepDeletion(database, { now: at, size })
    if (!step) return steps
    steps.push(step)
  }
}

it('a project with a long history is gone at once, and its rows go after it, so many at a time', async () => {
  const projectId = await insertProject(database)
  const before = await countRows(database)
  const webhookId = await insertWebhook(database, { projectId })
  await insertPast(database, { projectId, webhookId, days: 1, now, count: 8_000 })
  await insertPast(database, { projectId, webhookId, days: 1, now, count: 4_000, status: 'pending' })
  await database.query(
    `INSERT INTO postrider.attempt_statistics (project_id, webhook_id, seconds, at)
     SELECT $1::uuid, webhook.id, 60, now() FROM unnest(ARRAY[$2::uuid, NULL]) AS webhook (id)`,
    [projectId, webhookId],
  )

  await projects.delete(projectId)
  await expect(projects.get(projectId)).rejects.toMatchObject({ code: 'not_found' })
  await expect(publish(database, { projectId, type: 'a', data: 1 })).rejects.toMatchObject({
    code: 'not_found',
  })
  const left = await countOf('deliveries', projectId)
  // Whoever deletes it waits for a few of them at most.
  expect(left).toBeGreaterThan(11_000)
  expect(left).toBeLessThan(12_000)

  // What is left is in nobody's way: counting, lines and claims go past it.
  await rollAttempts(database, later)
  await rollEvents(database, later)
  expect(await advanceLines(database)).toBe(0)

  const first = await stepDeletion(database, { now, size: 1_000 })
  expect(await countOf('deliveries', projectId)).toBeGreaterThanOrEqual(left - 1_000)
  expect(first).toMatchObject({ project_id: projectId, is_over: false })
  // Whoever comes next, after a restart, goes on there.
  const steps = await carryOut(1_000)
  expect(steps.some(({ deliveries }) => deliveries > 3_000 && deliveries < 9_000)).toBe(true)
  for (const [index, { deliveries }] of steps.entries()) {
    const earlier = steps
      .slice(0, index)
      .findLast(({ webhook_id }) => webhook_id === steps[index]!.webhook_id)
    expect(deliveries - (earlier?.deliveries ?? 1_500)).toBeLessThanOrEqual(1_000)
  }
  // The last look is a minute after the end, for what others had not committed.
  expect(await countOf('deletions', projectId)).toBe(2)
  await carryOut(1_000, new Date(Date.now() + 180_000))
  const { audit_log: _, statistics_progress: __, projects: ___, ...rest } = await countRows(database)
  expect(rest).toEqual({
    ...before,
    audit_log: undefined,
    statistics_progress: undefined,
    projects: undefined,
  })
})

it('a step that is cut off has done nothing, and the next one does it', async () => {
  const projectId = await insertProject(database)
  const webhookId = await insertWebhook(database, { projectId })
  await insertPast(database, { projectId, webhookId, days: 1, now, count: 3_000 })
  await projects.delete(projectId)
  const left = await countOf('deliveries', projectId)
  const cutOff = new Error('cut off')
  await expect(
    database.transaction(async (transaction) => {
      await stepDeletion(
        { query: transaction.query.bind(transaction), transaction: (work) => work(transaction) },
        { now: later, size: 1_000 },
      )
      throw cutOff
    }),
  ).rejects.toBe(cutOff)
  expect(await countOf('deliveries', projectId)).toBe(left)
  const deletions = new Deletions({ database, clock: { now: () => later }, logger: silentLogger })
  while (await deletions.step());
  expect(await countOf('deliveries', projectId)).toBe(0)
  expect(await countOf('events', projectId)).toBe(0)
})

it('rows that somebody holds are left, and found by the last look', async () => {
  const projectId = await insertProject(database)
  const webhookId = await insertWebhook(database, { projectId })
  const [eventId] = await insertPast(database, { projectId, webhookId, days: 1, now })
  const client = await database.pool.connect()
  await client.query('BEGIN')
  await client.query(`SELECT FROM postrider.deliveries WHERE event_id = $1::uuid FOR UPDATE`, [eventId])
  await projects.delete(projectId)
  expect(await countOf('deliveries', projectId)).toBe(1)
  await client.query('COMMIT')
  client.release()
  await carryOut(1_000, new Date(Date.now() + 120_000))
  expect(await countOf('deliveries', projectId)).toBe(0)
  await carryOut(1_000, new Date(Date.now() + 240_000))
  expect(await countOf('deletions', projectId)).toBe(0)
})

it('a webhook goes the same way, the newest of its history at once', async () => {
  const projectId = await insertProject(database)
  const [webhookId, other] = [
    await insertWebhook(database, { projectId }),
    await insertWebhook(database, { projectId }),
  ]
  await insertPast(database, { projectId, webhookId: other, days: 1, now, count: 10 })
  await insertPast(database, { projectId, webhookId, days: 2, now, count: 600, status: 'failed' })
  await database.query(`DELETE FROM postrider.webhooks WHERE id = $1::uuid`, [webhookId])
  expect(await countOf('deliveries', projectId)).toBe(110)
  // Until then somebody may still ask for one of them.
  const { rows } = await listDeliveries(database, projectId, { status: 'failed' }, { limit: 1 })
  await retryDelivery(database, { projectId, id: rows[0]!.id }, { now, scheduleLength: 6 })
  await carryOut(1_000)
  expect(await countOf('deliveries', projectId)).toBe(10)
  expect(await countOf('failed_deliveries', projectId)).toBe(0)
  expect(await countOf('events', projectId)).toBe(610)
})

it('nothing more is sent for a project that is gone, and others go on', async () => {
  await using receiver = await Receiver.start()
  const [gone, other] = [await insertProject(database), await insertProject(database)]
  const webhookId = await insertWebhook(database, { projectId: gone, url: receiver.url })
  await insertWebhook(database, { projectId: other, url: receiver.url })
  await insertPast(database, { projectId: gone, webhookId, days: 1, now, count: 2_000, status: 'pending' })
  await projects.delete(gone)
  const { id } = await publish(database, { projectId: other, type: 'a', data: 1 })
  const clock = new MovedClock()
  clock.advance(60)
  await using worker = new TestWorker({ database, clock })
  await worker.start()
  await worker.ended(1)
  await worker.stop()
  expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([id])
})

it('a delivery is written for no webhook that is not there', async () => {
  await expect(
    database.query(
      `INSERT INTO postrider.webhook_deliveries (project_id, webhook_id, event_id, event_type, payload)
       VALUES ($1::uuid, gen_random_uuid(), gen_random_uuid(), 'a', '{}')`,
      [await insertProject(database)],
    ),
  ).rejects.toMatchObject({ code: '23503' })
})
