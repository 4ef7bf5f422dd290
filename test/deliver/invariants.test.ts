import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { PostriderError } from '../../src/contract/errors.ts'
import { attemptNumber, claim, type ClaimedDelivery, firstWebhookId } from '../../src/deliver/claim.ts'
import { cancelDelivery, retryDelivery } from '../../src/deliver/deliveries.ts'
import { judge } from '../../src/deliver/judge.ts'
import { Recorder } from '../../src/deliver/record.ts'
import { release, rescueExpired } from '../../src/deliver/rescue.ts'
import type { Answer } from '../../src/deliver/send.ts'
import { silentLogger } from '../../src/log.ts'
import { publish } from '../../src/publish/publish.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { retrySeconds } from '../support/engine.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

/**
 * Any sequence of what may happen to deliveries keeps what must always hold. The steps run against the real tables;
 * beside them stands the simplest possible model: what was published, what a receiver accepted, who holds what.
 */

const { database } = await createTestDatabase()
let projectId: string

beforeAll(async () => {
  projectId = await insertProject(database)
  for (const path of ['a', 'b']) {
    await insertWebhook(database, { projectId, url: `https://example.com/${path}`, eventTypes: ['tested'] })
  }
})
afterAll(() => database.close())

interface Model {
  clock: MovedClock
  recorder: Recorder
  /** Claimed by workers that live; a crash forgets them, a stall keeps them past their lease. */
  held: ClaimedDelivery[]
  /** Results of claims that were lost meanwhile: they come late. */
  stale: ClaimedDelivery[]
  published: number
  /** Finished without anybody having retried it since: its row as it stood then. */
  finished: Map<string, string>
}

type Step =
  | { kind: 'publish' }
  | { kind: 'claim'; limit: number }
  | { kind: 'answer'; which: number; status: number }
  | { kind: 'crash' }
  /** The worker stands still until its lease ran out and another has taken its deliveries over. */
  | { kind: 'stall' }
  | { kind: 'answer late'; which: number; status: number }
  | { kind: 'release'; which: number }
  | { kind: 'wait'; seconds: number }
  | { kind: 'rescue' }
  | { kind: 'retry'; which: number }
  | { kind: 'cancel'; which: number }

const which = fc.nat({ max: 20 })
const status = fc.constantFrom(200, 204, 302, 404, 500, 503)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('publish' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('claim' as const), limit: fc.integer({ min: 1, max: 5 }) }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('answer' as const), which, status }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('stall' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('answer late' as const), which, status }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('release' as const), which }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      seconds: fc.constantFrom(5, 16, 70, 400, 16_000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('rescue' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('retry' as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which }) },
)

it('any sequence of publish, claim, answer, crash, stall, rescue, retry and cancel keeps the invariants', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 60, size: 'max' }), async (steps) => {
      await database.query('DELETE FROM postrider.webhook_deliveries')
      const clock = new MovedClock()
      const model: Model = {
        clock,
        recorder: new Recorder({ database, clock, logger: silentLogger }),
        held: [],
        stale: [],
        published: 0,
        finished: new Map(),
      }
      for (const each of [{ kind: 'publish' } as const, ...steps]) {
        await take(each, model)
        await check(model)
      }
    }),
    { numRuns: 50 },
  )
}, 120_000)

async function take(each: Step, model: Model): Promise<void> {
  const { clock } = model
  switch (each.kind) {
    case 'publish':
      await publish(database, { projectId, type: 'tested', data: model.published })
      model.published += 1
      // The rows carry the database's time, which goes on by itself.
      clock.advance(1)
      return
    case 'claim':
      model.held.push(...(await claimDue(clock, each.limit)))
      return
    case 'answer':
      await answer(model, take1(model.held, each.which), each.status)
      return
    case 'crash':
      model.held = []
      return
    case 'stall':
      model.stale.push(...model.held.splice(0))
      clock.advance(16)
      await rescueExpired(database, clock.now())
      model.held.push(...(await claimDue(clock, 5)))
      return
    case 'answer late':
      await answer(model, take1(model.stale, each.which), each.status)
      return
    case 'release': {
      const delivery = take1(model.held, each.which)
      if (delivery) await release(database, [delivery], clock.now())
      return
    }
    case 'wait':
      clock.advance(each.seconds)
      return
    case 'rescue':
      await rescueExpired(database, clock.now())
      return
    case 'retry':
    case 'cancel': {
      const id = await someDelivery(each.which)
      if (!id) return
      const key = { projectId, id }
      const done =
        each.kind === 'retry'
          ? retryDelivery(database, key, { now: clock.now(), scheduleLength: 6 })
          : cancelDelivery(database, key)
      const changed = await done.then(
        () => true,
        (error: PostriderError) => {
          expect(error.code).toBe('conflict')
          return false
        },
      )
      if (changed) model.finished.delete(id)
    }
  }
}

function claimDue(clock: MovedClock, limit: number): Promise<ClaimedDelivery[]> {
  return claim(database, {
    now: clock.now(),
    leaseToken: crypto.randomUUID(),
    leaseSeconds: 15,
    limit,
    maxInFlight: 3,
    inFlight: new Map(),
    afterWebhookId: firstWebhookId,
  })
}

async function answer(model: Model, delivery: ClaimedDelivery | undefined, code: number): Promise<void> {
  if (!delivery) return
  const { clock, recorder } = model
  const reply: Answer = {
    kind: 'answer',
    status: code,
    headers: {},
    body: '',
    bodyTruncated: false,
    durationMs: 1,
  }
  const outcome = judge(
    reply,
    { attempts: delivery.attempts, maxAttempts: delivery.max_attempts },
    { now: clock.now(), retrySeconds, random: () => 0 },
  )
  const before = await tokenOf(delivery.id)
  const written = await recorder.record({
    delivery,
    outcome,
    attempt: {
      startedAt: clock.now(),
      durationMs: 1,
      requestHeaders: {},
      responseHeaders: {},
      responseBody: '',
    },
  })
  // Believed exactly when the lease was still this claim's.
  expect(written).toBe(before === delivery.lease_token)
}

function take1(from: ClaimedDelivery[], index: number): ClaimedDelivery | undefined {
  return from.length === 0 ? undefined : from.splice(index % from.length, 1)[0]
}

async function tokenOf(id: string): Promise<string | null> {
  const { rows } = await database.query<{ lease_token: string | null }>(
    `SELECT lease_token FROM postrider.webhook_deliveries WHERE id = $1::uuid`,
    [id],
  )
  return rows[0]!.lease_token
}

async function someDelivery(index: number): Promise<string | undefined> {
  const { rows } = await database.query<{ id: string }>(
    `SELECT id FROM postrider.webhook_deliveries ORDER BY id`,
  )
  return rows[index % Math.max(rows.length, 1)]?.id
}

interface Row {
  id: string
  status: string
  attempts: number
  max_attempts: number
  rescues: number
  max_rescues: number
  delivered_at: Date | null
  lease_token: string | null
  numbers: number[]
  interrupted: number
  outcomes: string[]
  whole: string
}

async function check(model: Model): Promise<void> {
  const { rows } = await database.query<Row>(
    `SELECT delivery.*, to_jsonb(delivery)::text AS whole,
            COALESCE(array_agg(attempt.attempt ORDER BY attempt.attempt) FILTER (WHERE attempt.id IS NOT NULL), '{}') AS numbers,
            COALESCE(array_agg(attempt.outcome ORDER BY attempt.attempt) FILTER (WHERE attempt.id IS NOT NULL), '{}') AS outcomes,
            COUNT(*) FILTER (WHERE attempt.outcome = 'interrupted')::integer AS interrupted
     FROM postrider.webhook_deliveries AS delivery
     LEFT JOIN postrider.webhook_delivery_attempts AS attempt
       ON attempt.delivery_id = delivery.id
     GROUP BY delivery.id`,
  )
  // Nothing lost, nothing doubled: each event has one delivery for each of the two webhooks.
  expect(rows).toHaveLength(model.published * 2)
  for (const row of rows) {
    expect(row.attempts).toBeLessThanOrEqual(row.max_attempts)
    expect(row.rescues).toBeLessThanOrEqual(row.max_rescues)
    expect(row.delivered_at !== null).toBe(row.status === 'delivered')
    expect(row.lease_token !== null).toBe(row.status === 'delivering')
    // One row for each try, numbered from 1 without a gap.
    expect(row.numbers).toEqual(Array.from({ length: row.attempts + row.rescues }, (_, index) => index + 1))
    expect(row.interrupted).toBe(row.rescues)
    if (row.status === 'delivered') expect(row.outcomes.at(-1)).toBe('delivered')
    // What is finished stays as it is until somebody asks for more.
    if (row.status === 'delivered' || row.status === 'failed') {
      expect(row.whole).toBe(model.finished.get(row.id) ?? row.whole)
      model.finished.set(row.id, row.whole)
    } else {
      expect(model.finished.has(row.id)).toBe(false)
    }
  }
  for (const delivery of model.held) {
    const row = rows.find(({ id }) => id === delivery.id)!
    if (row.lease_token === delivery.lease_token) expect(row.numbers).not.toContain(attemptNumber(delivery))
  }
}
