import { Pool } from 'pg'
import { describe, expect, it } from 'vitest'
import { Postrider } from '../src/index.ts'
import { createEmptyDatabase, createTestDatabase } from './support/database.ts'
import { Receiver } from './support/receiver.ts'
import { encryptionKeys, startPostrider } from './support/running.ts'
import { Webhook } from 'standardwebhooks'

const local = { allowHttp: true, allowPrivate: ['127.0.0.0/8'], encryptionKeys }

describe('Postrider in an application', () => {
  it('runs whole on the pool of the application, which stays open', async () => {
    const { connectionString } = await createEmptyDatabase()
    const pool = new Pool({ connectionString, max: 6 })
    await using receiver = await Receiver.start()
    const postrider = new Postrider({ pool, ...local })
    await postrider.migrate()
    await postrider.start()
    const project = await postrider.projects.create({ name: 'shop' })
    const webhook = await postrider.webhooks.create(project.id, {
      name: 'billing',
      url: receiver.url,
      headers: { 'x-token': 'hidden' },
    })
    const published = await postrider.publish({
      projectId: project.id,
      type: 'order.paid',
      data: { order: 1 },
    })
    expect(published).toMatchObject({ deliveries: 1, duplicate: false })
    const [request] = await receiver.waitFor(1)
    new Webhook(webhook.secret!).verify(request!.body, request!.headers as Record<string, string>)
    expect(request!.headers['x-token']).toBe('hidden')
    const list = () => postrider.deliveries.list(project.id, { event_id: published.id })
    await expect.poll(async () => (await list()).rows[0]?.status).toBe('delivered')
    const [delivery] = (await list()).rows
    const [attempt] = await postrider.deliveries.attempts(project.id, delivery!.id)
    expect(attempt).toMatchObject({
      attempt: 1,
      outcome: 'delivered',
      request_headers: { 'x-token': '[redacted]' },
    })
    await postrider.stop()
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await pool.end()
  })

  it.each<[options: object, says: string]>([
    [{ connectionString: undefined }, 'give a pool or a connectionString'],
    [{ pool: undefined }, 'give a pool or a connectionString'],
    [{ retentionDays: Number(undefined) }, 'retentionDays must be a whole number from 1 to 3650'],
    [{ retentionDays: -1 }, 'retentionDays must be a whole number from 1 to 3650'],
    [{ leaseSeconds: 4 }, 'leaseSeconds must be a whole number from 5 to 300'],
    [{ timeoutMs: 15_001 }, 'timeoutMs must be a whole number from 1000 to 15000'],
    [{ concurrency: 1.5 }, 'concurrency must be a whole number from 1 to 1000'],
    [{ pollMs: 0 }, 'pollMs must be a whole number from 10 to 60000'],
  ])('refuses options that types do not: %j', (options, says) => {
    expect(() => new Postrider({ connectionString: 'postgresql://127.0.0.1:1/none', ...options })).toThrow(
      says,
    )
  })

  it('answers with a code where an id is none, or a status', async () => {
    await using running = await startPostrider()
    const { postrider } = running
    const project = await postrider.projects.create({ name: 'shop' })
    const calls = [
      () => postrider.webhooks.get(project.id, 'none'),
      () => postrider.webhooks.list('none'),
      () => postrider.inProject(project.id).deliveries.get(project.id, 'none'),
      () => postrider.deliveries.list(project.id, { status: 'lost' as 'failed' }),
      () => postrider.deliveries.retry(project.id, 'none'),
    ]
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'validation_failed' })
  })

  it('says what is missing of an event, and of what answers no rows', async () => {
    await using running = await startPostrider()
    const { postrider } = running
    const project = await postrider.projects.create({ name: 'shop' })
    const event = { projectId: project.id, type: 'order.paid', data: {} }
    const without = { ...event, projectId: undefined } as unknown as typeof event
    await expect(postrider.publish(without)).rejects.toMatchObject({ message: 'projectId is missing' })
    await expect(postrider.publishMany([without])).rejects.toMatchObject({
      message: 'events[0].projectId is missing',
    })
    const silent = { query: () => Promise.resolve({ rows: [] }) }
    await expect(postrider.publish(event, { transaction: silent })).rejects.toMatchObject({
      code: 'validation_failed',
      message: 'transaction must answer a query with its { rows }',
    })
  })

  it('says what is missing where the schema was never made', async () => {
    const { connectionString } = await createEmptyDatabase()
    const postrider = new Postrider({ connectionString, ...local })
    const event = { projectId: crypto.randomUUID(), type: 'order.paid', data: 1 }
    await expect(postrider.publish(event)).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('migrate()'),
    })
    await postrider.stop()
  })

  it('publishes in the transaction of the application', async () => {
    await using running = await startPostrider()
    const { postrider } = running
    const project = await postrider.projects.create({ name: 'shop' })
    const pool = new Pool({ connectionString: running.connectionString })
    const client = await pool.connect()
    const event = { projectId: project.id, type: 'order.paid', data: {} }
    await client.query('BEGIN')
    const [first, second] = [
      await postrider.publish(event, { transaction: client }),
      ...(await postrider.publishMany([event], { transaction: client })),
    ]
    await client.query('ROLLBACK')
    for (const { id } of [first, second!]) {
      await expect(postrider.events.get(project.id, id)).rejects.toMatchObject({ code: 'not_found' })
    }
    await client.query('BEGIN')
    const { id } = await postrider.publish(event, { transaction: client })
    await client.query('COMMIT')
    expect(await postrider.events.get(project.id, id)).toMatchObject({ id, type: 'order.paid' })
    client.release()
    await pool.end()
  })

  it('signs with both secrets during an overlap, and a receiver with either accepts', async () => {
    await using receiver = await Receiver.start()
    await using running = await startPostrider()
    const { postrider } = running
    const project = await postrider.projects.create({ name: 'shop' })
    const webhook = await postrider.webhooks.create(project.id, { name: 'w', url: receiver.url })
    const { secret } = await postrider.webhooks.regenerateSecret(project.id, webhook.id, {})
    await postrider.publish({ projectId: project.id, type: 'a', data: {} })
    const [request] = await receiver.waitFor(1)
    for (const each of [webhook.secret, secret]) {
      new Webhook(each!).verify(request!.body, request!.headers as Record<string, string>)
    }
    await postrider.webhooks.regenerateSecret(project.id, webhook.id, { overlap_seconds: 0 })
    await postrider.publish({ projectId: project.id, type: 'a', data: {} })
    const [, later] = await receiver.waitFor(2)
    expect(() => new Webhook(secret!).verify(later!.body, later!.headers as Record<string, string>)).toThrow(
      'No matching signature',
    )
  })

  it('tests a webhook now, also an inactive one and a draft, and stores nothing of it', async () => {
    await using receiver = await Receiver.start()
    await using running = await startPostrider()
    const { postrider } = running
    const project = await postrider.projects.create({ name: 'shop' })
    const webhook = await postrider.webhooks.create(project.id, {
      name: 'w',
      url: receiver.url,
      is_active: false,
    })
    expect(
      await postrider.webhookTests.send(project.id, webhook.id, {
        type: 'order.paid',
        data: '{"n":12345678901234567890}',
      }),
    ).toMatchObject({
      success: true,
      response_status: 204,
    })
    const [request] = await receiver.waitFor(1)
    new Webhook(webhook.secret!).verify(request!.body, request!.headers as Record<string, string>)
    expect(request!.body).toContain('12345678901234567890')
    receiver.answer = () => ({ status: 418 })
    expect(await postrider.webhookTests.sendDraft(project.id, { url: receiver.url })).toMatchObject({
      success: false,
      response_status: 418,
      error: 'http 418',
    })
    await receiver.close()
    expect(await postrider.webhookTests.send(project.id, webhook.id)).toMatchObject({
      success: false,
      response_status: null,
      error: 'connection refused',
    })
    expect((await postrider.events.list(project.id)).rows).toEqual([])
    expect((await postrider.deliveries.list(project.id)).rows).toEqual([])
  })

  it('refuses to start without a key that stored secrets need', async () => {
    const { connectionString } = await createTestDatabase()
    const first = new Postrider({ connectionString, ...local })
    const project = await first.projects.create({ name: 'shop' })
    await first.webhooks.create(project.id, { name: 'w', url: 'https://example.com/' })
    await first.stop()
    const other = new Postrider({
      connectionString,
      encryptionKeys: [{ id: 'other', key: Buffer.alloc(32) }],
    })
    await expect(other.start()).rejects.toThrow('"test"')
    await other.stop()
    const namesake = new Postrider({
      connectionString,
      encryptionKeys: [{ id: 'test', key: Buffer.alloc(32) }],
    })
    await expect(namesake.start()).rejects.toThrow('it is not the key that the secret was stored with')
    await namesake.stop()
    const both = new Postrider({
      connectionString,
      encryptionKeys: [{ id: 'other', key: Buffer.alloc(32) }, ...encryptionKeys],
    })
    await both.start()
    await both.stop()
  })

  it('encrypts at the start what was stored in the clear, and still signs with it', async () => {
    const { database, connectionString } = await createTestDatabase()
    await using receiver = await Receiver.start()
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
    const { rows } = await database.query<{ project_id: string }>(
      `WITH project AS (INSERT INTO postrider.projects (name) VALUES ('old') RETURNING id)
       INSERT INTO postrider.webhooks (project_id, name, url, secret, headers)
       SELECT id, 'old', $1::text, $2::text, '{"x-token": "clear"}' FROM project
       RETURNING project_id`,
      [receiver.url, secret],
    )
    const postrider = new Postrider({ connectionString, ...local })
    await postrider.start()
    const stored = await database.query<{ text: string }>(
      `SELECT webhook::text AS text FROM postrider.webhooks AS webhook`,
    )
    expect(stored.rows[0]!.text).not.toMatch(/MfKQ9r8G|clear/)
    await postrider.publish({ projectId: rows[0]!.project_id, type: 'a', data: {} })
    const [request] = await receiver.waitFor(1)
    expect(request!.headers['x-token']).toBe('clear')
    new Webhook(secret).verify(request!.body, request!.headers as Record<string, string>)
    await postrider.stop()
  })

  it('tells Prometheus what was published, delivered and is waiting', async () => {
    await using receiver = await Receiver.start({ answer: () => ({ status: 500 }) })
    await using running = await startPostrider()
    const { postrider } = running
    const project = await postrider.projects.create({ name: 'shop' })
    await postrider.webhooks.create(project.id, { name: 'w', url: receiver.url })
    await postrider.publish({ projectId: project.id, type: 'a', data: {} })
    await expect
      .poll(async () => (await postrider.metrics.text()).body)
      .toContain('postrider_attempts_total{outcome="retry"} 1')
    const { body } = await postrider.metrics.text()
    expect(body).toContain('postrider_events_published_total{result="new"} 1')
    expect(body).toContain('postrider_attempt_duration_seconds_count 1')
    expect(body).toMatch(/postrider_backlog_deliveries [01]\n/)
    expect(body).toMatch(/postrider_oldest_due_seconds \d/)
  })

  it('goes on delivering, and answers, while somebody holds an event id open', async () => {
    await using receiver = await Receiver.start()
    await using running = await startPostrider()
    const { postrider } = running
    const project = await postrider.projects.create({ name: 'shop' })
    await postrider.webhooks.create(project.id, { name: 'w', url: receiver.url })
    const pool = new Pool({ connectionString: running.connectionString })
    const client = await pool.connect()
    await client.query('BEGIN')
    const event = { projectId: project.id, type: 'a', data: {}, id: crypto.randomUUID() }
    await postrider.publish(event, { transaction: client })
    const blocked = Array.from({ length: 12 }, () =>
      postrider.publish(event).catch((error: unknown) => error),
    )
    await client.query(`SELECT postrider.publish($1::uuid, 'a', '1')`, [project.id])
    const other = await pool.query<{ id: string }>(`SELECT (postrider.publish($1::uuid, 'a', '2')).id`, [
      project.id,
    ])
    const [request] = await receiver.waitFor(1)
    expect(request!.headers['webhook-id']).toBe(other.rows[0]!.id)
    // Whoever waited too long is told so, and the others get through.
    for (const answer of await Promise.all(blocked)) expect(answer).toMatchObject({ code: '55P03' })
    expect(await postrider.projects.get(project.id)).toMatchObject({ name: 'shop' })
    await client.query('ROLLBACK')
    client.release()
    await pool.end()
  }, 40_000)

  it('start and stop may come in any order and number', async () => {
    const { connectionString } = await createTestDatabase()
    const postrider = new Postrider({ connectionString, ...local })
    await Promise.all([postrider.start(), postrider.start(), postrider.stop(), postrider.stop()])
    await postrider.stop()
  })
})
