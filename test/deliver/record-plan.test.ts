import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { Database } from '../../src/database/database.ts'
import { claim, firstWebhookId } from '../../src/deliver/claim.ts'
import { Life } from '../../src/deliver/life.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

test('results are found by their ids, also where that was planned on an empty history', async () => {
  const { connectionString } = await createTestDatabase()
  const database = new Database({ connectionString, maxConnections: 1 })
  onTestFinished(() => database.close())
  const life = new Life({ leaseSeconds: 300, clock: systemClock })
  await life.begin(database)
  const record = (results: object[]) =>
    database.query(`SELECT * FROM postrider.record_results($1::uuid, now(), $2::jsonb)`, [
      life.id,
      JSON.stringify(results),
    ])
  await record([])

  const projectId = await insertProject(database)
  await insertWebhook(database, { projectId })
  await database.query(
    `SELECT count(*)
     FROM postrider.publish_many(
       project_id => $1::uuid,
       events => (SELECT jsonb_agg('{"type": "a", "data": 1}'::jsonb) FROM generate_series(1, 1000))
     )`,
    [projectId],
  )
  // The newest first: a look through all of them comes upon them last.
  await database.query(
    `UPDATE postrider.delivery_queue
     SET scheduled_at = scheduled_at - interval '1 hour'
     WHERE delivery_id IN (SELECT id FROM postrider.deliveries ORDER BY id DESC LIMIT 8)`,
  )
  const claimed = await claim(database, {
    workerId: life.id,
    now: new Date(),
    limit: 8,
    maxHeld: 8,
    limits: { held: new Map(), most: new Map() },
    finished: [],
    afterWebhookId: firstWebhookId,
  })
  const before = await entriesRead(database)
  const { rowCount } = await record(
    claimed.map(({ id }) => ({
      id,
      attempt: 1,
      status: 'delivered',
      started_at: new Date(),
      duration_ms: 1,
      request_headers: {},
      outcome: 'delivered',
    })),
  )
  expect(rowCount).toBe(8)
  expect((await entriesRead(database)) - before).toBeLessThan(100)
})

/** Entries of the history's indexes that were read so far. */
async function entriesRead(database: Database): Promise<number> {
  await database.query('SELECT pg_stat_force_next_flush()')
  const { rows } = await database.query<{ count: number }>(
    `SELECT SUM(idx_tup_read)::double precision AS count
     FROM pg_stat_user_indexes
     WHERE schemaname = 'postrider'
       AND relname LIKE 'deliveries%'`,
  )
  return rows[0]!.count
}
