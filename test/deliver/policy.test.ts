import { describe, expect, it } from 'vitest'
import type { Database } from '../../src/database/database.ts'
import { claim, firstWebhookId } from '../../src/deliver/claim.ts'
import { retryDelivery } from '../../src/deliver/deliveries.ts'
import { Life } from '../../src/deliver/life.ts'
import { rescueExpired } from '../../src/deliver/rescue.ts'
import { publishMany } from '../../src/publish/publish.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { storedDelivery, TestWorker } from '../support/engine.ts'
import { Receiver } from '../support/receiver.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

interface Policy {
  retry_seconds?: number[]
  timeout_ms?: number
  max_in_flight?: number
  rate_per_second?: number
  ordered?: boolean
}

/** A receiver, and a webhook to it with a policy of its own. */
async function subscribe(policy: Policy) {
  const { database } = await createTestDatabase()
  const receiver = await Receiver.start()
  const projectId = await insertProject(database)
  const webhookId = await insertWebhook(database, { projectId, url: receiver.url })
  await database.query(
    `UPDATE postrider.webhooks
     SET retry_seconds = $2::integer[],
         timeout_ms = $3::integer,
         max_in_flight = $4::integer,
         rate_per_second = $5::double precision,
         ordered = $6::boolean
     WHERE id = $1::uuid`,
    [
      webhookId,
      policy.retry_seconds ?? null,
      policy.timeout_ms ?? null,
      policy.max_in_flight ?? null,
      policy.rate_per_second ?? null,
      policy.ordered ?? false,
    ],
  )
  const publishNumbers = async (count: number, from = 1): Promise<void> => {
    const events = Array.from({ length: count }, (_, index) => ({ projectId, type: 'a', data: from + index }))
    await publishMany(database, events)
  }
  /** The numbers that arrived, in the order of their arrival. */
  const arrived = (): number[] =>
    receiver.requests.map(({ body }) => (JSON.parse(body) as { data: number }).data)
  return { database, receiver, projectId, webhookId, publishNumbers, arrived }
}

async function onlyDelivery(database: Database): Promise<Record<string, unknown>> {
  const { rows } = await database.query<{ id: string }>(
    'SELECT id FROM postrider.deliveries ORDER BY id LIMIT 1',
  )
  return storedDelivery(database, rows[0]!.id)
}

describe('a retry schedule of its own', () => {
  it('gives new deliveries its length and one as tries, and its delays', async () => {
    const { database, receiver, publishNumbers } = await subscribe({ retry_seconds: [10, 20] })
    receiver.answer = () => ({ status: 500 })
    await publishNumbers(1)
    const clock = new MovedClock()
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    for (const [index, seconds] of [10, 20, null].entries()) {
      worker.wake()
      await worker.ended(index + 1)
      const row = await onlyDelivery(database)
      expect(row).toMatchObject({
        attempts: index + 1,
        max_attempts: 3,
        status: seconds === null ? 'failed' : 'pending',
      })
      if (seconds === null) break
      const waitSeconds = ((row['scheduled_at'] as Date).getTime() - clock.now().getTime()) / 1_000
      expect(waitSeconds).toBeGreaterThanOrEqual(seconds)
      expect(waitSeconds).toBeLessThanOrEqual(seconds * 1.1 + 0.001)
      clock.advance(waitSeconds)
    }
    await worker.stop()
    const { id, project_id } = (await onlyDelivery(database)) as { id: string; project_id: string }
    await retryDelivery(database, { projectId: project_id, id }, { now: clock.now(), scheduleLength: 6 })
    expect(await onlyDelivery(database)).toMatchObject({ attempts: 3, max_attempts: 6 })
    await receiver.close()
  })

  it('that is empty means a single try', async () => {
    const { database, receiver, publishNumbers } = await subscribe({ retry_seconds: [] })
    receiver.answer = () => ({ status: 500 })
    await publishNumbers(1)
    await using worker = new TestWorker({ database, clock: new MovedClock() })
    await worker.start()
    await worker.ended(1)
    expect(await onlyDelivery(database)).toMatchObject({ status: 'failed', attempts: 1, max_attempts: 1 })
    await receiver.close()
  })
})

it('a deadline of its own ends the attempt', async () => {
  const { database, receiver, publishNumbers } = await subscribe({ timeout_ms: 1_000 })
  receiver.answer = () => new Promise(() => {})
  await publishNumbers(1)
  await using worker = new TestWorker({ database, clock: new MovedClock(), timeoutMs: 15_000 })
  await worker.start()
  await worker.ended(1)
  expect(await onlyDelivery(database)).toMatchObject({ last_error: 'timeout after 1000 ms' })
  await receiver.close()
})

describe('a cap in flight', () => {
  it('of its own is kept, and what waits goes on as slots become free', async () => {
    const { database, receiver, publishNumbers } = await subscribe({ max_in_flight: 2 })
    let inFlight = 0
    let most = 0
    receiver.answer = async () => {
      inFlight += 1
      most = Math.max(most, inFlight)
      await new Promise(setImmediate)
      inFlight -= 1
      return { status: 200 }
    }
    await publishNumbers(40)
    await using worker = new TestWorker({ database, clock: new MovedClock() })
    await worker.start()
    await receiver.waitFor(40)
    expect(most).toBeLessThanOrEqual(2)
    await receiver.close()
  })

  it('by default is lent idle slots where the endpoint answers well, up to three quarters of them', async () => {
    const { database, receiver, publishNumbers } = await subscribe({})
    let hold = false
    receiver.answer = () => (hold ? new Promise(() => {}) : { status: 200 })
    await publishNumbers(20)
    const clock = new MovedClock()
    await using worker = new TestWorker({
      database,
      clock,
      concurrency: 40,
      maxInFlight: 8,
      drainMs: 0,
    })
    await worker.start()
    await worker.ended(20)
    hold = true
    await publishNumbers(100)
    clock.advance(1)
    worker.wake()
    await receiver.waitFor(40)
    await expect.poll(() => worker.inFlight).toBe(30)
    await receiver.close()
  })
})

it('a rate holds over all workers together', async () => {
  const { database, receiver, publishNumbers } = await subscribe({ rate_per_second: 10 })
  await publishNumbers(400)
  const clock = new MovedClock()
  await using first = new TestWorker({ database, clock })
  await using second = new TestWorker({ database, clock })
  await Promise.all([first.start(), second.start()])
  // What was saved up, then ten for each second.
  for (let seconds = 0, expected = 10; seconds < 30; seconds += 1, expected += 10) {
    await receiver.waitFor(expected)
    await expect.poll(() => first.inFlight + second.inFlight).toBe(0)
    expect(receiver.requests.length).toBe(expected)
    clock.advance(1)
    first.wake()
    second.wake()
  }
  await receiver.close()
})

describe('in order', () => {
  it('a later one waits while an earlier one retries, and goes on when that has failed', async () => {
    const { database, receiver, publishNumbers, arrived } = await subscribe({
      ordered: true,
      retry_seconds: [10],
    })
    receiver.answer = ({ body }) => ({ status: body.includes('"data":2}') ? 500 : 200 })
    await publishNumbers(4)
    await publishNumbers(2, 5)
    const clock = new MovedClock()
    await using worker = new TestWorker({ database, clock, pollMs: 20 })
    await worker.start()
    await worker.ended(2)
    expect(arrived()).toEqual([1, 2])
    clock.advance(5)
    worker.wake()
    await expect.poll(() => worker.inFlight).toBe(0)
    expect(arrived()).toEqual([1, 2])
    clock.advance(7)
    worker.wake()
    await receiver.waitFor(7)
    expect(arrived()).toEqual([1, 2, 2, 3, 4, 5, 6])
    await receiver.close()
  })

  it('holds with several workers, and when one that has the head dies', async () => {
    const { database, receiver, publishNumbers, arrived } = await subscribe({ ordered: true })
    for (let batch = 0; batch < 4; batch += 1) await publishNumbers(25, batch * 25 + 1)
    const clock = new MovedClock()
    await using first = new TestWorker({ database, clock, pollMs: 20 })
    await first.start()
    await first.ended(20)
    await first.stop()
    const life = new Life({ leaseSeconds: 15, clock })
    await life.begin(database)
    const claimHead = () =>
      claim(database, {
        workerId: life.id,
        now: clock.now(),
        limit: 100,
        maxHeld: 100,
        limits: { held: new Map(), most: new Map() },
        finished: [],
        afterWebhookId: firstWebhookId,
      })
    // It dies with what it claimed, none or the head.
    expect((await claimHead()).length).toBeLessThanOrEqual(1)
    clock.advance(16)
    await rescueExpired(database, clock.now())
    await using second = new TestWorker({ database, clock, pollMs: 20 })
    await using third = new TestWorker({ database, clock, pollMs: 20 })
    await Promise.all([second.start(), third.start()])
    await receiver.until(() => arrived().at(-1) === 100)
    const firstSeen = [...new Set(arrived())]
    expect(firstSeen).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
    expect(arrived()).toEqual(arrived().toSorted((left, right) => left - right))
    await receiver.close()
  })

  it('given up, lets everything out', async () => {
    const { database, receiver, publishNumbers, webhookId, arrived } = await subscribe({ ordered: true })
    receiver.answer = ({ body }) => ({ status: body.includes('"data":1}') ? 500 : 200 })
    await publishNumbers(5)
    await using worker = new TestWorker({ database, clock: new MovedClock(), pollMs: 20 })
    await worker.start()
    await worker.ended(1)
    await database.query('UPDATE postrider.webhooks SET ordered = false WHERE id = $1::uuid', [webhookId])
    await receiver.waitFor(5)
    expect(new Set(arrived())).toEqual(new Set([1, 2, 3, 4, 5]))
    await receiver.close()
  })
})
