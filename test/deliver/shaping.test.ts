import { describe, expect, it } from 'vitest'
import type { Database } from '../../src/database/database.ts'
import { attemptNumber, claim, firstWebhookId } from '../../src/deliver/claim.ts'
import { getDelivery, retryDelivery } from '../../src/deliver/deliveries.ts'
import { filteredOf, listFiltered } from '../../src/deliver/filtered.ts'
import { stepJob } from '../../src/deliver/job-steps.ts'
import { createJob } from '../../src/deliver/jobs.ts'
import { Life } from '../../src/deliver/life.ts'
import { Recorder } from '../../src/deliver/record.ts'
import { requeueLost } from '../../src/deliver/lost.ts'
import { rescueExpired } from '../../src/deliver/rescue.ts'
import { silentLogger } from '../../src/log.ts'
import { publish, publishJson, publishMany } from '../../src/publish/publish.ts'
import { generateSecret } from '../../src/registry/secret.ts'
import { expire } from '../../src/retain/expire.ts'
import { verify } from '../../src/verify/verify.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { deliveryOf, storedAttempts, TestWorker } from '../support/engine.ts'
import { Receiver } from '../support/receiver.ts'
import { countRows } from '../support/rows.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

interface Shaping {
  template?: unknown
  filter?: string | null
  ordered?: boolean
}

/** A receiver, and a webhook to it with a shape of its own. */
async function subscribe(shaping: Shaping) {
  const { database } = await createTestDatabase()
  const receiver = await Receiver.start()
  const projectId = await insertProject(database)
  const secret = generateSecret()
  const webhookId = await insertWebhook(database, { projectId, url: receiver.url, secret })
  await reshape(database, webhookId, shaping)
  const publishOne = async (data: unknown, type = 'a'): Promise<string> =>
    (await publish(database, { projectId, type, data })).id
  // Ahead of what a test publishes, so that it is due.
  const clock = new MovedClock()
  clock.advance(60)
  return { database, receiver, projectId, secret, webhookId, publishOne, clock }
}

async function reshape(database: Database, webhookId: string, shaping: Shaping): Promise<void> {
  await database.query(
    `UPDATE postrider.webhooks
     SET payload_template = $2::json,
         filter = $3::text,
         ordered = $4::boolean
     WHERE id = $1::uuid`,
    [
      webhookId,
      shaping.template === undefined ? null : JSON.stringify(shaping.template),
      shaping.filter ?? null,
      shaping.ordered ?? false,
    ],
  )
}

/** A worker that claims all that is due and is never heard of again. */
async function claimAndVanish(database: Database, clock: MovedClock) {
  const life = new Life({ leaseSeconds: 15, clock })
  await life.begin(database)
  const claimed = await claim(database, {
    workerId: life.id,
    now: clock.now(),
    limit: 100,
    maxHeld: 100,
    limits: { held: new Map(), most: new Map() },
    finished: [],
    afterWebhookId: firstWebhookId,
  })
  return { life, claimed }
}

describe('a payload template', () => {
  it('makes the body that is signed and sent, numbers to the digit', async () => {
    const { database, receiver, projectId, secret, clock } = await subscribe({
      template: { event_type: '$.type', client_payload: '$.data', none: '$.environment_name' },
    })
    const data = '{"total":12345678901234567890.10,"list":[1.0,{"a":null}]}'
    await publishJson(database, { projectId, eventsJson: `[{"type":"order.paid","data":${data}}]` })
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    const [request] = await receiver.waitFor(1)
    expect(request!.body.replaceAll(' ', '')).toBe(
      '{"event_type":"order.paid","client_payload":{"list":[1.0,{"a":null}],"total":12345678901234567890.10},"none":null}',
    )
    const event = verify({ secret, headers: request!.headers, body: request!.rawBody })
    expect(event).toMatchObject({ event_type: 'order.paid' })
    expect(request!.headers['postrider-event']).toBe('order.paid')
    await receiver.close()
  })

  it('stays with a delivery as it was when its event was published: over tries, retries and changes', async () => {
    const { database, receiver, projectId, webhookId, publishOne, clock } = await subscribe({
      template: { old: '$.data' },
    })
    receiver.answer = () => ({ status: 500 })
    const eventId = await publishOne({ n: 1 })
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await worker.ended(1)
    await reshape(database, webhookId, { template: { new: '$.data' } })
    clock.advance(70)
    worker.wake()
    await worker.ended(2)
    await reshape(database, webhookId, {})
    receiver.answer = () => ({ status: 204 })
    clock.advance(400)
    worker.wake()
    await worker.ended(3)
    const id = await deliveryOf(database, eventId)
    await retryDelivery(database, { projectId, id }, { now: clock.now(), scheduleLength: 6 })
    worker.wake()
    await worker.ended(4)
    const bodies = receiver.requests.map(({ body }) => body)
    expect(bodies.slice(1)).toEqual([bodies[0], bodies[0], bodies[0]])
    expect(JSON.parse(bodies[0]!)).toEqual({ old: { n: 1 } })
    expect(JSON.parse((await getDelivery(database, { projectId, id })).payload!)).toEqual({ old: { n: 1 } })

    await publishOne({ n: 2 })
    worker.wake()
    await worker.ended(5)
    expect(JSON.parse(receiver.requests[4]!.body)).toMatchObject({ type: 'a', data: { n: 2 } })
    await receiver.close()
  })

  it('that makes too much, or cannot be read, fails its deliveries and says why', async () => {
    const { database, receiver, projectId, webhookId, publishOne, clock } = await subscribe({
      template: ['$.data', '$.data', '$.data'],
    })
    const tooLarge = await publishOne('x'.repeat(200_000))
    await reshape(database, webhookId, { template: { a: '$.data.*' } })
    const broken = await publishOne(1)
    await reshape(database, webhookId, { filter: 'nonsense' })
    const unreadable = await publishOne(1)
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await worker.ended(3)
    expect(receiver.requests).toEqual([])
    const errorOf = async (eventId: string) => {
      const id = await deliveryOf(database, eventId)
      return (await getDelivery(database, { projectId, id })).last_error
    }
    expect(await errorOf(tooLarge)).toBe('has no body: the template makes a body of more than 512 KiB')
    expect(await errorOf(broken)).toMatch(
      /^has no body: payload_template\.a: "\$\.data\.\*" may name one value alone/,
    )
    expect(await errorOf(unreadable)).toMatch(
      /^has no body: filter: line 1, column 1: unknown name `nonsense`/,
    )
    await receiver.close()
  })
})

describe('a filter', () => {
  it('keeps an event back before anything is sent, and that is told where one asks', async () => {
    const { database, receiver, projectId, webhookId, publishOne, clock } = await subscribe({
      filter: 'event.data.amount > 100',
    })
    const small = await publishOne({ amount: 1 })
    const odd = await publishOne({})
    const large = await publishOne({ amount: 101 })
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await worker.ended(3)
    expect(
      worker.endings
        .map(({ ending }) => (typeof ending === 'string' ? ending : ending.outcome.kind))
        .toSorted(),
    ).toEqual(['delivered', 'filtered', 'filtered'])
    expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([large])

    const told = {
      webhook_id: webhookId,
      event_type: 'a',
      filter: 'event.data.amount > 100',
      created_at: expect.any(Date),
      id: expect.any(String),
    }
    const [forSmall, forOdd] = [
      { ...told, event_id: small, reason: 'the filter does not match' },
      { ...told, event_id: odd, reason: 'the filter cannot be evaluated: field not found: amount' },
    ]
    expect(await filteredOf(database, projectId, small)).toEqual([forSmall])
    expect(await filteredOf(database, projectId, large)).toEqual([])
    const { rows, next_cursor } = await listFiltered(database, { projectId, webhookId }, { limit: 1 })
    const rest = await listFiltered(database, { projectId, webhookId }, { limit: 1, cursor: next_cursor! })
    expect([...rows, ...rest.rows]).toHaveLength(2)
    expect([...rows, ...rest.rows]).toEqual(expect.arrayContaining([forSmall, forOdd]))
    expect(rest.next_cursor).toBeNull()

    // Nothing else knows of them: no delivery, no attempt, nothing that waits or failed.
    expect(await countRows(database)).toMatchObject({
      deliveries: 1,
      webhook_delivery_attempts: 1,
      failed_deliveries: 0,
      delivery_queue: 0,
      delivery_schedule: 0,
      filtered_deliveries: 2,
    })
    expect(await requeueLost(database)).toBe(0)
    await receiver.close()
  })

  it('stays with a delivery as it was when its event was published', async () => {
    const { database, receiver, projectId, webhookId, publishOne, clock } = await subscribe({
      filter: 'event.data == 1',
    })
    const one = await publishOne(1)
    const two = await publishOne(2)
    await reshape(database, webhookId, { filter: 'event.data == 2' })
    const three = await publishOne(3)
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await worker.ended(3)
    expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([one])
    expect((await filteredOf(database, projectId, two))[0]!.filter).toBe('event.data == 1')
    expect((await filteredOf(database, projectId, three))[0]!.filter).toBe('event.data == 2')
    await receiver.close()
  })

  it('lets an ordered line go on', async () => {
    const { database, receiver, projectId, clock } = await subscribe({
      filter: 'event.data % 3 == 0',
      ordered: true,
    })
    const events = Array.from({ length: 12 }, (_, index) => ({ projectId, type: 'a', data: index }))
    await publishMany(database, events)
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await worker.ended(12)
    expect(receiver.requests.map(({ body }) => (JSON.parse(body) as { data: number }).data)).toEqual([
      0, 3, 6, 9,
    ])
    expect(await countRows(database)).toMatchObject({ filtered_deliveries: 8, delivery_line_waiting: 0 })
    await receiver.close()
  })

  it('spends nothing of a rate, which is one of requests', async () => {
    const { database, receiver, projectId, webhookId, clock } = await subscribe({ filter: 'event.data > 40' })
    await database.query('UPDATE postrider.webhooks SET rate_per_second = 0.01 WHERE id = $1::uuid', [
      webhookId,
    ])
    const events = Array.from({ length: 41 }, (_, index) => ({ projectId, type: 'a', data: index + 1 }))
    await publishMany(database, events)
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    // The clock stands still: there is one token.
    await worker.ended(41)
    expect(receiver.requests).toHaveLength(1)
    await receiver.close()
  })

  it('is asked again after a crash, and once something was sent, no more', async () => {
    const { database, receiver, publishOne, clock } = await subscribe({ filter: 'event.data == 1' })
    const passing = await publishOne(1)
    await publishOne(2)
    const { life, claimed } = await claimAndVanish(database, clock)
    expect(claimed.map(({ shape_id }) => typeof shape_id)).toEqual(['string', 'string'])
    clock.advance(16)
    expect(await rescueExpired(database, clock.now())).toHaveLength(2)
    // Whoever was thought to be gone comes back: it is too late for what it found.
    const recorder = new Recorder({ database, life, clock, logger: silentLogger })
    const held = claimed.find(({ payload }) => payload.endsWith('"data":2}'))!
    expect(await recorder.record({ delivery: held, filtered: 'the filter does not match' })).toBe(false)
    expect(await countRows(database)).toMatchObject({ deliveries: 2, filtered_deliveries: 0 })

    receiver.answer = () => ({ status: 500 })
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await worker.ended(2)
    expect(await countRows(database)).toMatchObject({ deliveries: 1, filtered_deliveries: 1 })
    const id = await deliveryOf(database, passing)
    expect(await storedAttempts(database, id)).toMatchObject([
      { outcome: 'interrupted' },
      { outcome: 'retry' },
    ])
    expect(attemptNumber(held)).toBe(1)
    await receiver.close()
  })

  it('is written beside results in one batch, and each as it is', async () => {
    const { database, receiver, publishOne, clock } = await subscribe({ filter: 'event.data == 1' })
    for (const data of [1, 2, 1, 2]) await publishOne(data)
    const { life, claimed } = await claimAndVanish(database, clock)
    const recorder = new Recorder({ database, life, clock, logger: silentLogger })
    const attempt = {
      startedAt: clock.now(),
      durationMs: 1,
      requestHeaders: {},
      responseHeaders: null,
      responseBody: null,
    }
    const outcome = { kind: 'delivered', responseStatus: 204, error: null, note: null } as const
    const written = await Promise.all(
      claimed.map((delivery, index) =>
        recorder.record(index % 2 === 0 ? { delivery, outcome, attempt } : { delivery, filtered: 'no' }),
      ),
    )
    expect(written).toEqual([true, true, true, true])
    // A second time it is too late, for either.
    const [sent, filtered] = claimed
    expect(await recorder.record({ delivery: sent!, outcome, attempt })).toBe(false)
    expect(await recorder.record({ delivery: filtered!, filtered: 'no' })).toBe(false)
    expect(await countRows(database)).toMatchObject({
      deliveries: 2,
      filtered_deliveries: 2,
      webhook_delivery_attempts: 2,
    })
    await receiver.close()
  })

  it('of today is asked by a backfill about what another one kept back', async () => {
    const { database, receiver, projectId, webhookId, publishOne, clock } = await subscribe({
      filter: 'event.data > 2',
    })
    const ids: string[] = []
    for (const data of [1, 2, 3]) ids.push(await publishOne(data))
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await worker.ended(3)
    expect(await countRows(database)).toMatchObject({ deliveries: 1, filtered_deliveries: 2 })

    await reshape(database, webhookId, { filter: 'event.data > 1', template: { n: '$.data' } })
    const { count } = await createJob(database, projectId, {
      kind: 'backfill',
      filter: { webhook_id: webhookId },
    })
    expect(count).toBe(2)
    while (await stepJob(database, { now: clock.now(), scheduleLength: 6 }));
    // While it is looked at again it is a delivery, and nothing else.
    expect(await countRows(database)).toMatchObject({ deliveries: 3, filtered_deliveries: 0 })
    worker.wake()
    await worker.ended(5)
    expect(await countRows(database)).toMatchObject({ deliveries: 2, filtered_deliveries: 1 })
    expect((await filteredOf(database, projectId, ids[0]!))[0]!.filter).toBe('event.data > 1')
    expect(JSON.parse(receiver.requests[1]!.body)).toEqual({ n: 2 })
    await receiver.close()
  })
})

describe('what was filtered, and shapes that were replaced', () => {
  it('go with their webhook', async () => {
    const { database, receiver, webhookId, publishOne, clock } = await subscribe({
      filter: 'event.data == 1',
    })
    await publishOne(2)
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await worker.ended(1)
    expect(await countRows(database)).toMatchObject({ filtered_deliveries: 1, webhook_shapes: 1 })
    await database.query('DELETE FROM postrider.webhooks WHERE id = $1::uuid', [webhookId])
    expect(await countRows(database)).toMatchObject({ filtered_deliveries: 0, webhook_shapes: 0 })
    await receiver.close()
  })

  it('expire: a shape not before the deliveries that name it', async () => {
    const { database, receiver, webhookId, publishOne, clock } = await subscribe({
      filter: 'event.data == 1',
    })
    await publishOne(2)
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await worker.ended(1)
    await worker.stop()
    const waiting = await publishOne(1)
    await reshape(database, webhookId, { filter: 'event.data == 2' })
    await reshape(database, webhookId, { filter: 'event.data == 3' })
    expect(await countRows(database)).toMatchObject({ webhook_shapes: 3 })
    await database.query(`UPDATE postrider.filtered_deliveries SET created_at = now() - interval '31 days'`)
    await database.query(
      `UPDATE postrider.webhook_shapes SET replaced_at = replaced_at - interval '31 days' WHERE replaced_at IS NOT NULL`,
    )
    await database.query(`UPDATE postrider.deliveries SET created_at = created_at - interval '31 days'`)
    await database.query(`UPDATE postrider.events SET created_at = created_at - interval '31 days'`)
    const cutoff = new Date(Date.now() - 30 * 86_400_000)
    expect(await expire(database, cutoff)).toEqual({ deliveries: 0, events: 1 })
    // What waits keeps its event and its filter.
    expect(await countRows(database)).toMatchObject({
      filtered_deliveries: 0,
      webhook_shapes: 2,
      deliveries: 1,
    })
    const id = await deliveryOf(database, waiting)
    await database.query(`UPDATE postrider.webhook_deliveries SET status = 'failed' WHERE id = $1::uuid`, [
      id,
    ])
    await expire(database, cutoff)
    expect(await countRows(database)).toMatchObject({ webhook_shapes: 1, deliveries: 0 })
    await receiver.close()
  })

  it('a change makes a version, the same again none, and none at all is no shape', async () => {
    const { database, receiver, webhookId } = await subscribe({
      filter: 'event.data == 1',
      template: { a: 1 },
    })
    const shapeOf = async () => {
      const { rows } = await database.query<{ shape_id: string | null }>(
        'SELECT shape_id FROM postrider.webhooks',
      )
      return rows[0]!.shape_id
    }
    const first = await shapeOf()
    await reshape(database, webhookId, { filter: 'event.data == 1', template: { a: 1 } })
    expect(await shapeOf()).toBe(first)
    await reshape(database, webhookId, { filter: 'event.data == 1', template: null })
    const second = await shapeOf()
    expect(second).not.toBe(first)
    expect(second).not.toBeNull()
    await database.query('UPDATE postrider.webhooks SET shape_id = NULL')
    expect(await shapeOf()).toBe(second)
    await reshape(database, webhookId, {})
    expect(await shapeOf()).toBeNull()
    expect(await countRows(database)).toMatchObject({ webhook_shapes: 2 })
    await receiver.close()
  })
})
