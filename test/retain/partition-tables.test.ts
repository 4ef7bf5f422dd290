import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { describeSchema } from '../../scripts/catalogue.ts'
import { systemClock } from '../../src/clock.ts'
import type { Database } from '../../src/database/database.ts'
import { migrate } from '../../src/database/migrate.ts'
import { publish, publishMany } from '../../src/publish/publish.ts'
import { expire } from '../../src/retain/expire.ts'
import { readBound } from '../../src/retain/bounds.ts'
import { makePartitions } from '../../src/retain/make-partitions.ts'
import { daysOfTable, PartitionError, partitionTables } from '../../src/retain/partition-tables.ts'
import { isPartitioned, readPartitions, startOfDay } from '../../src/retain/partitions.ts'
import { createEmptyDatabase } from '../support/database.ts'
import { TestWorker } from '../support/engine.ts'
import { insertHistory } from '../support/dated-history.ts'
import { createPlainDatabase } from '../support/partitions.ts'
import { Receiver } from '../support/receiver.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

const now = new Date()

async function count(database: Database, table: string): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    `SELECT COUNT(*)::integer AS count FROM postrider.${table}`,
  )
  return rows[0]!.count
}

const tables = ['deliveries', 'webhook_delivery_attempts', 'events', 'failed_deliveries', 'delivery_queue']

async function counts(database: Database): Promise<number[]> {
  return Promise.all(tables.map((table) => count(database, table)))
}

/** A column that was taken away and put back stands last: that is no difference. */
function sortedLines(schema: string): string[] {
  return schema
    .split('\n')
    .map((line) => line.replace(/,$/, ''))
    .toSorted()
}

test('plain tables become partitioned ones while events are published and delivered, and nothing is lost', async () => {
  await using made = await createPlainDatabase()
  const { database } = made
  expect(await isPartitioned(database)).toBe(false)
  const receiver = await Receiver.start({})
  const projectId = await insertProject(database)
  const webhookId = await insertWebhook(database, { projectId, url: receiver.url })
  const old = await insertHistory(database, {
    projectId,
    webhookId,
    at: startOfDay(now, -20),
    count: 3_000,
  })
  await database.query('CREATE VIEW public.mine AS SELECT status FROM postrider.deliveries')
  await using worker = new TestWorker({ database, clock: systemClock, pollMs: 20 })
  await worker.start()

  const traffic = { isGoingOn: true }
  const published: string[] = []
  const publishers = Array.from({ length: 2 }, async () => {
    while (traffic.isGoingOn) {
      const batch = Array.from({ length: 5 }, () => ({ projectId, type: 'a', data: 1, id: randomUUID() }))
      await publishMany(database, batch)
      published.push(...batch.map(({ id }) => id))
      const [again] = await publishMany(database, [batch[0]!])
      expect(again!.duplicate).toBe(true)
      worker.wake()
      await worker.ended(published.length)
    }
  })
  const said: string[] = []
  const done = partitionTables(database, { now, say: (message) => void said.push(message) })
  // What goes wrong with one is told, not that the others wait for ever.
  expect(await Promise.race([done, Promise.all(publishers)])).toBe(true)
  const atOnce = published.length
  await expect.poll(() => published.length, { timeout: 20_000 }).toBeGreaterThan(atOnce + 20)
  traffic.isGoingOn = false
  await Promise.all(publishers)
  await worker.ended(published.length)

  expect(said.at(-1)).toMatch(/the history is partitioned/)
  expect(await isPartitioned(database)).toBe(true)
  expect(await count(database, 'events')).toBe(published.length + old.length)
  expect(await count(database, 'event_ids')).toBe(published.length + old.length)
  const { rows: unlike } = await database.query(
    `SELECT FROM postrider.events
     EXCEPT ALL
     SELECT FROM postrider.event_ids`,
  )
  expect(unlike).toEqual([])
  const { rows } = await database.query<{ delivered: number; mine: number }>(
    `SELECT
       (SELECT COUNT(*)::integer FROM postrider.deliveries WHERE status = 'delivered') AS delivered,
       (SELECT COUNT(*)::integer FROM public.mine) AS mine`,
  )
  expect(rows[0]).toEqual({
    delivered: published.length + old.length,
    mine: published.length + old.length,
  })
  const again = await publish(database, { projectId, type: 'a', data: 1, id: old[0]!.event_id })
  expect(again.duplicate).toBe(true)
  expect(await partitionTables(database, { now })).toBe(false)

  // What is old is deleted until the first partition has expired, and then that is dropped.
  expect(await expire(database, startOfDay(now, -10))).toEqual({ deliveries: 3_000, events: 3_000 })
  const later = startOfDay(now, daysOfTable)
  await makePartitions(database, { now: later, keptDays: 10 })
  expect(await expire(database, later)).toEqual({
    deliveries: published.length,
    events: published.length,
  })
  const first = (await readPartitions(database)).find(({ history }) => history === 'deliveries')!
  expect(first).toMatchObject({ name: 'deliveries_past', until: later })
  await receiver.close()
}, 60_000)

test('an installation that was partitioned has the same schema as a new one, and both go down to plain tables', async () => {
  await using grown = await createPlainDatabase()
  await using fresh = await createEmptyDatabase()
  await migrate(fresh.database, { direction: 'up' })
  const projectId = await insertProject(grown.database)
  const webhookId = await insertWebhook(grown.database, { projectId })
  await insertHistory(grown.database, {
    projectId,
    webhookId,
    at: startOfDay(now, -2),
    count: 30,
    status: 'failed',
  })
  await insertHistory(grown.database, { projectId, webhookId, at: startOfDay(now, -1), count: 30 })
  await publish(grown.database, { projectId, type: 'a', data: 1 })
  const before = await counts(grown.database)
  await partitionTables(grown.database, { now })
  expect(await describeSchema(grown.database)).toBe(await describeSchema(fresh.database))
  expect(await counts(grown.database)).toEqual(before)

  await using plain = await createEmptyDatabase()
  await migrate(plain.database, { direction: 'up', to: 17 })
  for (const { database } of [grown, fresh]) {
    await migrate(database, { direction: 'down', to: 17 })
    expect(sortedLines(await describeSchema(database))).toEqual(
      sortedLines(await describeSchema(plain.database)),
    )
  }
  expect(await counts(grown.database)).toEqual(before)
  await migrate(grown.database, { direction: 'up' })
  expect(await isPartitioned(grown.database)).toBe(false)
  await publish(grown.database, { projectId, type: 'a', data: 1 })
  await migrate(grown.database, { direction: 'down', to: 17 })
})

test('what is cut off leaves no bound behind that would refuse what comes, and can be begun again', async () => {
  await using made = await createPlainDatabase()
  const { database } = made
  const projectId = await insertProject(database)
  await publish(database, { projectId, type: 'a', data: 1 })
  await database.query(
    `ALTER TABLE postrider.events ADD CONSTRAINT within_bounds CHECK (created_at < '${startOfDay(now, 3).toISOString()}') NOT VALID`,
  )
  await makePartitions(database, { now, keptDays: 10 })
  const { rowCount } = await database.query(`SELECT FROM pg_constraint WHERE conname = 'within_bounds'`)
  expect(rowCount).toBe(0)

  // Between the bounds and the partitions.
  const stopping = new AbortController()
  const webhookId = await insertWebhook(database, { projectId })
  await insertHistory(database, { projectId, webhookId, at: startOfDay(now, -2), count: 20_001 })
  const say = (message: string) => message.startsWith('events:') && stopping.abort()
  await expect(partitionTables(database, { now, say, signal: stopping.signal })).rejects.toThrow(/aborted/)
  expect(await readBound(database)).toBeNull()

  await database.query(`CREATE TABLE public.mine (delivery_id uuid REFERENCES postrider.deliveries (id))`)
  await expect(partitionTables(database, { now })).rejects.toThrow(PartitionError)
  await database.query('DROP TABLE public.mine')
  expect(await partitionTables(database, { now })).toBe(true)
  const { id } = await publish(database, { projectId, type: 'a', data: 1 })
  expect(await publish(database, { projectId, type: 'a', data: 1, id })).toMatchObject({ duplicate: true })
})
