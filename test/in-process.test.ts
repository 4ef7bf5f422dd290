import { Pool } from 'pg'
import { expect, it } from 'vitest'
import { Postrider } from '../src/index.ts'
import { createTestDatabase } from './support/database.ts'
import { Receiver } from './support/receiver.ts'
import { encryptionKeys } from './support/running.ts'

function eventually(get: () => unknown) {
  return expect.poll(get, { timeout: 15_000 })
}

it('an application does everything of a project in its own process, on its own pool', async () => {
  const { connectionString } = await createTestDatabase()
  const pool = new Pool({ connectionString, max: 5 }).on('error', () => {})
  await using receiver = await Receiver.start({ answer: () => ({ status: 500 }) })
  const postrider = new Postrider({ pool, encryptionKeys, allowHttp: true, allowPrivate: ['127.0.0.0/8'] })
  await postrider.start()

  const { id: projectId } = await postrider.projects.create({ name: 'shop' })
  expect(await postrider.projects.update(projectId, { name: 'Shop' })).toMatchObject({ name: 'Shop' })
  expect((await postrider.projects.list()).rows).toMatchObject([{ id: projectId }])
  const application = await postrider.applications.create(projectId, { name: 'checkout' })
  expect(await postrider.applications.get(projectId, application.id)).toEqual(application)
  expect((await postrider.applications.list(projectId)).rows).toEqual([application])
  const { id: keyId, key } = await postrider.apiKeys.create(projectId, { name: 'ci', role: 'view' })
  expect(await postrider.apiKeys.authenticate(key)).toMatchObject({ project_id: projectId, role: 'view' })
  expect((await postrider.apiKeys.list(projectId)).rows).toMatchObject([{ id: keyId }])
  await postrider.apiKeys.delete(projectId, keyId)
  expect(await postrider.apiKeys.authenticate(key)).toBeUndefined()

  const { webhooks, deliveries, events } = postrider
  const { id: webhookId } = await webhooks.create(projectId, { name: 'w', url: receiver.url })
  expect(await webhooks.update(projectId, webhookId, { name: 'Billing' })).toMatchObject({ name: 'Billing' })
  expect(await webhooks.get(projectId, webhookId)).toMatchObject({ name: 'Billing', is_active: true })
  expect((await webhooks.list(projectId)).rows).toHaveLength(1)
  expect((await webhooks.regenerateSecret(projectId, webhookId)).secret).toMatch(/^whsec_/)
  expect(await postrider.webhookTests.send(projectId, webhookId)).toMatchObject({ success: false })
  expect(await postrider.webhookTests.sendDraft(projectId, { url: receiver.url })).toMatchObject({
    response_status: 500,
  })

  const [first, second] = await postrider.publishMany([
    { projectId, type: 'order.paid', data: { order: 1 } },
    { projectId, type: 'order.paid', data: { order: 2 } },
  ])
  await receiver.waitFor(4)
  const deliveryOf = async ({ id }: { id: string }) =>
    (await deliveries.list(projectId, { event_id: id })).rows[0]!
  await eventually(async () => (await deliveryOf(first!)).attempts).toBe(1)
  await eventually(async () => (await deliveryOf(second!)).attempts).toBe(1)
  expect((await events.list(projectId, { type: 'order.paid' })).rows).toHaveLength(2)
  expect(await events.get(projectId, first!.id)).toMatchObject({ deliveries: [{ last_error: 'http 500' }] })

  receiver.answer = () => ({ status: 204 })
  const { id: firstId } = await deliveryOf(first!)
  await deliveries.retry(projectId, firstId)
  await eventually(async () => (await deliveries.get(projectId, firstId)).status).toBe('delivered')
  expect(await deliveries.attempts(projectId, firstId)).toHaveLength(2)
  const { id: secondId } = await deliveryOf(second!)
  expect(await deliveries.cancel(projectId, secondId)).toMatchObject({ last_error: 'cancelled' })
  const since = new Date(Date.now() - 60_000)
  expect(await postrider.replays.create(projectId, webhookId, { since })).toMatchObject({ count: 1 })
  await eventually(async () => (await deliveries.get(projectId, secondId)).status).toBe('delivered')
  expect(
    await postrider.jobs.create(projectId, { kind: 'retry', filter: { status: 'delivered' }, dry_run: true }),
  ).toMatchObject({ count: 2 })
  expect((await postrider.jobs.list(projectId)).rows).toEqual([])

  expect(await postrider.statistics.ofProject(projectId)).toMatchObject({
    totals: { delivered: 2, retry: 2 },
  })
  expect(await postrider.statistics.ofWebhook(projectId, webhookId)).toMatchObject({
    totals: { delivered: 2, retry: 2 },
  })
  expect(await postrider.inProject(projectId).search(projectId, 'Bill')).toMatchObject({
    webhooks: [{ id: webhookId }],
  })
  expect((await postrider.auditLog.list(projectId)).rows.length).toBeGreaterThan(5)
  expect(await postrider.maintenance.retryStuck()).toBe(0)
  expect(await postrider.maintenance.cleanup(1)).toBe(0)
  expect(await postrider.ready()).toEqual({ database: true, migrated: true })
  await webhooks.delete(projectId, webhookId)
  await postrider.projects.delete(projectId)

  // The pool is the application's again: no connection of it is kept, listens, or is somebody else.
  await postrider.stop()
  expect(pool.totalCount - pool.idleCount).toBe(0)
  const clients = await Promise.all(Array.from({ length: 5 }, () => pool.connect()))
  for (const client of clients) {
    const { rows } = await client.query(
      `SELECT current_user = session_user AS is_itself, ARRAY(SELECT pg_listening_channels()) AS channels`,
    )
    expect(rows).toEqual([{ is_itself: true, channels: [] }])
    client.release()
  }
  await pool.end()
})
