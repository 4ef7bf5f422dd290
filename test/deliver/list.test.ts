import { expect, test } from 'vitest'
import { listDeliveries } from '../../src/deliver/list.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

const { database } = await createTestDatabase()
const projectId = await insertProject(database)
const webhookId = await insertWebhook(database, { projectId })

/** Delivered ones from an hour ago on, a second apart, and in front of them one that is rare and failed. */
await database.query(
  `INSERT INTO postrider.deliveries (project_id, webhook_id, event_id, event_type, status, delivered_at, created_at, last_response_status)
   SELECT
     $1::uuid,
     $2::uuid,
     gen_random_uuid(),
     CASE WHEN number = 1 THEN 'rare' ELSE 'common' END,
     CASE WHEN number = 1 THEN 'failed' ELSE 'delivered' END::postrider.webhook_delivery_status,
     CASE WHEN number > 1 THEN now() END,
     now() - interval '1 day' + number * interval '1 second',
     CASE WHEN number = 1 THEN 500 ELSE 200 END
   FROM generate_series(1, 20100) AS number`,
  [projectId, webhookId],
)

test('what no index tells is looked for in a bounded part of the history for each page', async () => {
  const first = await listDeliveries(database, projectId, { event_type: 'rare' }, {})
  expect(first).toEqual({ rows: [], next_cursor: expect.any(String) })
  const second = await listDeliveries(
    database,
    projectId,
    { event_type: 'rare' },
    { cursor: first.next_cursor! },
  )
  expect(second).toMatchObject({ rows: [{ event_type: 'rare' }], next_cursor: null })
})

test('pages of a search go on from row to row, and none is told twice', async () => {
  const seen = new Set<string>()
  let cursor: string | undefined
  for (let page = 0; page < 3; page += 1) {
    const { rows, next_cursor } = await listDeliveries(
      database,
      projectId,
      { status: 'delivered' },
      { limit: 100, cursor },
    )
    for (const { id } of rows) seen.add(id)
    cursor = next_cursor!
  }
  expect(seen.size).toBe(300)
})

test.each([{ status: 'failed' }, { code: '5xx' }, { status: 'failed', webhook_id: webhookId }] as const)(
  'one that failed is found at once behind all that did not: %o',
  async (filter) => {
    const page = await listDeliveries(database, projectId, filter, {})
    expect(page).toMatchObject({ rows: [{ event_type: 'rare' }], next_cursor: null })
  },
)

test('one that fails no more, or is deleted, is in no list of those that failed', async () => {
  const failed = async () => (await listDeliveries(database, projectId, { status: 'failed' }, {})).rows.length
  const undo = new Error('undone')
  for (const statement of [
    `UPDATE postrider.deliveries SET status = 'pending' WHERE status = 'failed'`,
    `DELETE FROM postrider.deliveries WHERE status = 'failed'`,
  ]) {
    expect(await failed()).toBe(1)
    const work = database.transaction(async (transaction) => {
      await transaction.query(statement)
      const { rows } = await transaction.query(`SELECT FROM postrider.failed_deliveries`)
      expect(rows).toEqual([])
      throw undo
    })
    await expect(work).rejects.toBe(undo)
  }
})
