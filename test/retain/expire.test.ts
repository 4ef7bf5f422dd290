import { expect, it } from 'vitest'
import { takeTurn } from '../../src/database/turn.ts'
import { publish } from '../../src/publish/publish.ts'
import { expire } from '../../src/retain/expire.ts'
import { createTestDatabase } from '../support/database.ts'
import { deliveryOf } from '../support/engine.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

const { database } = await createTestDatabase()

const now = new Date()
const cutoff = new Date(now.getTime() - 30 * 86_400_000)

async function count(table: string): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    `SELECT COUNT(*)::integer AS count FROM postrider.${table}`,
  )
  return rows[0]!.count
}

it('deletes delivered and failed deliveries of that age with their attempts and events, and nothing else', async () => {
  const projectId = await insertProject(database)
  await insertWebhook(database, { projectId, eventTypes: ['matched'] })
  const kept: string[] = []
  for (const status of ['delivered', 'failed', 'pending', 'delivering']) {
    for (const [age, isOld] of [
      ['31 days', true],
      ['29 days', false],
    ] as const) {
      const { id } = await publish(database, { projectId, type: 'matched', data: { status, age } })
      const deliveryId = await deliveryOf(database, id)
      const isDelivering = status === 'delivering'
      await database.query(
        `UPDATE postrider.webhook_deliveries
         SET status = $2::postrider.webhook_delivery_status,
             created_at = $3::timestamptz - $4::interval,
             delivered_at = CASE WHEN $2 = 'delivered' THEN $3::timestamptz END
         WHERE id = $1::uuid`,
        [deliveryId, status, now, age],
      )
      await database.query(
        `UPDATE postrider.events SET created_at = $2::timestamptz - $3::interval WHERE id = $1::uuid`,
        [id, now, age],
      )
      await database.query(
        `INSERT INTO postrider.webhook_delivery_attempts (delivery_id, attempt, started_at, outcome)
         VALUES ($1::uuid, 1, now(), 'retry')`,
        [deliveryId],
      )
      if (!isOld || status === 'pending' || isDelivering) kept.push(deliveryId)
    }
  }
  const { id: unmatched } = await publish(database, { projectId, type: 'unmatched', data: {} })
  await database.query(
    `UPDATE postrider.events SET created_at = $2::timestamptz - interval '31 days' WHERE id = $1::uuid`,
    [unmatched, now],
  )

  expect(await expire(database, cutoff)).toEqual({ deliveries: 2, events: 3 })
  const { rows } = await database.query<{ id: string }>(`SELECT id FROM postrider.webhook_deliveries`)
  expect(new Set(rows.map(({ id }) => id))).toEqual(new Set(kept))
  for (const table of ['webhook_delivery_attempts', 'events']) expect(await count(table)).toBe(6)
})

it('is safe when several do it at once, over many batches', async () => {
  const projectId = await insertProject(database)
  const webhookId = await insertWebhook(database, { projectId })
  await database.query(
    `INSERT INTO postrider.webhook_deliveries (webhook_id, event_id, event_type, payload, status, created_at)
     SELECT $1::uuid, gen_random_uuid(), 'a', '{}', 'failed', $2::timestamptz - interval '1 day'
     FROM generate_series(1, 5000)`,
    [webhookId, cutoff],
  )
  const done = await Promise.all([1, 2, 3].map(() => expire(database, cutoff)))
  expect(done.reduce((sum, { deliveries }) => sum + deliveries, 0)).toBe(5_000)
})

it('a turn is taken by one of many, and again when its time has come', async () => {
  const take = (at: Date) =>
    Promise.all(Array.from({ length: 8 }, () => takeTurn(database, 'test', { now: at, everySeconds: 60 })))
  expect((await take(now)).filter(Boolean)).toHaveLength(1)
  expect((await take(new Date(now.getTime() + 59_000))).filter(Boolean)).toHaveLength(0)
  expect((await take(new Date(now.getTime() + 60_000))).filter(Boolean)).toHaveLength(1)
})
