import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { cancelDelivery, getDelivery, listAttempts, retryDelivery } from '../../src/deliver/deliveries.ts'
import { failOverdue } from '../../src/deliver/inactive.ts'
import { listDeliveries } from '../../src/deliver/list.ts'
import { createReplay, stepReplay } from '../../src/deliver/replay.ts'
import { publish } from '../../src/publish/publish.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { deliveryOf, storedAttempts, storedDelivery, TestWorker } from '../support/engine.ts'
import { Receiver } from '../support/receiver.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

const { database } = await createTestDatabase()
const scheduleLength = 6

/** A webhook and the deliveries of `count` events to it, in the given state. */
async function deliveries(count: number, status: 'pending' | 'failed' | 'delivered', type = 'a') {
  const projectId = await insertProject(database)
  const webhookId = await insertWebhook(database, { projectId })
  const ids: string[] = []
  for (let index = 0; index < count; index += 1) {
    const { id } = await publish(database, { projectId, type, data: index })
    ids.push(await deliveryOf(database, id))
  }
  await database.query(
    `UPDATE postrider.webhook_deliveries
     SET status = $2::postrider.webhook_delivery_status,
         attempts = CASE WHEN $2 = 'pending' THEN 0 ELSE 6 END,
         delivered_at = CASE WHEN $2 = 'delivered' THEN now() END
     WHERE webhook_id = $1::uuid`,
    [webhookId, status],
  )
  return { projectId, webhookId, ids, clock: new MovedClock() }
}

async function statuses(webhookId: string): Promise<Record<string, number>> {
  const { rows } = await database.query<{ status: string; count: number }>(
    `SELECT status, COUNT(*)::integer AS count
     FROM postrider.webhook_deliveries
     WHERE webhook_id = $1::uuid
     GROUP BY status`,
    [webhookId],
  )
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]))
}

describe('a manual retry', () => {
  it.each(['failed', 'delivered'] as const)(
    'of a %s delivery gives it a full schedule and keeps its history',
    async (status) => {
      const { projectId, ids, clock } = await deliveries(1, status)
      const id = ids[0]!
      const answer = await retryDelivery(database, { projectId, id }, { now: clock.now(), scheduleLength })
      expect(answer).toEqual({ id, status: 'pending', scheduled_at: clock.now() })
      expect(await storedDelivery(database, id)).toMatchObject({
        status: 'pending',
        attempts: 6,
        max_attempts: 12,
        delivered_at: null,
        retried_at: clock.now(),
      })
      await using receiver = await Receiver.start({ answer: () => ({ status: 500 }) })
      await database.query(`UPDATE postrider.webhooks SET url = $1::text WHERE project_id = $2::uuid`, [
        receiver.url,
        projectId,
      ])
      await using worker = new TestWorker({ database, clock })
      await worker.start()
      await receiver.waitFor(1)
      await worker.stop()
      expect(receiver.requests[0]!.headers['postrider-attempt']).toBe('7')
      const row = await storedDelivery(database, id)
      const waitSeconds = ((row['scheduled_at'] as Date).getTime() - clock.now().getTime()) / 1_000
      expect(row).toMatchObject({ status: 'pending', attempts: 7 })
      expect(waitSeconds).toBeGreaterThanOrEqual(60)
      expect(waitSeconds).toBeLessThanOrEqual(66.1)
      expect(await storedAttempts(database, id)).toMatchObject([{ attempt: 7, outcome: 'retry' }])
      await cancelDelivery(database, { projectId, id })
    },
  )

  it('of one that waits for its next try makes it go now, within its old budget', async () => {
    const { projectId, ids, clock } = await deliveries(1, 'pending')
    const id = ids[0]!
    await database.query(
      `UPDATE postrider.webhook_deliveries SET scheduled_at = now() + interval '1 day', attempts = 2 WHERE id = $1::uuid`,
      [id],
    )
    expect(
      await retryDelivery(database, { projectId, id }, { now: clock.now(), scheduleLength }),
    ).toMatchObject({ scheduled_at: clock.now() })
    expect(await storedDelivery(database, id)).toMatchObject({ attempts: 2, max_attempts: 6 })
    await cancelDelivery(database, { projectId, id })
  })

  it('of one that is being sent is a conflict, and of a foreign one not found', async () => {
    const { projectId, webhookId, ids, clock } = await deliveries(1, 'pending')
    const id = ids[0]!
    // A worker has claimed it: it stands neither in the queue nor in the schedule, marked yet or not.
    await database.query(`DELETE FROM postrider.delivery_queue WHERE delivery_id = $1::uuid`, [id])
    const change = { now: clock.now(), scheduleLength }
    await expect(retryDelivery(database, { projectId, id }, change)).rejects.toMatchObject({
      code: 'conflict',
      status: 409,
    })
    await expect(cancelDelivery(database, { projectId, id })).rejects.toMatchObject({ code: 'conflict' })
    for (const key of [
      { projectId: randomUUID(), id },
      { projectId, id: randomUUID() },
      { projectId, id, webhookId: randomUUID() },
    ]) {
      await expect(retryDelivery(database, key, change)).rejects.toMatchObject({ code: 'not_found' })
      await expect(cancelDelivery(database, key)).rejects.toMatchObject({ code: 'not_found' })
      await expect(getDelivery(database, key)).rejects.toMatchObject({ code: 'not_found' })
      await expect(listAttempts(database, key)).rejects.toMatchObject({ code: 'not_found' })
    }
    await database.query(`UPDATE postrider.deliveries SET status = 'delivering' WHERE id = $1::uuid`, [id])
    await expect(retryDelivery(database, { projectId, id }, change)).rejects.toMatchObject({
      code: 'conflict',
    })
    expect(await getDelivery(database, { projectId, id, webhookId })).toMatchObject({ status: 'delivering' })
  })
})

it('cancelling ends what waits, and it may be retried later', async () => {
  const { projectId, ids, clock } = await deliveries(1, 'pending')
  const key = { projectId, id: ids[0]! }
  expect(await cancelDelivery(database, key)).toMatchObject({
    status: 'failed',
    last_error: 'cancelled',
    attempts: 0,
  })
  await expect(cancelDelivery(database, key)).rejects.toMatchObject({ code: 'conflict' })
  expect(await retryDelivery(database, key, { now: clock.now(), scheduleLength })).toMatchObject({
    status: 'pending',
  })
})

it('a list pages through everything once, newest first, while more is inserted', async () => {
  const { projectId, ids } = await deliveries(25, 'pending')
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const page = await listDeliveries(database, projectId, {}, { limit: 7, cursor })
    seen.push(...page.rows.map(({ id }) => id))
    cursor = page.next_cursor ?? undefined
    await publish(database, { projectId, type: 'a', data: 'later' })
  } while (cursor)
  expect(seen).toEqual(ids.toReversed())
})

describe('deliveries of an inactive webhook', () => {
  const waitSeconds = 19_260

  it('wait as long as all retries would take, then fail', async () => {
    const { webhookId, ids, clock } = await deliveries(2, 'pending')
    await database.query(`UPDATE postrider.webhooks SET is_active = false WHERE id = $1::uuid`, [webhookId])
    await database.query(
      `UPDATE postrider.webhook_deliveries SET retried_at = now() + interval '1 hour' WHERE id = $1::uuid`,
      [ids[1]],
    )
    clock.advance(waitSeconds - 60)
    expect(await failOverdue(database, { now: clock.now(), waitSeconds })).toBe(0)
    clock.advance(120)
    expect(await failOverdue(database, { now: clock.now(), waitSeconds })).toBe(1)
    expect(await storedDelivery(database, ids[0]!)).toMatchObject({
      status: 'failed',
      last_error: 'webhook inactive',
    })
    // Counted from its manual retry.
    clock.advance(3_600)
    expect(await failOverdue(database, { now: clock.now(), waitSeconds })).toBe(1)
  })

  it('are not sent, and go out when it is active again', async () => {
    await using receiver = await Receiver.start()
    const { webhookId, ids, clock } = await deliveries(1, 'pending')
    await database.query(
      `UPDATE postrider.webhooks SET is_active = false, url = $2::text WHERE id = $1::uuid`,
      [webhookId, receiver.url],
    )
    await using worker = new TestWorker({ database, clock, pollMs: 20 })
    await worker.start()
    await expect.poll(() => worker.inFlight).toBe(0)
    expect(receiver.requests).toHaveLength(0)
    expect(await storedDelivery(database, ids[0]!)).toMatchObject({ status: 'pending', attempts: 0 })
    await database.query(`UPDATE postrider.webhooks SET is_active = true WHERE id = $1::uuid`, [webhookId])
    await receiver.waitFor(1)
  })
})

describe('a replay', () => {
  const since = new Date(Date.now() - 3_600_000)

  async function carryOut(now: Date): Promise<void> {
    while (await stepReplay(database, { now, scheduleLength })) continue
  }

  it('counts without doing anything when asked to', async () => {
    const { projectId, webhookId, clock } = await deliveries(3, 'failed')
    const replay = await createReplay(database, { projectId, webhookId }, { since, dry_run: true })
    expect(replay).toEqual({ count: 3 })
    await carryOut(clock.now())
    expect(await statuses(webhookId)).toEqual({ failed: 3 })
  })

  it('makes the failed ones pending, in as many steps as it takes', async () => {
    const { projectId, webhookId, clock } = await deliveries(1, 'failed')
    await database.query(
      `INSERT INTO postrider.webhook_deliveries (webhook_id, project_id, event_id, event_type, payload, status)
       SELECT $1::uuid, $2::uuid, gen_random_uuid(), 'a', '{}', 'failed'
       FROM generate_series(1, 1200)`,
      [webhookId, projectId],
    )
    const now = new Date(clock.now().getTime() + 1_000)
    expect(await createReplay(database, { projectId, webhookId }, { since })).toMatchObject({
      count: 1_201,
    })
    expect(await stepReplay(database, { now, scheduleLength })).toBe(true)
    expect(await statuses(webhookId)).toEqual({ failed: 701, pending: 500 })
    await carryOut(now)
    expect(await statuses(webhookId)).toEqual({ pending: 1_201 })
    await database.query('DELETE FROM postrider.webhook_deliveries WHERE webhook_id = $1::uuid', [webhookId])
  })

  it('asked for twice while it runs is one replay, and carried out by two at once sends each once', async () => {
    const { projectId, webhookId, clock } = await deliveries(4, 'delivered')
    const request = { since, status: 'delivered' as const }
    const first = await createReplay(database, { projectId, webhookId }, request)
    const second = await createReplay(database, { projectId, webhookId }, request)
    expect(second).toEqual(first)
    await Promise.all([carryOut(clock.now()), carryOut(clock.now())])
    const { rows } = await database.query(
      `SELECT count, replayed FROM postrider.replays WHERE webhook_id = $1::uuid`,
      [webhookId],
    )
    expect(rows).toEqual([{ count: 4, replayed: 4 }])
    expect(await statuses(webhookId)).toEqual({ pending: 4 })
  })

  it('takes only the types and the time asked for', async () => {
    const { projectId, webhookId, clock } = await deliveries(2, 'failed', 'config.deployed')
    await publish(database, { projectId, type: 'order.paid', data: {} })
    await database.query(
      `UPDATE postrider.webhook_deliveries SET status = 'failed' WHERE webhook_id = $1::uuid`,
      [webhookId],
    )
    const now = new Date(clock.now().getTime() + 1_000)
    const count = async (request: object) =>
      (await createReplay(database, { projectId, webhookId }, { since, dry_run: true, ...request })).count
    expect(await count({ event_types: ['config.*'] })).toBe(2)
    expect(await count({ event_types: ['order.paid'] })).toBe(1)
    expect(await count({})).toBe(3)
    expect(await count({ since: now })).toBe(0)
    expect(await count({ until: new Date(since.getTime() + 1) })).toBe(0)
    await expect(count({ until: since })).rejects.toMatchObject({ code: 'validation_failed' })
    await expect(
      createReplay(database, { projectId: randomUUID(), webhookId }, { since }),
    ).rejects.toMatchObject({ code: 'not_found' })
  })
})
