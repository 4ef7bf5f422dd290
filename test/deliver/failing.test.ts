import { beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/database/database.ts'
import { announceFailing, disableFailing } from '../../src/deliver/failing.ts'
import { publish } from '../../src/publish/publish.ts'
import { rollAttempts } from '../../src/statistics/roll.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

let database: Database
let projectId: string
let webhookId: string
beforeEach(async () => {
  ;({ database } = await createTestDatabase())
  projectId = await insertProject(database)
  webhookId = await insertWebhook(database, { projectId })
})

const start = new Date('2026-11-24T09:00:00.000Z')
const hours = (count: number) => new Date(start.getTime() + count * 3_600_000)

/** An attempt that was made then, recorded and counted now. */
async function attempt(at: Date, outcome: 'delivered' | 'retry' | 'failed' | 'interrupted'): Promise<void> {
  await record(at, outcome)
  await countAll()
}

async function record(at: Date, outcome: string): Promise<void> {
  const { id } = await publish(database, { projectId, type: 'a.b', data: 1 })
  await database.query(
    `INSERT INTO postrider.webhook_delivery_attempts (delivery_id, attempt, started_at, duration_ms, outcome, error)
     SELECT id, 1, $2::timestamptz, 10, $3::text, CASE WHEN $3::text <> 'delivered' THEN 'http 500' END
     FROM postrider.deliveries
     WHERE event_id = $1::uuid
       AND webhook_id = $4::uuid`,
    [id, at, outcome, webhookId],
  )
}

async function countAll(): Promise<void> {
  // What was recorded up to now is counted, and what is recorded from here on is counted next.
  const until = new Date(Date.now() + 16_000)
  while (await rollAttempts(database, until));
  await database.query(`UPDATE postrider.statistics_progress SET attempts_until = clock_timestamp()`)
}

async function failing(): Promise<
  { since: Date; last_failed_at: Date; announced_percent: number } | undefined
> {
  const { rows } = await database.query<{ since: Date; last_failed_at: Date; announced_percent: number }>(
    `SELECT since, last_failed_at, announced_percent
     FROM postrider.failing_webhooks
     WHERE webhook_id = $1::uuid`,
    [webhookId],
  )
  return rows[0]
}

async function webhook(): Promise<{ is_active: boolean; disabled_reason: string | null }> {
  const { rows } = await database.query<{ is_active: boolean; disabled_reason: string | null }>(
    `SELECT is_active, disabled_reason FROM postrider.webhooks WHERE id = $1::uuid`,
    [webhookId],
  )
  return rows[0]!
}

const rules = (now: Date, days = 5) => ({ now, days })

describe('since when a webhook fails', () => {
  it('is the first attempt that failed after the last one that did not', async () => {
    await attempt(hours(0), 'delivered')
    await attempt(hours(0.5), 'interrupted')
    expect(await failing()).toBeUndefined()
    await attempt(hours(1), 'retry')
    await attempt(hours(2), 'failed')
    await attempt(hours(2.5), 'interrupted')
    expect(await failing()).toEqual({ since: hours(1), last_failed_at: hours(2), announced_percent: 0 })
    await attempt(hours(3), 'delivered')
    expect(await failing()).toBeUndefined()
  })

  it('is told as well of attempts that are counted together', async () => {
    await attempt(hours(0), 'retry')
    await database.query('UPDATE postrider.failing_webhooks SET announced_percent = 50')
    await record(hours(1), 'retry')
    await record(hours(2), 'delivered')
    await record(hours(3), 'retry')
    await record(hours(4), 'retry')
    await countAll()
    expect(await failing()).toEqual({ since: hours(3), last_failed_at: hours(4), announced_percent: 0 })
    await record(hours(5), 'retry')
    await record(hours(6), 'delivered')
    await countAll()
    expect(await failing()).toBeUndefined()
  })

  it('is not asked of a webhook that is inactive, and begins anew when it is made active', async () => {
    await attempt(hours(0), 'retry')
    await database.query('UPDATE postrider.webhooks SET is_active = false')
    expect(await failing()).toBeUndefined()
    await database.query('UPDATE postrider.webhooks SET is_active = true')
    await record(hours(1), 'retry')
    await database.query('UPDATE postrider.webhooks SET is_active = false')
    await countAll()
    expect(await failing()).toBeUndefined()
    await database.query('UPDATE postrider.webhooks SET is_active = true')
    await attempt(hours(2), 'retry')
    expect(await failing()).toMatchObject({ since: hours(2) })
    await database.query(`UPDATE postrider.webhooks SET url = 'https://example.com/other'`)
    expect(await failing()).toBeUndefined()
  })
})

describe('a webhook of which every attempt fails', () => {
  it('is announced at half and three quarters of five days, once each, and then becomes inactive', async () => {
    await attempt(hours(0), 'retry')
    await attempt(hours(12), 'retry')
    expect(await announceFailing(database, rules(hours(59.9)))).toEqual([])
    expect(await announceFailing(database, rules(hours(60)))).toMatchObject([
      { webhook_id: webhookId, project_id: projectId, since: hours(0) },
    ])
    expect(await announceFailing(database, rules(hours(61)))).toEqual([])
    expect(await announceFailing(database, rules(hours(90)))).toHaveLength(1)
    expect(await announceFailing(database, rules(hours(119.9)))).toEqual([])
    expect(await disableFailing(database, rules(hours(119.9)))).toEqual([])
    expect(await webhook()).toEqual({ is_active: true, disabled_reason: null })

    expect(await disableFailing(database, rules(hours(120)))).toMatchObject([{ webhook_id: webhookId }])
    expect(await webhook()).toEqual({ is_active: false, disabled_reason: 'failing' })
    expect(await failing()).toBeUndefined()
    const { rows } = await database.query(
      `SELECT action, resource_id, actor_kind, after
       FROM postrider.audit_log
       WHERE action = 'webhook.updated'`,
    )
    expect(rows).toEqual([
      {
        action: 'webhook.updated',
        resource_id: webhookId,
        actor_kind: 'system',
        after: { is_active: false, disabled_reason: 'failing' },
      },
    ])
  })

  it('stays as it is while two that failed do not lie half a day apart', async () => {
    await attempt(hours(0), 'retry')
    await attempt(hours(11.9), 'failed')
    expect(await announceFailing(database, rules(hours(1_000)))).toEqual([])
    expect(await disableFailing(database, rules(hours(1_000)))).toEqual([])
    await attempt(hours(12), 'failed')
    expect(await disableFailing(database, rules(hours(1_000)))).toHaveLength(1)
  })

  it('stays active for ever where the deployment says so', async () => {
    await attempt(hours(0), 'retry')
    await attempt(hours(500), 'retry')
    expect(await announceFailing(database, rules(hours(501), 0))).toEqual([])
    expect(await disableFailing(database, rules(hours(501), 0))).toEqual([])
    expect(await webhook()).toEqual({ is_active: true, disabled_reason: null })
  })

  it('stays active when one was accepted that is not counted yet', async () => {
    await attempt(hours(0), 'retry')
    await attempt(hours(130), 'retry')
    await record(hours(131), 'delivered')
    expect(await disableFailing(database, rules(hours(131)))).toEqual([])
    await countAll()
    expect(await failing()).toBeUndefined()
  })
})
