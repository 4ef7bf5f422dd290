import { expect, it } from 'vitest'
import { Postrider } from '../../src/postrider.ts'
import { createJob } from '../../src/deliver/jobs.ts'
import { stepJob } from '../../src/deliver/job-steps.ts'
import { createReplay } from '../../src/deliver/replay.ts'
import { publish } from '../../src/publish/publish.ts'
import { stepRetention } from '../../src/retain/retention.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { deliveryOf, storedAttempts, storedDelivery, TestWorker } from '../support/engine.ts'
import { insertPast, remaining } from '../support/history.ts'
import { Receiver } from '../support/receiver.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

const { database, connectionString } = await createTestDatabase()
const now = new Date()
const step = { now, scheduleLength: 6 }

async function setUp() {
  const projectId = await insertProject(database)
  const webhookId = await insertWebhook(database, { projectId })
  await database.query(`UPDATE postrider.projects SET payload_retention_days = 7 WHERE id = $1::uuid`, [
    projectId,
  ])
  const past = (days: number, status?: 'delivered' | 'failed' | 'pending') =>
    insertPast(database, { projectId, webhookId, days, now, ...(status && { status }) })
  return { projectId, webhookId, past }
}

/** When all that was changed in this file is due. */
const soon = new Date(now.getTime() + 600_000)

/** Answers how many payloads of which project went. */
async function carryOut(at = soon): Promise<Map<string, number>> {
  const payloads = new Map<string, number>()
  for (;;) {
    const done = await stepRetention(database, { now: at, days: 30, size: 100 })
    if (!done) return payloads
    if (done.is_over) payloads.set(done.project_id, done.payloads)
  }
}

async function payloadOf(eventId: string) {
  const { rows } = await database.query<{ payload: string | null; payload_expired_at: Date | null }>(
    `SELECT payload, payload_expired_at FROM postrider.events WHERE id = $1::uuid`,
    [eventId],
  )
  return rows[0]!
}

it('takes payloads and answers of what is finished and old enough, and leaves the history', async () => {
  const { past } = await setUp()
  const [old] = await past(8)
  const [young] = await past(6)
  const [waiting] = await past(8, 'pending')
  await carryOut()

  expect(await payloadOf(old!)).toEqual({ payload: null, payload_expired_at: soon })
  const id = await deliveryOf(database, old!)
  expect(await storedDelivery(database, id)).toMatchObject({
    payload: null,
    last_response_body: null,
    status: 'delivered',
    attempts: 1,
  })
  expect(await storedAttempts(database, id)).toMatchObject([
    { request_headers: { 'webhook-id': 'x' }, response_headers: null, response_body: null, outcome: 'retry' },
  ])
  for (const kept of [young!, waiting!]) {
    expect(await payloadOf(kept)).toMatchObject({ payload_expired_at: null, payload: expect.any(String) })
  }
})

it('comes back for those of which something was still to be sent', async () => {
  const { projectId, past } = await setUp()
  const [waiting] = await past(8, 'pending')
  const [done] = await past(9)
  expect((await carryOut()).get(projectId)).toBe(1)
  await database.query(
    `UPDATE postrider.webhook_deliveries SET status = 'failed' WHERE event_id = $1::uuid`,
    [waiting],
  )
  expect((await carryOut(new Date(soon.getTime() + 86_400_000))).get(projectId)).toBe(1)
  expect(await payloadOf(waiting!)).toMatchObject({ payload: null })
  expect(await remaining(database, [waiting!, done!])).toEqual({ events: 2, deliveries: 2, attempts: 2 })
})

it('what has no payload is not sent again, whoever asks', async () => {
  const { projectId, webhookId, past } = await setUp()
  const [eventId] = await past(8, 'failed')
  await carryOut()
  const id = await deliveryOf(database, eventId!)
  const postrider = new Postrider({ connectionString })
  await expect(postrider.deliveries.retry(projectId, id)).rejects.toMatchObject({
    code: 'payload_expired',
    status: 409,
  })
  expect(await postrider.deliveries.get(projectId, id)).toMatchObject({
    payload: null,
    payload_expired_at: soon,
  })
  expect(await postrider.events.get(projectId, eventId!)).toMatchObject({
    payload: null,
    payload_expired_at: soon,
  })
  await postrider.stop()

  expect(
    await createReplay(database, { projectId, webhookId }, { since: new Date(0), dry_run: true }),
  ).toEqual({ count: 0 })
  const other = await insertWebhook(database, { projectId })
  for (const job of [
    { kind: 'retry' as const, filter: { delivery_ids: [id] } },
    { kind: 'backfill' as const, filter: { webhook_id: other } },
  ]) {
    expect(await createJob(database, projectId, job)).toMatchObject({ count: 0 })
    while (await stepJob(database, step));
  }
  const { rows } = await database.query(
    `SELECT FROM postrider.deliveries WHERE project_id = $1::uuid AND status = 'pending'`,
    [projectId],
  )
  expect(rows).toEqual([])
  await expect(
    database.query(`UPDATE postrider.deliveries SET status = 'pending' WHERE id = $1::uuid`, [id]),
  ).rejects.toMatchObject({ constraint: 'deliveries_payload_expired_at_check' })
})

it('the id of an event stays its idempotency key', async () => {
  const { projectId, past } = await setUp()
  const [id] = await past(8)
  await carryOut()
  expect(await publish(database, { projectId, type: 'a', data: { n: 2 }, id: id! })).toEqual({
    id,
    deliveries: 1,
    duplicate: true,
  })
  await expect(publish(database, { projectId, type: 'b', data: { n: 1 }, id: id! })).rejects.toMatchObject({
    code: 'event_conflict',
  })
})

it('a delivery that lost its payload in spite of all that fails, and no empty body is sent', async () => {
  await using receiver = await Receiver.start()
  const { database: sending } = await createTestDatabase()
  const projectId = await insertProject(sending)
  await insertWebhook(sending, { projectId, url: receiver.url })
  const { id: eventId } = await publish(sending, { projectId, type: 'a', data: 1 })
  await sending.query(`UPDATE postrider.events SET payload = NULL WHERE id = $1::uuid`, [eventId])
  const clock = new MovedClock()
  clock.advance(60)
  await using worker = new TestWorker({ database: sending, clock })
  await worker.start()
  await worker.ended(1)
  expect(await storedDelivery(sending, await deliveryOf(sending, eventId))).toMatchObject({
    status: 'failed',
    last_error: 'payload expired',
  })
  expect(receiver.requests).toEqual([])
})
