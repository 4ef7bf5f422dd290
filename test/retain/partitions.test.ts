import { randomUUID } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/database/database.ts'
import { stepJob } from '../../src/deliver/job-steps.ts'
import { createJob } from '../../src/deliver/jobs.ts'
import { publish } from '../../src/publish/publish.ts'
import { expire, usualCutoff } from '../../src/retain/expire.ts'
import { daysAhead, makePartitions } from '../../src/retain/make-partitions.ts'
import { type Partition, readPartitions, startOfDay } from '../../src/retain/partitions.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertHistory } from '../support/dated-history.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

const now = new Date()
const day = (number: number): Date => startOfDay(now, number)
const noonOf = (number: number): Date => new Date(day(number).getTime() + 43_200_000)

let database: Database
let projectId: string
let webhookId: string

beforeEach(async () => {
  ;({ database } = await createTestDatabase())
  projectId = await insertProject(database)
  webhookId = await insertWebhook(database, { projectId })
})

const ofDeliveries = (partitions: readonly Partition[]) =>
  partitions.filter(({ history }) => history === 'deliveries')

/** Days, each with a partition of its own, as the upkeep makes them. */
async function makeDays(count: number): Promise<void> {
  for (let number = -daysAhead; number <= count - daysAhead; number += 1) {
    await makePartitions(database, { now: noonOf(number), keptDays: 10 })
  }
}

async function count(table: string): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    `SELECT COUNT(*)::integer AS count FROM postrider.${table}`,
  )
  return rows[0]!.count
}

async function partitionOf(deliveryId: string): Promise<string> {
  const { rows } = await database.query<{ name: string }>(
    `SELECT (SELECT relname::text FROM pg_class WHERE oid = row.tableoid) AS name FROM postrider.deliveries AS row WHERE id = $1::uuid`,
    [deliveryId],
  )
  return rows[0]!.name
}

describe('partitions ahead', () => {
  it('a new installation has its history partitioned, and the upkeep makes today and three days more', async () => {
    expect(ofDeliveries(await readPartitions(database)).map(({ name }) => name)).toEqual([
      'deliveries_past',
      'deliveries_open',
      'deliveries_other',
    ])
    const made = await Promise.all([1, 2, 3].map(() => makePartitions(database, { now, keptDays: 10 })))
    expect(Math.max(...made)).toBeGreaterThan(0)
    expect(await makePartitions(database, { now, keptDays: 10 })).toBe(0)
    const partitions = await readPartitions(database)
    for (const history of ['deliveries', 'webhook_delivery_attempts', 'events']) {
      const days = partitions.filter((part) => part.history === history && /_\d{8}$/.test(part.name))
      expect(days.map(({ since }) => since)).toEqual([day(0), day(1), day(2), day(3)])
      expect(days.map(({ until }) => until)).toEqual([day(1), day(2), day(3), day(4)])
    }
  })

  it('are of several days where the history is kept for months', async () => {
    await makePartitions(database, { now, keptDays: 30 })
    const days = ofDeliveries(await readPartitions(database)).filter(({ name }) => /_\d{8}$/.test(name))
    expect(days.map(({ since, until }) => [since, until])).toEqual([
      [day(0), day(3)],
      [day(3), day(6)],
    ])
  })

  it('what was written while nobody made them stays where it can be found', async () => {
    const { id } = await publish(database, { projectId, type: 'a', data: 1 })
    const weeks = await insertHistory(database, { projectId, webhookId, at: noonOf(9), count: 5_100 })
    const other = randomUUID().replace(/^../, 'ff')
    await database.query(
      `INSERT INTO postrider.webhook_deliveries (id, webhook_id, event_id, event_type, payload, status)
       VALUES ($1::uuid, $2::uuid, gen_random_uuid(), 'a', '{}', 'failed')`,
      [other, webhookId],
    )
    await makePartitions(database, { now: noonOf(10), keptDays: 10 })

    expect(await count('deliveries')).toBe(5_102)
    expect(await partitionOf(weeks[0]!.id)).toMatch(/^deliveries_\d{8}$/)
    expect(await partitionOf(other)).toBe('deliveries_other')
    const { rows } = await database.query<{ payload: unknown }>(
      `SELECT payload FROM postrider.webhook_deliveries WHERE event_id = ANY($1::uuid[])`,
      [[id, weeks[0]!.event_id]],
    )
    expect(rows.every(({ payload }) => payload !== null)).toBe(true)
    const open = ofDeliveries(await readPartitions(database)).find(({ name }) => name === 'deliveries_open')
    expect(open!.since!.getTime()).toBeGreaterThanOrEqual(day(10 + daysAhead).getTime())
  })

  it('a role that was granted all tables sees in none of them what is not its project', async () => {
    const { rows } = await database.query<{ open: string }>(
      `SELECT relname AS open
       FROM pg_class
       WHERE relnamespace = 'postrider'::regnamespace
         AND relispartition
         AND relkind = 'r'
         AND NOT relrowsecurity`,
    )
    expect(rows).toEqual([])
  })
})

describe('what has expired', () => {
  it('is dropped by the day, but for what is not finished, with its attempts and its event', async () => {
    await makeDays(8)
    const old = await insertHistory(database, { projectId, webhookId, at: noonOf(1), count: 300 })
    const failed = await insertHistory(database, {
      projectId,
      webhookId,
      at: noonOf(2),
      count: 20,
      status: 'failed',
    })
    const [unfinished] = await insertHistory(database, {
      projectId,
      webhookId,
      at: noonOf(2),
      count: 1,
      status: 'pending',
    })
    const kept = await insertHistory(database, { projectId, webhookId, at: noonOf(3), count: 30 })

    expect(await expire(database, day(3))).toEqual({ deliveries: 320, events: 320 })

    expect(await count('deliveries')).toBe(31)
    expect(await count('webhook_delivery_attempts')).toBe(31)
    expect(await count('events')).toBe(31)
    expect(await count('event_ids')).toBe(31)
    expect(await count('failed_deliveries')).toBe(0)
    expect(await partitionOf(unfinished!.id)).toBe('deliveries_past')
    const first = ofDeliveries(await readPartitions(database))[0]!
    expect(first).toMatchObject({ name: 'deliveries_past', since: null, until: day(3) })
    const { rows } = await database.query(
      `SELECT relname FROM pg_class WHERE relnamespace = 'postrider'::regnamespace AND relname LIKE '%expired%' AND relkind = 'r'`,
    )
    expect(rows).toEqual([])
    // Its event can be sent, one that is gone can be published again, and one that is kept cannot.
    const payloads = await database.query(
      `SELECT payload FROM postrider.claimable_deliveries WHERE id = $1::uuid`,
      [unfinished!.id],
    )
    expect(payloads.rows).toEqual([{ payload: '{"data":1}' }])
    const again = await publish(database, { projectId, type: 'a', data: 1, id: old[0]!.event_id })
    expect(again.duplicate).toBe(false)
    const event = { projectId, type: 'a', data: 1 }
    expect(await publish(database, { ...event, id: kept[0]!.event_id })).toMatchObject({ duplicate: true })
    expect(await publish(database, { ...event, id: unfinished!.event_id })).toMatchObject({ duplicate: true })
    expect(failed).toHaveLength(20)
  })

  it('goes day after day into one partition of the past, and what ended there goes the next day', async () => {
    await makeDays(8)
    const [first] = await insertHistory(database, {
      projectId,
      webhookId,
      at: noonOf(1),
      count: 1,
      status: 'pending',
    })
    await insertHistory(database, { projectId, webhookId, at: noonOf(2), count: 10 })
    await expire(database, day(2))
    expect(await partitionOf(first!.id)).toBe('deliveries_past')
    await database.query(
      `UPDATE postrider.deliveries SET status = 'delivered', delivered_at = now() WHERE id = $1::uuid`,
      [first!.id],
    )
    expect(await expire(database, day(3))).toEqual({ deliveries: 11, events: 11 })
    expect(ofDeliveries(await readPartitions(database)).map(({ until }) => until)[0]).toEqual(day(3))
    expect(await expire(database, day(3))).toEqual({ deliveries: 0, events: 0 })
  })

  it('is deleted in batches where much of a day is not finished, and the days behind it are dropped', async () => {
    await makeDays(8)
    await insertHistory(database, { projectId, webhookId, at: noonOf(1), count: 2_100, status: 'pending' })
    await insertHistory(database, { projectId, webhookId, at: noonOf(1), count: 5 })
    await insertHistory(database, { projectId, webhookId, at: noonOf(2), count: 40 })
    expect(await expire(database, day(3))).toEqual({ deliveries: 45, events: 45 })
    expect(await count('deliveries')).toBe(2_100)
    expect(await count('events')).toBe(2_100)
    // What was closed for that is open again.
    const { rowCount } = await database.query(`SELECT FROM pg_trigger WHERE tgname LIKE 'closed_%'`)
    expect(rowCount).toBe(0)
  })

  it('an event of that age stays as long as a delivery that was made later refers to it', async () => {
    await makeDays(8)
    const [first] = await insertHistory(database, { projectId, webhookId, at: noonOf(1), count: 3 })
    const later = await insertWebhook(database, { projectId })
    await database.query(
      `INSERT INTO postrider.webhook_deliveries (id, webhook_id, project_id, event_id, event_type, payload, created_at)
       SELECT (left(postrider.uuid_at($4::timestamptz)::text, 14) || '7' || right(gen_random_uuid()::text, 21))::uuid,
              $1::uuid, $2::uuid, $3::uuid, 'a', '{"data":1}', $4::timestamptz`,
      [later, projectId, first!.event_id, noonOf(4)],
    )
    expect(await expire(database, day(3))).toEqual({ deliveries: 3, events: 2 })
    const { rows } = await database.query<{ payload: string }>(
      `SELECT payload FROM postrider.claimable_deliveries WHERE webhook_id = $1::uuid`,
      [later],
    )
    expect(rows).toEqual([{ payload: '{"data":1}' }])
  })

  it('a retry of what is just being dropped comes too late, and a new row there is to be tried again', async () => {
    await makeDays(4)
    const [old] = await insertHistory(database, {
      projectId,
      webhookId,
      at: noonOf(1),
      count: 1,
      status: 'failed',
    })
    const name = await partitionOf(old!.id)
    await database.query(`SELECT postrider.close_deliveries($1::text)`, [name])
    const { rowCount } = await database.query(
      `UPDATE postrider.deliveries SET status = 'pending' WHERE id = $1::uuid`,
      [old!.id],
    )
    expect(rowCount).toBe(0)
    await expect(
      insertHistory(database, { projectId, webhookId, at: noonOf(1), count: 1 }),
    ).rejects.toMatchObject({ code: '40001' })
    expect(await expire(database, day(2))).toEqual({ deliveries: 1, events: 1 })
  })

  it('is cut off at the end of a partition by the upkeep, and to the moment where there is none so old', async () => {
    await makeDays(8)
    expect(await usualCutoff(database, noonOf(7), 4)).toEqual(day(3))
    expect(await usualCutoff(database, noonOf(7), 30)).toEqual(noonOf(-23))
  })
})

describe('one delivery for each event and webhook', () => {
  it('whoever makes it, at once and in whatever partition', async () => {
    await makeDays(3)
    const type = 'missed'
    const events = await Promise.all(
      Array.from({ length: 40 }, (_, data) => publish(database, { projectId, type, data })),
    )
    const later = await insertWebhook(database, { projectId, eventTypes: [type] })
    const job = { kind: 'backfill' as const, filter: { webhook_id: later } }
    for (let number = 0; number < 3; number += 1) await createJob(database, projectId, job)
    const byHand = events.slice(0, 20).flatMap(({ id }, index) =>
      [1, 2].map((number) =>
        database.query(
          `INSERT INTO postrider.webhook_deliveries (id, webhook_id, project_id, event_id, event_type, payload)
           SELECT (left(postrider.uuid_at($4::timestamptz)::text, 14) || '7' || right(gen_random_uuid()::text, 21))::uuid,
                  $1::uuid, $2::uuid, $3::uuid, 'missed', '{}'`,
          [later, projectId, id, noonOf((index + number) % 3)],
        ),
      ),
    )
    const steps = Array.from({ length: 6 }, async () => {
      while (await stepJob(database, { now, scheduleLength: 6 }));
    })
    const results = await Promise.allSettled([...byHand, ...steps])
    const refused = results.filter((result) => result.status === 'rejected')
    for (const { reason } of refused) expect(reason).toMatchObject({ code: '23505' })
    const { rows } = await database.query<{ made: number; events: number }>(
      `SELECT COUNT(*)::integer AS made, COUNT(DISTINCT event_id)::integer AS events
       FROM postrider.deliveries
       WHERE webhook_id = $1::uuid`,
      [later],
    )
    expect(rows).toEqual([{ made: 40, events: 40 }])
  })

  it('who reads by an older snapshot is refused', async () => {
    await makeDays(3)
    const { id } = await publish(database, { projectId, type: 'a', data: 1 })
    const other = await insertWebhook(database, { projectId })
    const insert = `INSERT INTO postrider.webhook_deliveries (id, webhook_id, project_id, event_id, event_type, payload)
      SELECT (left(postrider.uuid_at($4::timestamptz)::text, 14) || '7' || right(gen_random_uuid()::text, 21))::uuid,
             $1::uuid, $2::uuid, $3::uuid, 'a', '{}'`
    await expect(
      database.transaction(async (transaction) => {
        await transaction.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ')
        await transaction.query('SELECT COUNT(*) FROM postrider.deliveries')
        await database.query(insert, [other, projectId, id, noonOf(1)])
        await transaction.query(insert, [other, projectId, id, noonOf(2)])
      }),
    ).rejects.toMatchObject({ code: '40001' })
  })
})
