import { expect, it } from 'vitest'
import { Deliveries } from '../../simulation/deliveries.ts'
import { Queue } from '../../simulation/queue.ts'
import { Random } from '../../simulation/random.ts'
import { type OpenBreaker, probing, room } from '../../src/deliver/breaker.ts'
import { claim, firstWebhookId } from '../../src/deliver/claim.ts'
import { Life } from '../../src/deliver/life.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

const { database } = await createTestDatabase()

const webhooks = 30
const rounds = 60
const start = new Date('2026-01-01T12:00:00Z')

/**
 * What a run cannot do is ask PostgreSQL a billion times: its queue is a model of `postrider.claim_deliveries`. Here both are
 * given the same rows, breakers and wishes, one after the other, until nothing is left to disagree about.
 */
it('the queue of the simulation hands out the same deliveries as the database, claim by claim', async () => {
  const random = new Random(11)
  const projectId = await insertProject(database)
  const ids: string[] = []
  for (let place = 0; place < webhooks; place += 1) ids.push(await insertWebhook(database, { projectId }))
  ids.sort()

  const deliveries = new Deliveries(16)
  const queue = new Queue(deliveries, { webhooks, nameOf: (webhook) => ids[webhook]! })
  const idOf = new Map<number, string>()
  let rows = 0
  const add = async (count: number): Promise<void> => {
    for (let left = count; left > 0; left -= 1) {
      // Some have many, some few; no two are due at the same moment, which neither side would order.
      const webhook = Math.floor(random.next() ** 2 * webhooks)
      const dueAt = new Date(start.getTime() - random.below(3_600) * 1_000 - rows)
      rows += 1
      const delivery = deliveries.add(webhook, dueAt.getTime())
      queue.add(delivery)
      idOf.set(delivery, await insertDue(projectId, ids[webhook]!, dueAt))
    }
  }
  await add(300)

  const breakers = new Map<number, OpenBreaker>()
  for (let webhook = 0; webhook < webhooks; webhook += 3) {
    const breaker = randomBreaker(random)
    breakers.set(webhook, breaker)
    await insertBreaker(projectId, ids[webhook]!, breaker)
  }

  const life = new Life({ leaseSeconds: 300, clock: { now: () => start } })
  await life.begin(database)
  let taken = 0
  let empty = 0
  for (let round = 0; round < rounds; round += 1) {
    const now = new Date(start.getTime() + round * 1_000)
    const wanted = {
      limit: 1 + random.below(24),
      maxHeld: 1 + random.below(8),
      held: numbersFor(ids, random, 4),
      most: numbersFor(ids, random, 12),
      afterWebhook: random.below(webhooks + 1) - 1,
    }
    const { deliveries: picked, probes } = queue.take({
      ...wanted,
      roomOf: (webhook) => (breakers.has(webhook) ? room(breakers.get(webhook)!, now) : Infinity),
      onProbes: (webhook) => breakers.set(webhook, probing(breakers.get(webhook)!, now)),
    })
    const claimed = await claim(database, {
      workerId: life.id,
      now,
      limit: wanted.limit,
      maxHeld: wanted.maxHeld,
      limits: { held: wanted.held, most: wanted.most },
      finished: [],
      afterWebhookId: ids[wanted.afterWebhook] ?? firstWebhookId,
    })
    const idsOf = (some: Iterable<number>): string[] => Array.from(some, (delivery) => idOf.get(delivery)!)
    expect(claimed.map(({ id }) => id).toSorted()).toEqual(idsOf(picked).toSorted())
    expect(
      claimed
        .filter(({ is_probe }) => is_probe)
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual(idsOf(probes).toSorted())
    taken += picked.length
    if (picked.length === 0) empty += 1
    if (round % 20 === 10) await add(60)
  }
  // It was about something: many were handed out, and not only until the queue was empty.
  expect(taken).toBeGreaterThan(200)
  expect(empty).toBeLessThan(rounds / 2)
  const { rows: left } = await database.query<{ count: number }>(
    'SELECT COUNT(*)::integer AS count FROM postrider.delivery_queue',
  )
  expect(left[0]!.count).toBe(queue.length)
})

/** A number for some of them. */
function numbersFor(ids: readonly string[], random: Random, end: number): Map<string, number> {
  return new Map(ids.filter(() => random.next() < 0.4).map((id) => [id, random.below(end)]))
}

function randomBreaker(random: Random): OpenBreaker {
  const after = (seconds: number): Date => new Date(start.getTime() + seconds * 1_000)
  return {
    failedProbes: random.below(4),
    goodProbes: random.below(3),
    probeAt: after(random.below(40) - 10),
    // Of some nobody has heard for long.
    endsAt: after(random.next() < 0.3 ? random.below(30) : 300),
  }
}

async function insertBreaker(projectId: string, webhookId: string, breaker: OpenBreaker): Promise<void> {
  await database.query(
    `INSERT INTO postrider.webhook_breakers (
       webhook_id, project_id, opened_at, probe_at, failed_probes, good_probes, ends_at
     )
     VALUES ($1::uuid, $2::uuid, $3::timestamptz, $4::timestamptz, $5::integer, $6::integer, $7::timestamptz)`,
    [webhookId, projectId, start, breaker.probeAt, breaker.failedProbes, breaker.goodProbes, breaker.endsAt],
  )
}

async function insertDue(projectId: string, webhookId: string, dueAt: Date): Promise<string> {
  const { rows } = await database.query<{ id: string }>(
    `INSERT INTO postrider.webhook_deliveries (
       id, webhook_id, project_id, event_id, event_type, payload, status, attempts, max_attempts, scheduled_at, created_at,
       rescues, max_rescues
     )
     VALUES (
       postrider.uuid_generate_v7(), $1::uuid, $2::uuid, postrider.uuid_generate_v7(), 'config.deployed', '{}', 'pending',
       0, 6, $3::timestamptz, $3::timestamptz, 0, 5
     )
     RETURNING id`,
    [webhookId, projectId, dueAt],
  )
  return rows[0]!.id
}
