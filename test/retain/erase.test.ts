import { expect, it } from 'vitest'
import { publish, publishMany } from '../../src/publish/publish.ts'
import { eraseEvent } from '../../src/retain/erase.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { deliveryOf, storedDelivery, TestWorker } from '../support/engine.ts'
import { Receiver } from '../support/receiver.ts'
import { countRows } from '../support/rows.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

const { database } = await createTestDatabase()
/** What a worker sends: nothing that others left. */
const { database: sending } = await createTestDatabase()
const secret = 'iban DE02 1203 0000 0000 2020 51'

async function setUp(on = database, url?: string) {
  const projectId = await insertProject(on)
  const webhookId = await insertWebhook(on, { projectId, ...(url && { url }) })
  return { projectId, webhookId }
}

/** Every table that holds this text somewhere. */
async function tablesWith(text: string, on = database): Promise<string[]> {
  const { rows } = await on.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'postrider'`,
  )
  const found: string[] = []
  for (const { name } of rows) {
    const { rows: hits } = await on.query(
      `SELECT FROM postrider.${name} AS row WHERE row::text LIKE '%' || $1::text || '%' LIMIT 1`,
      [text],
    )
    if (hits.length > 0) found.push(name)
  }
  return found
}

it('removes an event everywhere, and keeps that it was done', async () => {
  const { projectId, webhookId } = await setUp()
  const [line, scheduled] = [
    await insertWebhook(database, { projectId }),
    await insertWebhook(database, { projectId }),
  ]
  await database.query(`UPDATE postrider.webhooks SET ordered = true WHERE id = $1::uuid`, [line])
  const before = await countRows(database)
  const { id } = await publish(database, { projectId, type: 'a', data: { secret } })
  await database.query(
    `UPDATE postrider.webhook_deliveries
     SET scheduled_at = now() + interval '1 hour'
     WHERE webhook_id = $1::uuid`,
    [scheduled],
  )
  await database.query(
    `INSERT INTO postrider.webhook_delivery_attempts (delivery_id, attempt, started_at, response_body, outcome)
     SELECT delivery.id, 1, now(), $2::text, 'retry'
     FROM postrider.deliveries AS delivery
     WHERE delivery.event_id = $1::uuid`,
    [id, secret],
  )
  await database.query(
    `INSERT INTO postrider.filtered_deliveries (
       id, project_id, webhook_id, event_id, event_type, shape_id, reason
     )
     VALUES (gen_random_uuid(), $1::uuid, gen_random_uuid(), $2::uuid, 'a', gen_random_uuid(), $3::text)`,
    [projectId, id, secret],
  )
  await database.query(
    `UPDATE postrider.webhook_deliveries
     SET status = 'failed',
         last_response_body = $2::text
     WHERE webhook_id = $1::uuid`,
    [webhookId, secret],
  )
  expect(await tablesWith(secret)).toContain('events')

  await eraseEvent(database, projectId, id)
  expect(await tablesWith(secret)).toEqual([])
  expect(await tablesWith(id)).toEqual(['audit_log'])
  const { audit_log, ...rest } = await countRows(database)
  expect(rest).toEqual({ ...before, audit_log: undefined })
  expect(audit_log).toBe(before['audit_log']! + 1)
  const { rows } = await database.query(
    `SELECT action, resource_type, resource_id, before, after FROM postrider.audit_log ORDER BY id DESC LIMIT 1`,
  )
  expect(rows).toEqual([
    {
      action: 'event.erased',
      resource_type: 'event',
      resource_id: id,
      before: { deliveries: 3, in_flight: 0 },
      after: null,
    },
  ])
})

it('one that is not there, or is of another project, is not found', async () => {
  const [one, other] = [await setUp(), await setUp()]
  const { id } = await publish(database, { projectId: one.projectId, type: 'a', data: 1 })
  await expect(eraseEvent(database, other.projectId, id)).rejects.toMatchObject({ code: 'not_found' })
  await eraseEvent(database, one.projectId, id)
  await expect(eraseEvent(database, one.projectId, id)).rejects.toMatchObject({ code: 'not_found' })
})

it('published again, it is a new event', async () => {
  const { projectId } = await setUp()
  const { id } = await publish(database, { projectId, type: 'a', data: 1 })
  await eraseEvent(database, projectId, id)
  expect(await publish(database, { projectId, type: 'b', data: 2, id })).toEqual({
    id,
    deliveries: 1,
    duplicate: false,
  })
})

it('the result of a request that is on its way is dropped', async () => {
  await using receiver = await Receiver.start()
  const { projectId } = await setUp(sending, receiver.url)
  const { id } = await publish(sending, { projectId, type: 'a', data: { secret } })
  receiver.answer = async () => {
    await eraseEvent(sending, projectId, id)
    return { status: 204 }
  }
  const clock = new MovedClock()
  clock.advance(60)
  await using worker = new TestWorker({ database: sending, clock })
  await worker.start()
  await worker.ended(1)
  expect(worker.endings[0]!.ending).toBe('superseded')
  await worker.stop()
  expect(await tablesWith(secret, sending)).toEqual([])
  const { rows } = await sending.query(
    `SELECT before FROM postrider.audit_log WHERE action = 'event.erased' AND resource_id = $1::text`,
    [id],
  )
  expect(rows).toEqual([{ before: { deliveries: 1, in_flight: 1 } }])
})

it('a line goes on behind its head', async () => {
  await using receiver = await Receiver.start()
  const { projectId, webhookId } = await setUp(sending, receiver.url)
  await sending.query(`UPDATE postrider.webhooks SET ordered = true WHERE id = $1::uuid`, [webhookId])
  const [head, next] = await publishMany(
    sending,
    [1, 2].map((data) => ({ projectId, type: 'a', data })),
  )
  await eraseEvent(sending, projectId, head!.id)
  const clock = new MovedClock()
  clock.advance(60)
  await using worker = new TestWorker({ database: sending, clock })
  await worker.start()
  await worker.ended(1)
  expect(await storedDelivery(sending, await deliveryOf(sending, next!.id))).toMatchObject({
    status: 'delivered',
  })
})
