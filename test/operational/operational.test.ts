import { describe, expect, it } from 'vitest'
import { announceFailing, disableFailing } from '../../src/deliver/failing.ts'
import { noteHighBacklogs } from '../../src/operational/backlog.ts'
import { tellSignals } from '../../src/operational/tell.ts'
import { publish, publishMany } from '../../src/publish/publish.ts'
import { sampleBacklog } from '../../src/statistics/backlog.ts'
import { createTestDatabase } from '../support/database.ts'
import { validatorOf } from '../support/openapi.ts'
import { insertApplication, insertProject, insertWebhook, type WebhookSeed } from '../support/seed.ts'

const { database } = await createTestDatabase()

async function project({ listens = true, ...seed }: { listens?: boolean } & Partial<WebhookSeed> = {}) {
  const projectId = await insertProject(database)
  const webhookId = await insertWebhook(database, { projectId, ...seed })
  const operationalId = listens ? await insertOperational({ projectId }) : ''
  return { projectId, webhookId, operationalId }
}

async function insertOperational(seed: WebhookSeed): Promise<string> {
  const id = await insertWebhook(database, seed)
  await database.query('UPDATE postrider.webhooks SET operational = true WHERE id = $1::uuid', [id])
  return id
}

async function set(webhookId: string, changes: string): Promise<void> {
  await database.query(`UPDATE postrider.webhooks SET ${changes} WHERE id = $1::uuid`, [webhookId])
}

interface Told {
  id: string
  type: string
  payload: { type: string; application_id?: string; data: Record<string, unknown> }
  webhook_ids: string[]
}

/** What a project was told since the last time that this was asked. */
async function told(projectId: string): Promise<Told[]> {
  while (await tellSignals(database));
  const { rows } = await database.query<Told>(
    `WITH told AS (
       SELECT event.id, event.type, event.payload
       FROM postrider.events AS event
       WHERE event.project_id = $1::uuid
         AND event.operational
         AND NOT EXISTS (SELECT FROM seen WHERE seen.id = event.id)
     ),
     noted AS (
       INSERT INTO seen (id)
       SELECT told.id
       FROM told
     )
     SELECT told.id, told.type, told.payload::jsonb AS payload, ARRAY(
       SELECT delivery.webhook_id
       FROM postrider.deliveries AS delivery
       WHERE delivery.event_id = told.id
     ) AS webhook_ids
     FROM told
     ORDER BY told.id`,
    [projectId],
  )
  for (const { payload } of rows) expect(validatorOf(shapeOfTold).Errors(payload)[1]).toEqual([])
  return rows
}

const shapeOfTold = {
  $ref: '#/components/schemas/OperationalPayload',
}
await database.query('CREATE TABLE seen (id uuid PRIMARY KEY)')

async function fail(deliveryId: string, error = 'http 500'): Promise<void> {
  await database.query(
    `UPDATE postrider.deliveries
     SET status = 'failed', attempts = max_attempts, last_error = $2::text
     WHERE id = $1::uuid`,
    [deliveryId, error],
  )
}

async function deliveriesOf(webhookId: string): Promise<string[]> {
  const { rows } = await database.query<{ id: string }>(
    'SELECT id FROM postrider.deliveries WHERE webhook_id = $1::uuid ORDER BY id',
    [webhookId],
  )
  return rows.map(({ id }) => id)
}

describe('which events an operational webhook gets', () => {
  it('is those of Postrider alone, and all others never get those, whatever they ask for', async () => {
    const { projectId, webhookId, operationalId } = await project()
    const namedId = await insertWebhook(database, {
      projectId,
      eventTypes: ['webhook.disabled', 'webhook.*'],
    })
    await publish(database, { projectId, type: 'webhook.disabled', data: 'of a customer' })
    expect(await deliveriesOf(webhookId)).toHaveLength(1)
    expect(await deliveriesOf(namedId)).toHaveLength(1)
    expect(await deliveriesOf(operationalId)).toHaveLength(0)

    const goneId = await insertWebhook(database, { projectId, isActive: true })
    await set(goneId, `is_active = false, disabled_reason = 'gone'`)
    expect(await told(projectId)).toMatchObject([{ type: 'webhook.disabled', webhook_ids: [operationalId] }])
    expect(await deliveriesOf(webhookId)).toHaveLength(1)
    expect(await deliveriesOf(namedId)).toHaveLength(1)
  })

  it('is those that it names, and of one application if it is for that', async () => {
    const { projectId, operationalId } = await project()
    const applicationId = await insertApplication(database, projectId)
    const failuresId = await insertOperational({ projectId, eventTypes: ['delivery.failed'] })
    const ofOneId = await insertOperational({ projectId, applicationId })
    const webhookId = await insertWebhook(database, { projectId, applicationId })
    const otherId = await insertWebhook(database, { projectId })
    await set(webhookId, 'is_active = false')
    const [first] = await told(projectId)
    expect(first!.payload).toMatchObject({ application_id: applicationId, data: { reason: 'by_hand' } })
    expect(new Set(first!.webhook_ids)).toEqual(new Set([operationalId, ofOneId]))
    await set(otherId, 'is_active = false')
    expect((await told(projectId))[0]!.webhook_ids).toEqual([operationalId])
    expect(await deliveriesOf(failuresId)).toEqual([])
  })

  it('is nothing where nobody listens: nothing is noted', async () => {
    const { projectId, webhookId } = await project({ listens: false })
    const inactiveId = await insertOperational({ projectId })
    await set(inactiveId, 'is_active = false')
    await publish(database, { projectId, type: 'a.b', data: 1 })
    await fail((await deliveriesOf(webhookId))[0]!)
    await set(webhookId, 'is_active = false')
    const { rows } = await database.query('SELECT FROM postrider.signals WHERE project_id = $1::uuid', [
      projectId,
    ])
    expect(rows).toEqual([])
  })
})

describe('what is told', () => {
  it.each([
    [`is_active = false, disabled_reason = 'gone'`, 'gone'],
    [`is_active = false, disabled_reason = 'failing'`, 'failing'],
    ['is_active = false', 'by_hand'],
  ])('of a webhook that becomes inactive: %s', async (changes, reason) => {
    const { projectId, webhookId } = await project()
    await set(webhookId, changes)
    expect(await told(projectId)).toMatchObject([
      {
        type: 'webhook.disabled',
        payload: { data: { webhook_id: webhookId, webhook_name: 'webhook', reason, failing_since: null } },
      },
    ])
    await set(webhookId, 'is_active = true, disabled_reason = NULL')
    expect(await told(projectId)).toEqual([])
  })

  it('of a webhook whose environment no event can have, which the event then does not name', async () => {
    for (const name of ['', 'a\tb']) {
      const { projectId, webhookId } = await project()
      await database.query('UPDATE postrider.webhooks SET environment_name = $2::text WHERE id = $1::uuid', [
        webhookId,
        name,
      ])
      await set(webhookId, 'is_active = false')
      const [event] = await told(projectId)
      expect(event).toMatchObject({ type: 'webhook.disabled' })
      expect(event!.payload).not.toHaveProperty('environment_name')
    }
  })

  it('of a delivery whose error is longer than an event may be, which is cut off', async () => {
    const { projectId, webhookId } = await project()
    await publish(database, { projectId, type: 'a.b', data: null })
    const [deliveryId] = await deliveriesOf(webhookId)
    await fail(deliveryId!, 'x'.repeat(300_000))
    expect(await told(projectId)).toMatchObject([
      { type: 'delivery.failed', payload: { data: { delivery_id: deliveryId, error: 'x'.repeat(1_000) } } },
    ])
  })

  it('of a webhook whose application was deleted, which the event then does not name', async () => {
    const { projectId } = await project()
    const applicationId = await insertApplication(database, projectId)
    await insertWebhook(database, { projectId, applicationId })
    await database.query('DELETE FROM postrider.applications WHERE id = $1::uuid', [applicationId])
    const [event] = await told(projectId)
    expect(event!.payload.data).toMatchObject({ reason: 'application_deleted' })
    expect(event!.payload.application_id).toBeUndefined()
  })

  it('of a webhook that fails: at half of the way, at three quarters, and at its end', async () => {
    const { projectId, webhookId } = await project()
    await database.query(
      `INSERT INTO postrider.failing_webhooks (webhook_id, project_id, since, last_failed_at)
       VALUES ($1::uuid, $2::uuid, '2026-11-24T09:00:00Z', '2026-11-25T09:00:00Z')`,
      [webhookId, projectId],
    )
    const ends: Told['payload']['data'][] = []
    for (const now of ['2026-11-26T21:00:00Z', '2026-11-28T03:00:00Z', '2026-11-29T09:00:00Z']) {
      await announceFailing(database, { now: new Date(now), days: 5 })
      await disableFailing(database, { now: new Date(now), days: 5 })
      ends.push(...(await told(projectId)).map(({ type, payload }) => ({ type, ...payload.data })))
    }
    const failing = { failing_since: '2026-11-24T09:00:00.000Z', disables_at: '2026-11-29T09:00:00.000Z' }
    expect(ends).toMatchObject([
      { type: 'webhook.failing', percent: 50, ...failing },
      { type: 'webhook.failing', percent: 75, ...failing },
      { type: 'webhook.disabled', reason: 'failing', failing_since: '2026-11-24T09:00:00.000Z' },
    ])
  })

  it('of deliveries that fail, one by one, unless they were cancelled', async () => {
    const { projectId, webhookId } = await project()
    await publishMany(
      database,
      [1, 2, 3].map((data) => ({ projectId, type: 'a.b', data })),
    )
    const [first, second, third] = await deliveriesOf(webhookId)
    await fail(first!)
    await fail(second!, 'cancelled')
    await fail(third!, 'endpoint down: connection refused')
    expect((await told(projectId)).map(({ payload }) => payload.data)).toMatchObject([
      {
        webhook_id: webhookId,
        delivery_id: first,
        event_type: 'a.b',
        attempts: 6,
        error: 'http 500',
        response_status: null,
      },
      { delivery_id: third, error: 'endpoint down: connection refused' },
    ])
    // Tried again by hand, it may fail once more.
    await database.query(
      `UPDATE postrider.deliveries SET status = 'pending', max_attempts = 12 WHERE id = $1::uuid`,
      [first],
    )
    expect(await told(projectId)).toEqual([])
    await fail(first!)
    expect(await told(projectId)).toHaveLength(1)
  })

  it('once, under an id of its own, however many tell it at the same time', async () => {
    const { projectId, webhookId, operationalId } = await project()
    await publishMany(
      database,
      Array.from({ length: 20 }, (_, data) => ({ projectId, type: 'a.b', data })),
    )
    for (const id of await deliveriesOf(webhookId)) await fail(id)
    await Promise.all(Array.from({ length: 4 }, () => tellSignals(database)))
    expect(await told(projectId)).toHaveLength(20)
    expect(await deliveriesOf(operationalId)).toHaveLength(20)
  })

  it('of a backlog, when it has become high, and again after it was low', async () => {
    const { projectId, webhookId } = await project()
    const publishSome = (count: number) =>
      publishMany(
        database,
        Array.from({ length: count }, (_, data) => ({ projectId, type: 'a.b', data })),
      )
    let now = new Date()
    const look = async (): Promise<number> => {
      now = new Date(now.getTime() + 60_000)
      await sampleBacklog(database, now)
      return (await noteHighBacklogs(database, { now, threshold: 10 })).filter((id) => id === projectId)
        .length
    }
    const unqueue = (count: number) =>
      database.query(
        `DELETE FROM postrider.delivery_queue
         WHERE ctid = ANY(ARRAY(
           SELECT ctid FROM postrider.delivery_queue WHERE webhook_id = $1::uuid LIMIT $2::integer
         ))`,
        [webhookId, count],
      )
    await publishSome(9)
    expect(await look()).toBe(0)
    await publishSome(1)
    expect(await look()).toBe(1)
    expect((await told(projectId)).map(({ payload }) => payload.data)).toMatchObject([
      { backlog: 10, threshold: 10, webhooks: [{ webhook_id: webhookId, backlog: 10 }] },
    ])
    await unqueue(5)
    expect(await look()).toBe(0)
    await publishSome(5)
    expect(await look()).toBe(0)
    await unqueue(6)
    expect(await look()).toBe(0)
    await publishSome(6)
    expect(await look()).toBe(1)
    expect(await told(projectId)).toHaveLength(1)
  })
})

describe('operational events never cause themselves', () => {
  it('neither by a delivery that fails, nor by a webhook that becomes inactive, nor by a backlog', async () => {
    const { projectId, webhookId, operationalId } = await project()
    const otherId = await insertOperational({ projectId })
    await set(webhookId, 'is_active = false')
    expect(await told(projectId)).toHaveLength(1)
    await fail((await deliveriesOf(operationalId))[0]!)
    await set(operationalId, `is_active = false, disabled_reason = 'gone'`)
    const now = new Date(Date.now() + 600_000)
    await sampleBacklog(database, now)
    await noteHighBacklogs(database, { now, threshold: 1 })
    expect(await told(projectId)).toEqual([])
    expect(await deliveriesOf(otherId)).toHaveLength(1)
  })

  it('nor does a project that is deleted leave anything to be told', async () => {
    const { projectId } = await project()
    const applicationId = await insertApplication(database, projectId)
    await insertWebhook(database, { projectId, applicationId })
    await database.query('DELETE FROM postrider.projects WHERE id = $1::uuid', [projectId])
    expect(await told(projectId)).toEqual([])
    const { rows } = await database.query('SELECT FROM postrider.signals')
    expect(rows).toEqual([])
  })
})
