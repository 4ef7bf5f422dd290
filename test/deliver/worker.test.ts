import { describe, expect, it } from 'vitest'
import type { Database } from '../../src/database/database.ts'
import { claim, firstWebhookId, giveBack } from '../../src/deliver/claim.ts'
import { promote } from '../../src/deliver/let-out.ts'
import { Life } from '../../src/deliver/life.ts'
import { Recorder } from '../../src/deliver/record.ts'
import { requeueLost } from '../../src/deliver/lost.ts'
import { rescueExpired } from '../../src/deliver/rescue.ts'
import { Notifier } from '../../src/database/wake.ts'
import { silentLogger } from '../../src/log.ts'
import { publish, publishMany } from '../../src/publish/publish.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { FaultyDatabase } from '../support/faulty-database.ts'
import { deliveryOf, retrySeconds, storedAttempts, storedDelivery, TestWorker } from '../support/engine.ts'
import { Receiver, type AnswerFunction } from '../support/receiver.ts'
import { insertProject, insertWebhook, type WebhookSeed } from '../support/seed.ts'

/** A database of its own, a receiver, one webhook that points to it, and a published event. */
async function journey({ answer, ...seed }: { answer?: AnswerFunction } & Partial<WebhookSeed> = {}) {
  const { database } = await createTestDatabase()
  const receiver = await Receiver.start(answer ? { answer } : {})
  const projectId = await insertProject(database)
  const webhookId = await insertWebhook(database, { projectId, url: `${receiver.url}/hooks`, ...seed })
  const { id: eventId } = await publish(database, {
    projectId,
    type: 'config.deployed',
    data: { variant: 'blue' },
  })
  const deliveryId = await deliveryOf(database, eventId)
  // It stands still from here: what is published now is due.
  const clock = new MovedClock()
  return { database, receiver, clock, projectId, webhookId, eventId, deliveryId }
}

/** Claims everything due, as a worker that will never come back. */
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

/** A worker claims everything due, and its lease runs out. What comes back later is due again. */
async function crashOver(database: Database, clock: MovedClock): Promise<void> {
  expect((await claimAndVanish(database, clock)).claimed).toHaveLength(1)
  clock.advance(30)
  await rescueExpired(database, clock.now())
  clock.advance(30)
  await promote(database, clock.now())
}

describe('the state of a delivery', () => {
  it('pending → delivering → delivered, each column as it should be', async () => {
    let answer = (_status: number): void => {}
    const answered = new Promise<number>((resolve) => {
      answer = resolve
    })
    const { database, receiver, clock, deliveryId, eventId, webhookId } = await journey({
      answer: async () => ({ status: await answered, body: 'thanks' }),
    })
    const published = await storedDelivery(database, deliveryId)
    expect(published).toMatchObject({
      status: 'pending',
      attempts: 0,
      max_attempts: 6,
      rescues: 0,
      last_attempt_at: null,
      last_response_status: null,
      last_response_body: null,
      last_error: null,
      delivered_at: null,
    })
    expect(published['scheduled_at']).toEqual(published['created_at'])

    await using worker = new TestWorker({ database, clock, timeoutMs: 10_000 })
    await worker.start()
    await receiver.waitFor(1)
    const { rows: open } = await database.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()`,
    )
    expect(open).toHaveLength(0)
    const { rows: workers } = await database.query('SELECT in_flight, in_flight_since FROM postrider.workers')
    expect(workers).toEqual([{ in_flight: [deliveryId], in_flight_since: [clock.now()] }])
    // Whoever looks in SQL sees it after a second.
    await expect
      .poll(async () => (await storedDelivery(database, deliveryId))['status'], { timeout: 15_000 })
      .toBe('delivering')
    expect(await storedDelivery(database, deliveryId)).toMatchObject({ attempts: 0, last_attempt_at: null })

    clock.advance(1)
    answer(200)
    await worker.ended(1)
    expect(await storedDelivery(database, deliveryId)).toMatchObject({
      id: deliveryId,
      webhook_id: webhookId,
      event_id: eventId,
      status: 'delivered',
      attempts: 1,
      max_attempts: 6,
      scheduled_at: published['scheduled_at'],
      last_attempt_at: new Date(clock.now().getTime() - 1_000),
      last_response_status: 200,
      last_response_body: 'thanks',
      last_error: null,
      delivered_at: clock.now(),
    })
    expect(await storedAttempts(database, deliveryId)).toMatchObject([
      {
        attempt: 1,
        outcome: 'delivered',
        response_status: 200,
        response_body: 'thanks',
        error: null,
        request_headers: {
          'webhook-id': eventId,
          'postrider-attempt': '1',
          'postrider-delivery': deliveryId,
        },
      },
    ])
    await receiver.close()
  })

  it('pending → delivering → pending by the schedule, then failed, and every try sends the same bytes', async () => {
    const { database, receiver, clock, deliveryId } = await journey({
      answer: () => ({ status: 500, body: 'no' }),
    })
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    for (const [index, seconds] of [...retrySeconds, null].entries()) {
      worker.wake()
      await worker.ended(index + 1)
      const row = await storedDelivery(database, deliveryId)
      expect(row).toMatchObject({
        status: seconds === null ? 'failed' : 'pending',
        attempts: index + 1,
        last_attempt_at: clock.now(),
        last_response_status: 500,
        last_response_body: 'no',
        last_error: 'http 500',
        delivered_at: null,
      })
      if (seconds === null) break
      const waitSeconds = ((row['scheduled_at'] as Date).getTime() - clock.now().getTime()) / 1_000
      expect(waitSeconds).toBeGreaterThanOrEqual(seconds)
      expect(waitSeconds).toBeLessThanOrEqual(seconds * 1.1 + 0.001)

      // A moment before its time it stays where it is.
      clock.advance(waitSeconds - 1)
      await promote(database, clock.now())
      expect((await claimAndVanish(database, clock)).claimed).toHaveLength(0)
      clock.advance(1)
    }
    const attempts = await storedAttempts(database, deliveryId)
    expect(attempts.map(({ attempt, outcome }) => [attempt, outcome])).toEqual([
      [1, 'retry'],
      [2, 'retry'],
      [3, 'retry'],
      [4, 'retry'],
      [5, 'retry'],
      [6, 'failed'],
    ])
    expect(new Set(receiver.requests.map(({ body }) => body)).size).toBe(1)
    expect(receiver.requests.map(({ headers }) => headers['postrider-attempt'])).toEqual([
      '1',
      '2',
      '3',
      '4',
      '5',
      '6',
    ])
    await receiver.close()
  })

  it('410 ends it at once and makes its webhook inactive', async () => {
    const { database, receiver, clock, deliveryId, webhookId } = await journey({
      answer: () => ({ status: 410 }),
    })
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await worker.ended(1)
    expect(await storedDelivery(database, deliveryId)).toMatchObject({
      status: 'failed',
      attempts: 1,
      last_error: 'http 410',
    })
    const { rows } = await database.query(
      `SELECT is_active, disabled_reason FROM postrider.webhooks WHERE id = $1::uuid`,
      [webhookId],
    )
    expect(rows).toEqual([{ is_active: false, disabled_reason: 'gone' }])
    await receiver.close()
  })

  it('Retry-After puts it off, and an absurd one by a day at most', async () => {
    for (const [value, seconds] of [
      ['7200', 7_200],
      ['1e18', 86_400],
      ['-5', 60],
      ['NaN', 60],
    ] as const) {
      const { database, receiver, clock, deliveryId } = await journey({
        answer: () => ({ status: 503, headers: { 'retry-after': value } }),
      })
      await using worker = new TestWorker({ database, clock })
      await worker.start()
      await worker.ended(1)
      const { scheduled_at } = (await storedDelivery(database, deliveryId)) as { scheduled_at: Date }
      const waitSeconds = (scheduled_at.getTime() - clock.now().getTime()) / 1_000
      expect(waitSeconds).toBeGreaterThanOrEqual(seconds)
      expect(waitSeconds).toBeLessThanOrEqual(seconds === 60 ? 66.1 : seconds + 0.001)
      await receiver.close()
    }
  })

  it('keeps no value of its own headers that a receiver echoes', async () => {
    const { database, receiver, clock, webhookId, deliveryId } = await journey({
      answer: ({ headers }) => ({
        status: 500,
        headers: { 'x-echo': String(headers['x-token']) },
        body: JSON.stringify(headers),
      }),
    })
    await database.query(`UPDATE postrider.webhooks SET headers = $2::jsonb WHERE id = $1::uuid`, [
      webhookId,
      { 'x-token': 'Bearer geheim-1234', constructor: 'geheim-5678' },
    ])
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await worker.ended(1)
    expect(receiver.requests[0]!.headers).toMatchObject({
      'x-token': 'Bearer geheim-1234',
      constructor: 'geheim-5678',
    })
    const kept = JSON.stringify([
      await storedDelivery(database, deliveryId),
      await storedAttempts(database, deliveryId),
    ])
    expect(kept).toContain('[redacted]')
    expect(kept).not.toMatch(/geheim/)
    await receiver.close()
  })

  it('is written whatever bytes came back', async () => {
    const { database, receiver, clock, deliveryId } = await journey({
      answer: () => ({ status: 200, body: Buffer.from([0x61, 0, 0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0x62]) }),
    })
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await worker.ended(1)
    const row = await storedDelivery(database, deliveryId)
    expect(row['status']).toBe('delivered')
    expect(row['last_response_body']).toMatch(/^a\uFFFD+\(\uFFFD+b$/)
    await receiver.close()
  })
})

describe('a worker that crashes', () => {
  it('leaves a delivery that another takes over when the lease ran out, and the budget does not pay for it', async () => {
    const { database, receiver, clock, deliveryId } = await journey()
    const { scheduled_at } = await storedDelivery(database, deliveryId)
    expect((await claimAndVanish(database, clock)).claimed).toHaveLength(1)
    const claimedAt = clock.now()
    clock.advance(14)
    expect(await rescueExpired(database, clock.now())).toHaveLength(0)
    clock.advance(2)
    expect(await rescueExpired(database, clock.now())).toMatchObject([
      { id: deliveryId, attempt: 1, status: 'pending' },
    ])
    expect(await storedDelivery(database, deliveryId)).toMatchObject({
      status: 'pending',
      attempts: 0,
      rescues: 1,
      // Its place in the queue, before all that was published since.
      scheduled_at,
      last_attempt_at: claimedAt,
      last_error: 'interrupted',
    })
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await worker.ended(1)
    expect(receiver.requests[0]!.headers['postrider-attempt']).toBe('2')
    expect(await storedDelivery(database, deliveryId)).toMatchObject({
      status: 'delivered',
      attempts: 1,
      rescues: 1,
    })
    expect(await storedAttempts(database, deliveryId)).toMatchObject([
      { attempt: 1, outcome: 'interrupted', started_at: claimedAt, duration_ms: null, response_status: null },
      { attempt: 2, outcome: 'delivered' },
    ])
    await receiver.close()
  })

  it('again over the same delivery leaves it apart from the others, and then in its old place', async () => {
    const { database, receiver, clock, deliveryId } = await journey()
    const { scheduled_at } = await storedDelivery(database, deliveryId)
    await crashOver(database, clock)
    await claimAndVanish(database, clock)
    clock.advance(16)
    await rescueExpired(database, clock.now())
    const { rows } = await database.query(
      `SELECT delivery_id, place, scheduled_at >= $1::timestamptz AS waits
       FROM postrider.delivery_schedule`,
      [clock.now()],
    )
    expect(rows).toEqual([{ delivery_id: deliveryId, place: scheduled_at, waits: true }])
    clock.advance(1)
    await promote(database, clock.now())
    expect(await storedDelivery(database, deliveryId)).toMatchObject({ rescues: 2, scheduled_at })
    const { rows: queue } = await database.query('SELECT scheduled_at FROM postrider.delivery_queue')
    expect(queue).toEqual([{ scheduled_at }])
    expect(await requeueLost(database)).toBe(0)
    await receiver.close()
  })

  it('five times over one delivery makes that delivery fail, if it was sent alone the last time', async () => {
    const { database, receiver, clock, deliveryId } = await journey()
    for (let crash = 1; crash <= 4; crash += 1) await crashOver(database, clock)
    const interrupted = { status: 'pending', attempts: 0, rescues: 4, last_error: 'interrupted' }
    // It was claimed, and that is all: it would have been noted before it was sent.
    await crashOver(database, clock)
    expect(await storedDelivery(database, deliveryId)).toMatchObject(interrupted)
    expect(await storedAttempts(database, deliveryId)).toHaveLength(4)

    const { life, claimed } = await claimAndVanish(database, clock)
    expect(claimed).toMatchObject([{ id: deliveryId, rescues: 4 }])
    await giveBack(database, life.id, { kept: [deliveryId], alone: deliveryId })
    clock.advance(30)
    await rescueExpired(database, clock.now())
    expect(await storedDelivery(database, deliveryId)).toMatchObject({
      status: 'failed',
      attempts: 0,
      rescues: 5,
      last_error: 'worker crashed',
    })
    expect((await storedAttempts(database, deliveryId)).map(({ outcome }) => outcome)).toEqual(
      Array(5).fill('interrupted'),
    )
    await receiver.close()
  })

  it('while it sends one alone leaves all others as they were', async () => {
    const { database, receiver, clock, projectId, deliveryId } = await journey()
    for (let crash = 1; crash <= 4; crash += 1) await crashOver(database, clock)
    await publishMany(
      database,
      Array.from({ length: 20 }, (_, data) => ({ projectId, type: 'config.deployed', data })),
    )
    clock.advance(1)
    const { life, claimed } = await claimAndVanish(database, clock)
    expect(claimed).toHaveLength(21)
    await giveBack(database, life.id, { kept: [deliveryId], alone: deliveryId })
    const { rows: queued } = await database.query('SELECT FROM postrider.delivery_queue')
    expect(queued).toHaveLength(20)
    clock.advance(30)
    expect(await rescueExpired(database, clock.now())).toMatchObject([{ id: deliveryId, status: 'failed' }])
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await receiver.waitFor(20)
    expect(receiver.requests.map(({ headers }) => headers['postrider-attempt'])).toEqual(Array(20).fill('1'))
    await receiver.close()
  })

  it('and comes back late is not believed', async () => {
    const { database, receiver, clock, deliveryId } = await journey()
    const {
      life,
      claimed: [stale],
    } = await claimAndVanish(database, clock)
    clock.advance(16)
    await rescueExpired(database, clock.now())
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await worker.ended(1)
    const before = await storedDelivery(database, deliveryId)
    const late = new Recorder({ database, life, clock, logger: silentLogger })
    const written = await late.record({
      delivery: stale!,
      outcome: { kind: 'failed', responseStatus: 500, error: 'http 500' },
      attempt: {
        startedAt: clock.now(),
        durationMs: 1,
        requestHeaders: {},
        responseHeaders: null,
        responseBody: null,
      },
    })
    expect(written).toBe(false)
    expect(await storedDelivery(database, deliveryId)).toEqual(before)
    expect(await storedAttempts(database, deliveryId)).toHaveLength(2)
    await receiver.close()
  })

  it('does not lose a lease that it still renews', async () => {
    let answer = (): void => {}
    const answered = new Promise<void>((resolve) => {
      answer = resolve
    })
    const { database, receiver, clock, deliveryId } = await journey({
      answer: async () => {
        await answered
        return { status: 200 }
      },
    })
    // A lease of 5 s is renewed every 1.7 s of real time; the clock it is renewed by has moved on 4 s.
    await using worker = new TestWorker({ database, clock, leaseSeconds: 5, timeoutMs: 10_000 })
    await worker.start()
    await receiver.waitFor(1)
    clock.advance(4)
    const renewed = new Date(clock.now().getTime() + 5_000)
    const lease = async () => (await database.query('SELECT lease_until FROM postrider.workers')).rows
    await expect.poll(lease, { timeout: 15_000 }).toEqual([{ lease_until: renewed }])
    clock.advance(3)
    expect(await rescueExpired(database, clock.now())).toHaveLength(0)
    answer()
    await worker.ended(1)
    expect(await storedDelivery(database, deliveryId)).toMatchObject({ status: 'delivered', rescues: 0 })
    await receiver.close()
  })
})

describe('a worker', () => {
  it('picks up by polling alone within 2 s', async () => {
    const { database, receiver, clock, projectId } = await journey()
    await using worker = new TestWorker({ database, clock, pollMs: 500 })
    await worker.start()
    await worker.ended(1)
    await publish(database, { projectId, type: 'a', data: {} })
    clock.advance(1)
    const publishedMs = performance.now()
    await worker.ended(2)
    expect(performance.now() - publishedMs).toBeLessThan(2_000)
    await receiver.close()
  })

  it('is woken by a notification of another process', async () => {
    const { database, receiver, clock, projectId } = await journey()
    await using worker = new TestWorker({ database, clock, pollMs: 60_000 })
    await worker.start()
    await worker.ended(1)
    await publish(database, { projectId, type: 'a', data: {} })
    clock.advance(1)
    new Notifier(database).notify()
    await worker.ended(2)
    await receiver.close()
  })

  it('never has more of one webhook in flight than its cap, and a dead one does not hold the others', async () => {
    const { database } = await createTestDatabase()
    const clock = new MovedClock()
    await using dead = await Receiver.start({ answer: () => new Promise(() => {}) })
    await using alive = await Receiver.start()
    const projectId = await insertProject(database)
    await insertWebhook(database, { projectId, url: dead.url, eventTypes: ['dead'] })
    for (let index = 0; index < 5; index += 1) {
      await insertWebhook(database, { projectId, url: `${alive.url}/${index}`, eventTypes: ['alive'] })
    }
    const events = (type: string, count: number) =>
      Promise.all(Array.from({ length: count }, () => publish(database, { projectId, type, data: {} })))
    await events('dead', 200)
    await events('alive', 20)
    clock.advance(1)
    await using worker = new TestWorker({
      database,
      clock,
      concurrency: 16,
      maxInFlight: 8,
      timeoutMs: 15_000,
      drainMs: 0,
    })
    await worker.start()
    await alive.waitFor(100)
    expect(dead.requests).toHaveLength(8)
  })

  it('stops by finishing what is in flight and claiming no more', async () => {
    let answer = (): void => {}
    const answered = new Promise<void>((resolve) => {
      answer = resolve
    })
    const { database, receiver, clock, projectId, deliveryId } = await journey({
      answer: async () => {
        await answered
        return { status: 200 }
      },
    })
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await receiver.waitFor(1)
    const stopped = worker.stop()
    await publish(database, { projectId, type: 'a', data: {} })
    clock.advance(1)
    worker.wake()
    answer()
    await stopped
    expect(await storedDelivery(database, deliveryId)).toMatchObject({ status: 'delivered' })
    expect(receiver.requests).toHaveLength(1)
    await receiver.close()
  })

  it('gives back at the end of its time what is still in flight, without counting it as a crash', async () => {
    const { database, receiver, clock, deliveryId } = await journey({ answer: () => new Promise(() => {}) })
    await using worker = new TestWorker({ database, clock, timeoutMs: 15_000, drainMs: 50 })
    await worker.start()
    await receiver.waitFor(1)
    await worker.stop()
    expect(await storedDelivery(database, deliveryId)).toMatchObject({
      status: 'pending',
      attempts: 0,
      rescues: 1,
      max_rescues: 6,
    })
    expect(await storedAttempts(database, deliveryId)).toMatchObject([{ attempt: 1, outcome: 'interrupted' }])
    await receiver.close()
  })

  it('sends one that would fail at the next crash when nothing else is in flight, and the others afterwards', async () => {
    let inFlight = 0
    const alone: boolean[] = []
    const { database, receiver, clock, projectId, deliveryId } = await journey({
      answer: async ({ headers }) => {
        inFlight += 1
        const isAlone = (): boolean => inFlight === 1
        const stayedAlone = [isAlone()]
        for (let turn = 0; turn < 20; turn += 1) {
          await new Promise(setImmediate)
          stayedAlone.push(isAlone())
        }
        if (headers['postrider-delivery'] === deliveryId) {
          alone.push(...stayedAlone)
          const { rows } = await database.query('SELECT in_flight, alone FROM postrider.workers')
          expect(rows).toEqual([{ in_flight: [deliveryId], alone: deliveryId }])
        }
        inFlight -= 1
        return { status: 200 }
      },
    })
    for (let crash = 1; crash <= 4; crash += 1) await crashOver(database, clock)
    const publishSome = (): Promise<unknown> =>
      publishMany(
        database,
        Array.from({ length: 50 }, (_, data) => ({ projectId, type: 'config.deployed', data })),
      )
    await publishSome()
    clock.advance(1)
    await using worker = new TestWorker({ database, clock, pollMs: 20 })
    await worker.start()
    await worker.ended(5)
    await publishSome()
    clock.advance(1)
    await worker.ended(101)
    expect(new Set(alone)).toEqual(new Set([true]))
    expect(receiver.requests).toHaveLength(101)
    expect(await storedDelivery(database, deliveryId)).toMatchObject({ status: 'delivered', rescues: 4 })
    await receiver.close()
  })

  it('sends what it claimed when the answer to the claim is lost, once, also what it had sent before', async () => {
    const { database, receiver, clock, deliveryId } = await journey({
      answer: ({ headers }) => ({ status: headers['postrider-attempt'] === '1' ? 500 : 200 }),
    })
    const network = new FaultyDatabase(database)
    await using worker = new TestWorker({ database: network, clock, pollMs: 20 })
    await worker.start()
    await worker.ended(1)
    let lost = 0
    network.fault = (text) => {
      if (!text.includes('postrider.claim_deliveries') || lost > 0) return undefined
      lost += 1
      return 'after'
    }
    clock.advance(70)
    worker.wake()
    await worker.ended(2)
    expect(lost).toBe(1)
    expect(receiver.requests.map(({ headers }) => headers['postrider-attempt'])).toEqual(['1', '2'])
    expect(await storedDelivery(database, deliveryId)).toMatchObject({ status: 'delivered', attempts: 2 })
    await receiver.close()
  })

  it('goes on with the next number where the result cannot be stored at all, five times', async () => {
    const { database, receiver, clock, deliveryId } = await journey()
    await database.query(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         IF NEW.outcome <> 'interrupted' THEN RAISE EXCEPTION 'no'; END IF;
         RETURN NEW;
       END $$`,
    )
    await database.query(
      `CREATE TRIGGER refuse BEFORE INSERT ON postrider.webhook_delivery_attempts
       FOR EACH ROW EXECUTE FUNCTION refuse()`,
    )
    // A wake that comes while it begins its next life may be lost.
    await using worker = new TestWorker({ database, clock, pollMs: 100 })
    await worker.start()
    for (let tries = 1; tries <= 5; tries += 1) {
      await receiver.waitFor(tries)
      await expect
        .poll(async () => (await storedDelivery(database, deliveryId))['rescues'], { timeout: 15_000 })
        .toBe(tries)
      clock.advance(61)
      worker.wake()
    }
    expect(await storedDelivery(database, deliveryId)).toMatchObject({
      status: 'failed',
      attempts: 0,
      last_error: 'worker crashed',
    })
    expect(receiver.requests.map(({ headers }) => headers['postrider-attempt'])).toEqual([
      '1',
      '2',
      '3',
      '4',
      '5',
    ])
    await receiver.close()
  })

  it('can be started and stopped again', async () => {
    const { database, receiver, clock, projectId } = await journey()
    await using worker = new TestWorker({ database, clock })
    for (let round = 1; round <= 3; round += 1) {
      await worker.start()
      await worker.ended(round)
      await worker.stop()
      await publish(database, { projectId, type: 'a', data: {} })
      clock.advance(1)
    }
    await receiver.close()
  })

  it('delivers 2,000 events to two webhooks, two workers side by side, each once', async () => {
    const { database } = await createTestDatabase()
    const clock = new MovedClock()
    await using receiver = await Receiver.start()
    const projectId = await insertProject(database)
    for (const path of ['a', 'b'])
      await insertWebhook(database, { projectId, url: `${receiver.url}/${path}` })
    await database.query(
      `SELECT postrider.publish_many($1::uuid, (
         SELECT jsonb_agg(jsonb_build_object('type', 'a', 'data', number)) FROM generate_series(1, 1000) AS number
       ))`,
      [projectId],
    )
    clock.advance(1)
    await using first = new TestWorker({ database, clock, maxInFlight: 16 })
    await using second = new TestWorker({ database, clock, maxInFlight: 16 })
    await Promise.all([first.start(), second.start()])
    await receiver.waitFor(2_000)
    await Promise.all([first.stop(), second.stop()])
    expect(
      new Set(receiver.requests.map(({ url, headers }) => `${url} ${String(headers['webhook-id'])}`)).size,
    ).toBe(2_000)
    expect(receiver.requests).toHaveLength(2_000)
    const { rows } = await database.query(
      `SELECT status, COUNT(*)::integer AS count FROM postrider.webhook_deliveries GROUP BY status`,
    )
    expect(rows).toEqual([{ status: 'delivered', count: 2_000 }])
  })
})
