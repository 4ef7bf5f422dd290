import { describe, expect, it } from 'vitest'
import type { Database } from '../../src/database/database.ts'
import { opened, type OpenBreaker, opensAfter, probing, room } from '../../src/deliver/breaker.ts'
import { claim, firstWebhookId } from '../../src/deliver/claim.ts'
import { failOverdue } from '../../src/deliver/inactive.ts'
import { Life } from '../../src/deliver/life.ts'
import { publishMany } from '../../src/publish/publish.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { TestWorker } from '../support/engine.ts'
import { Receiver } from '../support/receiver.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

async function stage({ events, status = 503 }: { events: number; status?: number }) {
  const { database } = await createTestDatabase()
  const receiver = await Receiver.start({ answer: () => ({ status }) })
  const projectId = await insertProject(database)
  const webhookId = await insertWebhook(database, { projectId, url: receiver.url })
  await publishMany(
    database,
    Array.from({ length: events }, (_, n) => ({ projectId, type: 'a.b', data: n })),
  )
  return { database, receiver, projectId, webhookId, clock: new MovedClock() }
}

async function breakerOf(database: Database, webhookId: string): Promise<OpenBreaker | undefined> {
  const { rows } = await database.query<OpenBreaker>(
    `SELECT failed_probes AS "failedProbes", good_probes AS "goodProbes", probe_at AS "probeAt", ends_at AS "endsAt"
     FROM postrider.webhook_breakers
     WHERE webhook_id = $1::uuid`,
    [webhookId],
  )
  return rows[0]
}

async function count(database: Database, from: string): Promise<number> {
  const { rows } = await database.query<{ count: number }>(`SELECT COUNT(*)::integer AS count FROM ${from}`)
  return rows[0]!.count
}

describe('a dead endpoint', () => {
  it('gets few requests while a hundred deliveries wait at their place, and all of them when it is back', async () => {
    const { database, receiver, webhookId, clock } = await stage({ events: 100 })
    // Its lease is that long, since the clock is moved beside it.
    await using worker = new TestWorker({ database, clock, leaseSeconds: 300 })
    await worker.start()
    await expect.poll(() => breakerOf(database, webhookId), { timeout: 15_000 }).toBeDefined()
    // What was claimed ahead is back in the queue, and its tries are not used up.
    await expect
      .poll(
        () =>
          count(
            database,
            `(
              SELECT FROM postrider.delivery_queue
              UNION ALL
              SELECT FROM postrider.delivery_schedule
            ) AS waiting`,
          ),
        { timeout: 15_000 },
      )
      .toBe(100)
    const untilOpen = receiver.requests.length
    expect(untilOpen).toBeGreaterThanOrEqual(opensAfter)
    // Those that found it down, and those that were on their way meanwhile.
    expect(untilOpen).toBeLessThanOrEqual(opensAfter + 8)
    expect(await count(database, 'postrider.deliveries WHERE attempts > 0')).toBe(untilOpen)

    // Ten minutes of it: a probe after 10, 20 and 40 s, then one each minute.
    let probes = 0
    for (let seconds = 0; seconds < 600; seconds += 10) {
      clock.advance(10)
      const before = (await breakerOf(database, webhookId))!
      if (before.probeAt > clock.now()) continue
      worker.wake()
      probes += 1
      await expect
        .poll(async () => (await breakerOf(database, webhookId))!.endsAt.getTime(), { timeout: 15_000 })
        .toBe(clock.now().getTime() + 300_000)
    }
    expect(receiver.requests).toHaveLength(untilOpen + probes)
    expect(probes).toBeLessThanOrEqual(12)

    receiver.answer = () => ({ status: 204 })
    const dueAgain = await count(database, `postrider.delivery_queue`)
    clock.advance(60)
    worker.wake()
    await expect
      .poll(() => count(database, `postrider.deliveries WHERE status = 'delivered'`), { timeout: 15_000 })
      .toBeGreaterThanOrEqual(dueAgain)
    expect(await breakerOf(database, webhookId)).toBeUndefined()
    await receiver.close()
  })

  it('that answers 4xx is there: each delivery uses up its tries by its schedule', async () => {
    const { database, receiver, webhookId, clock } = await stage({ events: 30, status: 404 })
    await using worker = new TestWorker({ database, clock })
    await worker.start()
    await worker.ended(30)
    expect(await breakerOf(database, webhookId)).toBeUndefined()
    expect(receiver.requests).toHaveLength(30)
    await receiver.close()
  })

  it('that another worker found down is probed by one of all workers at a time', async () => {
    const { database, webhookId, receiver, clock } = await stage({ events: 30 })
    await open(database, webhookId, clock.now())
    const lives = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const life = new Life({ leaseSeconds: 15, clock })
        await life.begin(database)
        return life
      }),
    )
    let breaker = (await breakerOf(database, webhookId))!
    expect(breaker).toEqual(opened(clock.now()))
    for (const goodProbes of [0, 0, 0, 1, 2]) {
      await database.query(
        `UPDATE postrider.webhook_breakers SET good_probes = $1::integer, ends_at = $2::timestamptz`,
        [goodProbes, new Date(clock.now().getTime() + 300_000)],
      )
      breaker = (await breakerOf(database, webhookId))!
      expect(room(breaker, clock.now())).toBe(0)
      clock.moveTo(new Date(breaker.probeAt.getTime() - 1_000))
      expect((await claimAll(database, lives, clock)).length).toBe(0)
      clock.moveTo(breaker.probeAt)
      const claimed = await claimAll(database, lives, clock)
      expect(claimed.map(({ is_probe }) => is_probe)).toEqual(
        Array.from({ length: room(breaker, clock.now()) }, () => true),
      )
      // The claim does in SQL what the state machine says.
      expect(await breakerOf(database, webhookId)).toEqual(probing(breaker, clock.now()))
    }
    await receiver.close()
  })

  it('whose breaker nobody confirms any more is tried as any other, and no delivery of it counts as a probe', async () => {
    const { database, webhookId, receiver, clock } = await stage({ events: 3 })
    await open(database, webhookId, clock.now())
    clock.advance(300)
    const life = new Life({ leaseSeconds: 15, clock })
    await life.begin(database)
    expect((await claimAll(database, [life], clock)).map(({ is_probe }) => is_probe)).toEqual([
      false,
      false,
      false,
    ])
    await receiver.close()
  })

  it('keeps no delivery for ever: it fails when its schedule would have ended, and says why', async () => {
    const { database, webhookId, receiver, clock } = await stage({ events: 2 })
    await open(database, webhookId, clock.now())
    const waitSeconds = 60 + 300 + 900 + 3_600 + 14_400
    expect(await failOverdue(database, { now: clock.now(), waitSeconds })).toBe(0)
    clock.advance(waitSeconds + 10)
    await database.query(`UPDATE postrider.webhook_breakers SET ends_at = $1::timestamptz`, [
      new Date(clock.now().getTime() + 60_000),
    ])
    expect(await failOverdue(database, { now: clock.now(), waitSeconds })).toBe(2)
    const { rows } = await database.query(
      'SELECT DISTINCT status, last_error, attempts FROM postrider.deliveries',
    )
    expect(rows).toEqual([{ status: 'failed', last_error: 'endpoint down: connection refused', attempts: 0 }])
    expect(await count(database, 'postrider.delivery_queue')).toBe(0)
    await receiver.close()
  })

  it('fails nothing that only waited for its turn before the breaker opened', async () => {
    const { database, webhookId, receiver, clock } = await stage({ events: 2 })
    await database.query(`UPDATE postrider.webhooks SET retry_seconds = '{10}' WHERE id = $1::uuid`, [
      webhookId,
    ])
    clock.advance(3_600)
    await open(database, webhookId, clock.now())
    expect(await failOverdue(database, { now: clock.now(), waitSeconds: 60 })).toBe(0)
    await database.query(`UPDATE postrider.webhook_breakers SET ends_at = ends_at + interval '1 hour'`)
    clock.advance(599)
    expect(await failOverdue(database, { now: clock.now(), waitSeconds: 60 })).toBe(0)
    clock.advance(1)
    expect(await failOverdue(database, { now: clock.now(), waitSeconds: 60 })).toBe(2)
    await receiver.close()
  })

  it('starts anew where its webhook is made active again or gets another URL', async () => {
    const { database, webhookId, receiver, clock } = await stage({ events: 0 })
    for (const change of [`url = 'https://example.com/other'`, 'is_active = false']) {
      await open(database, webhookId, clock.now())
      await database.query(`UPDATE postrider.webhooks SET description = 'same' WHERE id = $1::uuid`, [
        webhookId,
      ])
      expect(await breakerOf(database, webhookId)).toBeDefined()
      await database.query(`UPDATE postrider.webhooks SET ${change} WHERE id = $1::uuid`, [webhookId])
      expect(await breakerOf(database, webhookId)).toBeUndefined()
    }
    await receiver.close()
  })
})

async function open(database: Database, webhookId: string, now: Date): Promise<void> {
  const { probeAt, endsAt } = opened(now)
  await database.query(
    `INSERT INTO postrider.webhook_breakers (webhook_id, project_id, opened_at, probe_at, ends_at, last_error)
     SELECT id, project_id, $2::timestamptz, $3::timestamptz, $4::timestamptz, 'connection refused'
     FROM postrider.webhooks
     WHERE id = $1::uuid`,
    [webhookId, now, probeAt, endsAt],
  )
}

async function claimAll(database: Database, lives: readonly Life[], clock: MovedClock) {
  const claims = await Promise.all(
    lives.map((life) =>
      claim(database, {
        workerId: life.id,
        now: clock.now(),
        limit: 100,
        maxHeld: 8,
        limits: { held: new Map(), most: new Map() },
        finished: [],
        afterWebhookId: firstWebhookId,
      }),
    ),
  )
  return claims.flat()
}
