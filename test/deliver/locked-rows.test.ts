import { expect, it, onTestFinished } from 'vitest'
import { Database, type Queryable } from '../../src/database/database.ts'
import { claim, type ClaimedDelivery, firstWebhookId, markDelivering } from '../../src/deliver/claim.ts'
import { Life } from '../../src/deliver/life.ts'
import { Recorder } from '../../src/deliver/record.ts'
import { silentLogger } from '../../src/log.ts'
import { publishMany } from '../../src/publish/publish.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

/** A worker that has claimed deliveries, and somebody who holds some of their rows in a transaction that takes long. */
async function held() {
  const { database, connectionString } = await createTestDatabase()
  const projectId = await insertProject(database)
  const [webhookId, other] = [
    await insertWebhook(database, { projectId }),
    await insertWebhook(database, { projectId }),
  ]
  await publishMany(
    database,
    Array.from({ length: 5 }, (_, index) => ({ projectId, type: 'a', data: index })),
  )
  const clock = new MovedClock()
  clock.advance(60)
  const life = new Life({ leaseSeconds: 15, clock })
  await life.begin(database)
  const claimed = await claim(database, {
    workerId: life.id,
    now: clock.now(),
    limit: 100,
    maxHeld: 100,
    limits: { held: new Map(), most: new Map() },
    finished: [],
    afterWebhookId: firstWebhookId,
  })
  // As the engine's own connections wait, but for less.
  const impatient = new Database({ connectionString, lockTimeoutMs: 100 })
  onTestFinished(() => impatient.close())
  const somebody = await database.pool.connect()
  await somebody.query('BEGIN')
  onTestFinished(() => somebody.release(true))
  const recorder = new Recorder({ database: impatient, life, clock, logger: silentLogger })
  const record = (delivery: ClaimedDelivery) =>
    recorder.record({
      delivery,
      outcome: { kind: 'delivered', responseStatus: 204, error: null, note: null },
      attempt: {
        startedAt: clock.now(),
        durationMs: 1,
        requestHeaders: {},
        responseHeaders: null,
        responseBody: null,
      },
    })
  const of = (id: string) => claimed.filter(({ webhook_id }) => webhook_id === id)
  return {
    database,
    somebody: somebody as Queryable,
    life,
    recorder,
    record,
    webhookId,
    ofWebhook: of(webhookId),
    ofOther: of(other),
  }
}

it('results of deliveries that somebody deletes hold up no others, and count if that is undone', async () => {
  const { database, somebody, record, webhookId, ofWebhook, ofOther } = await held()
  await somebody.query('DELETE FROM postrider.webhooks WHERE id = $1::uuid', [webhookId])
  const waiting = ofWebhook.map(record)
  expect(await Promise.all(ofOther.map(record))).toEqual([true, true, true, true, true])
  const { rows } = await database.query(`SELECT FROM postrider.deliveries WHERE status = 'delivered'`)
  expect(rows).toHaveLength(5)
  await somebody.query('ROLLBACK')
  expect(await Promise.all(waiting)).toEqual([true, true, true, true, true])
})

it('and are too late if it is done', async () => {
  const { somebody, record, webhookId, ofWebhook, ofOther } = await held()
  await somebody.query('DELETE FROM postrider.webhooks WHERE id = $1::uuid', [webhookId])
  const waiting = ofWebhook.map(record)
  expect(await Promise.all(ofOther.map(record))).toEqual([true, true, true, true, true])
  await somebody.query('COMMIT')
  expect(await Promise.all(waiting)).toEqual([false, false, false, false, false])
})

it('a worker that stops waits for them no longer', async () => {
  const { somebody, recorder, record, webhookId, ofWebhook, ofOther } = await held()
  await somebody.query('DELETE FROM postrider.webhooks WHERE id = $1::uuid', [webhookId])
  const waiting = ofWebhook.map(record)
  await Promise.all(ofOther.map(record))
  const settled = Promise.allSettled(waiting)
  recorder.abort()
  expect((await settled).map(({ status }) => status)).toEqual(Array.from(waiting, () => 'rejected'))
})

it('marking what is in flight waits for nobody', async () => {
  const { database, somebody, life, webhookId, ofWebhook, ofOther } = await held()
  await somebody.query('DELETE FROM postrider.webhooks WHERE id = $1::uuid', [webhookId])
  await markDelivering(database, life.id, [...ofWebhook, ...ofOther])
  const { rows } = await database.query<{ webhook_id: string }>(
    `SELECT webhook_id FROM postrider.deliveries WHERE status = 'delivering'`,
  )
  expect(new Set(rows.map(({ webhook_id }) => webhook_id))).toEqual(new Set([ofOther[0]!.webhook_id]))
  expect(rows).toHaveLength(5)
})
