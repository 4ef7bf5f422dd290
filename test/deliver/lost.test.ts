import { expect, test } from 'vitest'
import { LostDeliveries, requeueLost } from '../../src/deliver/lost.ts'
import { createTestDatabase } from '../support/database.ts'

const { database } = await createTestDatabase()

test('a delivery that stands nowhere is found by looking a little at a time, and those in their places are left', async () => {
  const { rows } = await database.query<{ id: string }>(
    `INSERT INTO postrider.projects (name) VALUES ('shop') RETURNING id`,
  )
  const projectId = rows[0]!.id
  await database.query(
    `INSERT INTO postrider.webhooks (project_id, name, url, event_types, secret, ordered)
     VALUES
       ($1::uuid, 'usual', 'https://example.com/', '["*"]', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', false),
       ($1::uuid, 'ordered', 'https://example.com/', '["*"]', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', true)`,
    [projectId],
  )
  // To the ordered one goes one delivery, and three wait in its line.
  await database.query(`SELECT postrider.publish($1::uuid, 'order.paid', '{}') FROM generate_series(1, 4)`, [
    projectId,
  ])
  const { rows: usual } = await database.query<{ id: string }>(
    `SELECT delivery.id
     FROM postrider.deliveries AS delivery
     JOIN postrider.webhooks AS webhook ON webhook.id = delivery.webhook_id AND webhook.name = 'usual'
     ORDER BY delivery.id`,
  )
  const [lost, scheduled, claimed] = usual.map(({ id }) => id)
  await database.query(`DELETE FROM postrider.delivery_queue WHERE delivery_id = ANY($1::uuid[])`, [
    [lost, scheduled, claimed],
  ])
  await database.query(
    `INSERT INTO postrider.delivery_schedule (scheduled_at, delivery_id, webhook_id)
     SELECT scheduled_at, id, webhook_id FROM postrider.deliveries WHERE id = $1::uuid`,
    [scheduled],
  )
  await database.query(
    `INSERT INTO postrider.workers (id, started_at, lease_until, in_flight, in_flight_attempts, in_flight_since)
     VALUES ($2::uuid, now(), now() + interval '1 minute', ARRAY[$1::uuid], ARRAY[1], ARRAY[now()])`,
    [claimed, projectId],
  )
  const search = new LostDeliveries(database, 0)
  expect(await new LostDeliveries(database).lookOn(new AbortController().signal)).toBe(0)
  expect(await search.lookOn(AbortSignal.abort())).toBe(0)
  expect(await search.lookOn(new AbortController().signal)).toBe(1)
  const { rows: waiting } = await database.query<{ delivery_id: string }>(
    `SELECT delivery_id FROM postrider.delivery_schedule ORDER BY delivery_id`,
  )
  expect(waiting.map(({ delivery_id }) => delivery_id)).toEqual([lost, scheduled])
  expect(await requeueLost(database)).toBe(0)
})
