import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { PostriderError } from '../../src/contract/errors.ts'
import {
  attemptNumber,
  claim,
  type ClaimedDelivery,
  firstWebhookId,
  giveBack,
  isLastChance,
} from '../../src/deliver/claim.ts'
import { cancelDelivery, retryDelivery } from '../../src/deliver/deliveries.ts'
import { judge } from '../../src/deliver/judge.ts'
import { Recorder } from '../../src/deliver/record.ts'
import { promote } from '../../src/deliver/let-out.ts'
import { Life } from '../../src/deliver/life.ts'
import { requeueLost } from '../../src/deliver/lost.ts'
import { endLife, rescueExpired } from '../../src/deliver/rescue.ts'
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
  // What it keeps back is decided by the steps: whoever holds a delivery of it may say so.
  await database.query(
    `UPDATE postrider.webhooks SET filter = 'event.data >= 0' WHERE url = 'https://example.com/b'`,
  )
})
afterAll(() => database.close())

/** A worker's life and what it has in flight. */
interface Shift {
  life: Life
  recorder: Recorder
  held: ClaimedDelivery[]
  finished: string[]
}

interface Model {
  clock: MovedClock
  shift: Shift
  /** Lives that stood still until others took over: their results come late. */
  stale: Shift[]
  published: number
  /** Finished without anybody having retried it since: its row as it stood then. */
  finished: Map<string, string>
  /** What was last claimed and then noted as being sent alone, and the number of that try. */
  alone: Map<string, number>
}

type Step =
  | { kind: 'publish' }
  | { kind: 'claim'; limit: number }
  | { kind: 'answer'; which: number; status: number }
  /** Its filter keeps it back: nothing is sent. */
  | { kind: 'filter'; which: number }
  | { kind: 'filter late'; which: number }
  | { kind: 'crash' }
  /** The worker stands still until its lease ran out and another has taken its deliveries over. */
  | { kind: 'stall' }
  | { kind: 'answer late'; which: number; status: number }
  | { kind: 'stop' }
  /** What would fail at the next crash is sent with nothing else in flight: the rest goes back. */
  | { kind: 'send alone' }
  /** All that was claimed goes back: none of it was sent. */
  | { kind: 'give back' }
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
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('filter' as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('filter late' as const), which }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('stall' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('answer late' as const), which, status }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stop' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('send alone' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('give back' as const) }) },
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

it('any sequence of publish, claim, answer, filter, crash, stall, rescue, retry and cancel keeps the invariants', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 60, size: 'max' }), async (steps) => {
      await database.query('DELETE FROM postrider.deliveries')
      await database.query(
        'TRUNCATE postrider.delivery_queue, postrider.delivery_schedule, postrider.workers, postrider.filtered_deliveries',
      )
      const clock = new MovedClock()
      const model: Model = {
        clock,
        shift: await beginShift(clock),
        stale: [],
        published: 0,
        finished: new Map(),
        alone: new Map(),
      }
      for (const each of [{ kind: 'publish' } as const, ...steps]) {
        await take(each, model)
        await check(model)
      }
    }),
    { numRuns: 50 },
  )
}, 120_000)

async function beginShift(clock: MovedClock): Promise<Shift> {
  const life = new Life({ leaseSeconds: 15, clock })
  await life.begin(database)
  return {
    life,
    recorder: new Recorder({ database, life, clock, logger: silentLogger }),
    held: [],
    finished: [],
  }
}

async function take(each: Step, model: Model): Promise<void> {
  const { clock, shift } = model
  switch (each.kind) {
    case 'publish':
      await publish(database, { projectId, type: 'tested', data: model.published })
      model.published += 1
      // So that many come as far as that.
      await database.query(
        `UPDATE postrider.deliveries
         SET max_rescues = 2
         WHERE max_rescues = 5
           AND rescues = 0
           AND status = 'pending'`,
      )
      // The rows carry the database's time, which goes on by itself.
      clock.advance(1)
      return
    case 'claim':
      await claimDue(model, each.limit)
      return
    case 'answer':
      await answer(model, shift, each)
      return
    case 'filter':
      await filter(shift, each.which)
      return
    case 'filter late': {
      const late = model.stale[each.which % Math.max(model.stale.length, 1)]
      if (late) await filter(late, each.which)
      return
    }
    case 'crash':
      model.shift = await beginShift(clock)
      return
    case 'stall':
      model.stale.push(shift)
      clock.advance(16)
      await rescueExpired(database, clock.now())
      model.shift = await beginShift(clock)
      clock.advance(30)
      await claimDue(model, 5)
      return
    case 'answer late': {
      const late = model.stale[each.which % Math.max(model.stale.length, 1)]
      if (late) await answer(model, late, each)
      return
    }
    case 'stop':
      await endLife(database, shift.life.id, clock.now())
      model.shift = await beginShift(clock)
      return
    case 'send alone': {
      const held = shift.held.find(isLastChance)
      if (!held) return
      const isNoted = await giveBack(database, shift.life.id, { kept: [held.id], alone: held.id })
      shift.held = [held]
      if (isNoted) model.alone.set(held.id, attemptNumber(held))
      return
    }
    case 'give back':
      await giveBack(database, shift.life.id, { kept: [] })
      shift.held = []
      return
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

async function claimDue({ clock, shift, alone }: Model, limit: number): Promise<void> {
  await promote(database, clock.now())
  const claimed = await claim(database, {
    workerId: shift.life.id,
    now: clock.now(),
    limit,
    maxHeld: 3,
    limits: { held: new Map(), most: new Map() },
    finished: shift.finished,
    afterWebhookId: firstWebhookId,
  })
  if (claimed.length > 0) shift.finished = []
  shift.held.push(...claimed)
  for (const { id } of claimed) alone.delete(id)
}

async function answer(
  { clock }: Model,
  shift: Shift,
  reply: { which: number; status: number },
): Promise<void> {
  const [delivery] = shift.held.splice(reply.which % Math.max(shift.held.length, 1), 1)
  if (!delivery) return
  const answered: Answer = {
    kind: 'answer',
    status: reply.status,
    headers: {},
    body: '',
    bodyTruncated: false,
    durationMs: 1,
  }
  const outcome = judge(
    answered,
    { attempts: delivery.attempts, maxAttempts: delivery.max_attempts },
    { now: clock.now(), retrySeconds, random: () => 0 },
  )
  const { rows: lives } = await database.query('SELECT FROM postrider.workers WHERE id = $1::uuid', [
    shift.life.id,
  ])
  const attempt = {
    startedAt: clock.now(),
    durationMs: 1,
    requestHeaders: {},
    responseHeaders: {},
    responseBody: '',
  }
  const written = await shift.recorder.record({ delivery, outcome, attempt })
  // Believed exactly while nobody has ended this life.
  expect(written).toBe(lives.length === 1)
  shift.finished.push(delivery.id)
}

/** Of a webhook without a filter nothing is filtered, and nothing that was tried before. */
async function filter(shift: Shift, index: number): Promise<void> {
  const filterable = shift.held.filter(({ shape_id, attempts }) => shape_id !== null && attempts === 0)
  const delivery = filterable[index % Math.max(filterable.length, 1)]
  if (!delivery) return
  shift.held.splice(shift.held.indexOf(delivery), 1)
  const { rows: lives } = await database.query('SELECT FROM postrider.workers WHERE id = $1::uuid', [
    shift.life.id,
  ])
  const written = await shift.recorder.record({ delivery, filtered: 'the filter does not match' })
  expect(written).toBe(lives.length === 1)
  shift.finished.push(delivery.id)
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
  last_error: string | null
  delivered_at: Date | null
  places: number
  numbers: number[]
  interrupted: number
  outcomes: string[]
  whole: string
}

async function check(model: Model): Promise<void> {
  const { rows } = await database.query<Row>(
    `SELECT delivery.*, to_jsonb(delivery)::text AS whole,
            COALESCE(array_agg(attempt.attempt ORDER BY attempt.attempt) FILTER (WHERE attempt.attempt IS NOT NULL), '{}') AS numbers,
            COALESCE(array_agg(attempt.outcome ORDER BY attempt.attempt) FILTER (WHERE attempt.attempt IS NOT NULL), '{}') AS outcomes,
            COUNT(*) FILTER (WHERE attempt.outcome = 'interrupted')::integer AS interrupted,
            (
              (SELECT COUNT(*) FROM postrider.delivery_queue AS queued WHERE queued.delivery_id = delivery.id)
              + (SELECT COUNT(*) FROM postrider.delivery_schedule AS waiting WHERE waiting.delivery_id = delivery.id)
              + (
                SELECT COUNT(*)
                FROM postrider.workers AS worker
                CROSS JOIN LATERAL unnest(worker.in_flight, worker.in_flight_attempts) AS entry (id, attempt)
                WHERE entry.id = delivery.id
                  AND entry.attempt = delivery.attempts + delivery.rescues + 1
              )
            )::integer AS places
     FROM postrider.deliveries AS delivery
     LEFT JOIN postrider.webhook_delivery_attempts AS attempt
       ON attempt.delivery_id = delivery.id
     GROUP BY delivery.id`,
  )
  // Nothing lost, nothing doubled: each event has one delivery for each of the two webhooks, or its filter kept it back.
  const { rows: filtered } = await database.query<{ delivered_too: boolean }>(
    `SELECT EXISTS (
              SELECT
              FROM postrider.deliveries AS delivery
              WHERE delivery.event_id = filtered.event_id
                AND delivery.webhook_id = filtered.webhook_id
            ) AS delivered_too
     FROM postrider.filtered_deliveries AS filtered`,
  )
  expect(rows.length + filtered.length).toBe(model.published * 2)
  expect(filtered.filter(({ delivered_too }) => delivered_too)).toEqual([])
  const { rows: orphans } = await database.query<{ delivery_id: string }>(
    `SELECT attempt.delivery_id
     FROM postrider.webhook_delivery_attempts AS attempt
     WHERE NOT EXISTS (SELECT FROM postrider.deliveries AS delivery WHERE delivery.id = attempt.delivery_id)`,
  )
  expect(orphans).toEqual([])
  for (const row of rows) {
    expect(row.attempts).toBeLessThanOrEqual(row.max_attempts)
    expect(row.rescues).toBeLessThanOrEqual(row.max_rescues)
    expect(row.delivered_at !== null).toBe(row.status === 'delivered')
    // What is not finished waits or is held in exactly one place, and what is finished nowhere.
    expect(row.places).toBe(row.status === 'pending' ? 1 : 0)
    // One row for each try, numbered from 1 without a gap.
    expect(row.numbers).toEqual(Array.from({ length: row.attempts + row.rescues }, (_, index) => index + 1))
    expect(row.interrupted).toBe(row.rescues)
    if (row.status === 'delivered') expect(row.outcomes.at(-1)).toBe('delivered')
    // What kills workers was in flight by itself.
    if (row.status === 'failed' && row.last_error === 'worker crashed')
      expect(model.alone.get(row.id)).toBe(row.numbers.at(-1))
    // What is finished stays as it is until somebody asks for more.
    if (row.status === 'delivered' || row.status === 'failed') {
      expect(row.whole).toBe(model.finished.get(row.id) ?? row.whole)
      model.finished.set(row.id, row.whole)
    } else {
      expect(model.finished.has(row.id)).toBe(false)
    }
  }
  expect(await requeueLost(database)).toBe(0)
}
