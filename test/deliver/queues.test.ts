import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { claim, type ClaimedDelivery, firstWebhookId, type KnownQueues } from '../../src/deliver/claim.ts'
import { Life } from '../../src/deliver/life.ts'
import { Queues, readDeadRows } from '../../src/deliver/queues.ts'
import { systemClock } from '../../src/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

const [first, second, third] = ['1', '2', '3'].map(
  (digit) => `${digit}0000000-0000-7000-8000-000000000000`,
) as [string, string, string]
const now = new Date('2026-01-02T03:04:05Z')

/** An id of that moment. */
function idAt(moment: Date, version = '7'): string {
  const time = moment.getTime().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-${version}000-8000-000000000000`
}

function claimedOf(webhook_id: string, id: string): ClaimedDelivery {
  return { id, webhook_id } as ClaimedDelivery
}

/** One that has found rows in the way: its last claim of all queues ended at 1,000 ms and took 20. */
function slowed(): Queues {
  const queues = new Queues()
  queues.noteDeadRows(50_000)
  const claimed = [first, second, third].map((webhook) => claimedOf(webhook, idAt(now)))
  queues.note(claimed, { known: undefined, startedMs: 980, endedMs: 1_000, now })
  return queues
}

test('all queues are looked into where nothing is in the way, or a claim is quick all the same', () => {
  const quick = new Queues()
  quick.noteDeadRows(50_000)
  quick.note([claimedOf(first, idAt(now))], { known: undefined, startedMs: 0, endedMs: 2, now })
  expect(quick.next(10, firstWebhookId)).toBeUndefined()

  const busy = new Queues()
  busy.noteDeadRows(2_999)
  busy.note([claimedOf(first, idAt(now))], { known: undefined, startedMs: 0, endedMs: 500, now })
  expect(busy.next(510, firstWebhookId)).toBeUndefined()
})

test('else those that are known, in turn, from a second before what was claimed last', () => {
  const queues = slowed()
  const since = new Date(now.getTime() - 1_000)
  expect(queues.next(1_001, first)).toEqual({
    webhookIds: [second, third, first],
    since: [since, since, since],
  } satisfies KnownQueues)
})

test('and all of them again after thirty times as long, two seconds at most', () => {
  const queues = slowed()
  expect(queues.next(1_599, firstWebhookId)).toBeDefined()
  expect(queues.next(1_600, firstWebhookId)).toBeUndefined()
  queues.note([], { known: undefined, startedMs: 1_600, endedMs: 1_900, now })
  expect(queues.next(3_899, firstWebhookId)).toBeDefined()
  expect(queues.next(3_900, firstWebhookId)).toBeUndefined()
  queues.noteDeadRows(0)
  expect(queues.next(1_901, firstWebhookId)).toBeUndefined()
})

test('a moment never goes back, never lies ahead, and is taken from no other kind of id', () => {
  const queues = slowed()
  const known = queues.next(1_001, firstWebhookId)
  const later = new Date(now.getTime() + 5_000)
  const note = { known, startedMs: 1_001, endedMs: 1_002, now: later }
  queues.note(
    [
      claimedOf(first, idAt(new Date('2026-01-01'))),
      claimedOf(second, idAt(new Date('2027-01-01'))),
      claimedOf(third, idAt(new Date('2026-01-02T03:04:09Z'), '4')),
    ],
    note,
  )
  expect(queues.next(1_003, firstWebhookId)!.since).toEqual([
    new Date(now.getTime() - 1_000),
    new Date(later.getTime() - 1_000),
    new Date(now.getTime() - 1_000),
  ])
})

test('a row that five hundred claims have changed is worn where old versions of it stay', () => {
  const queues = slowed()
  const claimed = [claimedOf(first, idAt(now))]
  for (let claims = 1; claims < 499; claims += 1)
    queues.note(claimed, { known: undefined, startedMs: 0, endedMs: 1, now })
  queues.note([], { known: undefined, startedMs: 0, endedMs: 1, now })
  expect(queues.isRowWorn).toBe(false)
  queues.note(claimed, { known: undefined, startedMs: 0, endedMs: 1, now })
  expect(queues.isRowWorn).toBe(true)
  queues.noteDeadRows(0)
  expect(queues.isRowWorn).toBe(false)
  queues.noteDeadRows(50_000)
  queues.noteNewRow()
  expect(queues.isRowWorn).toBe(false)
})

test('a claim of known queues takes from them alone, from their moments on, in their order and within their caps', async () => {
  const { database } = await createTestDatabase()
  const { webhooks, life } = await threeQueues(database)
  const [one, two, three] = webhooks
  const moment = new Date()
  const known = {
    webhookIds: [three!, one!],
    since: [new Date(moment.getTime() - 3_600_000), new Date(moment.getTime() - 60_000)],
  }
  const claimed = await claimFrom(database, life, { known, limit: 3, maxHeld: 2 })
  expect(claimed.map(({ webhook_id }) => webhook_id).toSorted()).toEqual([one!, three!, three!].toSorted())
  // All others are found by a claim that looks everywhere, those before the moment too.
  const rest = await claimFrom(database, life, { limit: 64, maxHeld: 64 })
  const counted = Map.groupBy(rest, ({ webhook_id }) => webhook_id)
  expect(webhooks.map((webhook) => counted.get(webhook)?.length)).toEqual([9, 10, 8])
  expect(two).toBeDefined()
})

test('rows that a snapshot holds in the way of a claim are counted, and a claim of known queues does not walk them', async () => {
  const { connectionString } = await createTestDatabase()
  // One connection, which tells what it has done when it is asked to.
  const database = new Database({ connectionString, maxConnections: 1 })
  onTestFinished(() => database.close())
  const { webhooks, life } = await threeQueues(database)
  const holder = new Client({ connectionString })
  await holder.connect()
  onTestFinished(() => holder.end())
  await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  await holder.query('SELECT 1 FROM postrider.projects')
  await database.query(
    `INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
     SELECT $1::uuid, now() - interval '1 hour', gen_random_uuid()
     FROM generate_series(1, 20000)`,
    [webhooks[0]],
  )
  await database.query(
    `DELETE FROM postrider.delivery_queue WHERE scheduled_at < now() - interval '59 minutes'`,
  )
  await database.query('SELECT pg_stat_force_next_flush()')
  expect(await readDeadRows(database)).toBeGreaterThanOrEqual(20_000)

  const touched = async (known?: KnownQueues): Promise<number> => {
    const before = await buffers(database)
    await claimFrom(database, life, { known, limit: 1, maxHeld: 64 })
    return (await buffers(database)) - before
  }
  const known = { webhookIds: [webhooks[0]!], since: [new Date(Date.now() - 60_000)] }
  // Both have run once: what a connection reads of the catalogue it reads then.
  await touched(known)
  await touched()
  expect(await touched(known)).toBeLessThan((await touched()) / 3)
})

/** Ten due deliveries each, one a minute older than the next. */
async function threeQueues(database: Database): Promise<{ webhooks: string[]; life: Life }> {
  const projectId = await insertProject(database)
  const webhooks: string[] = []
  for (let number = 0; number < 3; number += 1)
    webhooks.push(await insertWebhook(database, { projectId, eventTypes: [`t.${number}`] }))
  await database.query(
    `SELECT postrider.publish(project_id => $1::uuid, type => 't.' || number % 3, data => '{}')
     FROM generate_series(0, 29) AS number`,
    [projectId],
  )
  await database.query(
    `UPDATE postrider.delivery_queue AS queued
     SET scheduled_at = now() - placed.age
     FROM (
       SELECT delivery_id, row_number() OVER (PARTITION BY webhook_id ORDER BY delivery_id) * interval '1 minute' - interval '30 seconds' AS age
       FROM postrider.delivery_queue
     ) AS placed
     WHERE placed.delivery_id = queued.delivery_id`,
  )
  const life = new Life({ leaseSeconds: 300, clock: systemClock })
  await life.begin(database)
  return { webhooks, life }
}

function claimFrom(
  database: Database,
  life: Life,
  wanted: { known?: KnownQueues | undefined; limit: number; maxHeld: number },
): Promise<ClaimedDelivery[]> {
  return claim(database, {
    workerId: life.id,
    now: new Date(),
    limits: { held: new Map(), most: new Map() },
    finished: [],
    afterWebhookId: firstWebhookId,
    ...wanted,
  })
}

/** Pages of the queue's index that were looked at so far, by all who have told. */
async function buffers(database: Database): Promise<number> {
  await database.query('SELECT pg_stat_force_next_flush()')
  const { rows } = await database.query<{ count: number }>(
    `SELECT (idx_blks_hit + idx_blks_read)::double precision AS count
     FROM pg_statio_user_indexes
     WHERE indexrelname = 'delivery_queue_pkey'`,
  )
  return rows[0]!.count
}
