import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Queryable } from '../../src/database/database.ts'
import { publish } from '../../src/publish/publish.ts'
import { AuditLog } from '../../src/registry/audit-log.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { TestWorker } from '../support/engine.ts'
import { Receiver } from '../support/receiver.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

/** What the triggers write, whoever changes something. */

const { database } = await createTestDatabase()
const auditLog = new AuditLog({ database })
const entries = async (projectId: string) => (await auditLog.list(projectId, {}, { limit: 100 })).rows

test('a change in SQL has the name of the role that made it', async () => {
  const { rows } = await database.query<{ me: string }>('SELECT session_user::text AS me')
  const projectId = await insertProject(database)
  expect(await entries(projectId)).toMatchObject([
    {
      action: 'project.created',
      resource_type: 'project',
      resource_id: projectId,
      actor: { kind: 'sql', id: null, name: rows[0]!.me },
      before: null,
      after: { name: 'project' },
      address: null,
      request_id: null,
    },
  ])
  const role = `clerk_${randomBytes(4).toString('hex')}`
  await undone(async (sql) => {
    await sql.query(`CREATE ROLE ${role} BYPASSRLS`)
    await sql.query(`GRANT USAGE ON SCHEMA postrider TO ${role}`)
    await sql.query(`GRANT SELECT, UPDATE ON postrider.projects TO ${role}`)
    await sql.query(`SET LOCAL ROLE ${role}`)
    await sql.query(`UPDATE postrider.projects SET name = 'renamed' WHERE id = $1::uuid`, [projectId])
    await sql.query('RESET ROLE')
    expect(await newest(sql)).toMatchObject({ actor_kind: 'sql', actor_name: role })
  })
})

test('a transaction may say who makes its changes', async () => {
  const projectId = await insertProject(database)
  const webhook = await insertWebhook(database, { projectId })
  await database.transaction(async (sql) => {
    await sql.query(
      `SELECT set_config('postrider.actor', '{"kind": "user", "id": "7", "name": "Ada"}', true)`,
    )
    await sql.query(`UPDATE postrider.webhooks SET name = 'x' WHERE id = $1::uuid`, [webhook])
  })
  await database.query(`UPDATE postrider.webhooks SET name = 'y' WHERE id = $1::uuid`, [webhook])
  const [after, said] = await entries(projectId)
  expect(said!.actor).toEqual({ kind: 'user', id: '7', name: 'Ada' })
  expect(after!.actor.kind).toBe('sql')
})

test('a worker that switches a webhook off is the system', async () => {
  await using receiver = await Receiver.start({ answer: () => ({ status: 410 }) })
  const projectId = await insertProject(database)
  const webhook = await insertWebhook(database, { projectId, url: receiver.url })
  await publish(database, { projectId, type: 'a', data: 1 })
  const worker = new TestWorker({ database, clock: new MovedClock() })
  await worker.start()
  await worker.ended(1)
  await worker[Symbol.asyncDispose]()
  expect((await entries(projectId))[0]).toMatchObject({
    action: 'webhook.updated',
    resource_id: webhook,
    actor: { kind: 'system', name: 'worker' },
    before: { is_active: true, disabled_reason: null },
    after: { is_active: false, disabled_reason: 'gone' },
  })
})

test('a column that nobody thought of is named and not told', async () => {
  const projectId = await insertProject(database)
  const webhook = await insertWebhook(database, { projectId })
  await undone(async (sql) => {
    await sql.query(`ALTER TABLE postrider.webhooks ADD COLUMN pin TEXT`)
    await sql.query(`UPDATE postrider.webhooks SET pin = '1234' WHERE id = $1::uuid`, [webhook])
    expect(await newest(sql)).toMatchObject({ action: 'webhook.updated', after: { pin: 'changed' } })
    await sql.query(`DELETE FROM postrider.webhooks WHERE id = $1::uuid`, [webhook])
    const deleted = await newest(sql)
    expect(deleted).toMatchObject({ action: 'webhook.deleted', before: { name: 'webhook' } })
    expect(deleted['before']).not.toHaveProperty('pin')
  })
})

test('the same secret under another encryption key is no change, and hides none', async () => {
  const projectId = await insertProject(database)
  const webhook = await insertWebhook(database, { projectId })
  const reencrypt = (also = '') =>
    database.transaction(async (sql) => {
      await sql.query(`SELECT set_config('postrider.reencrypting', 'on', true)`)
      await sql.query(`UPDATE postrider.webhooks SET secret = secret || 'x'${also} WHERE id = $1::uuid`, [
        webhook,
      ])
    })
  const before = await entries(projectId)
  await reencrypt()
  expect(await entries(projectId)).toEqual(before)
  await reencrypt(`, name = 'other'`)
  expect((await entries(projectId))[0]).toMatchObject({
    action: 'webhook.updated',
    before: { name: 'webhook' },
    after: { name: 'other' },
  })
  await database.query(`UPDATE postrider.webhooks SET secret = 's' WHERE id = $1::uuid`, [webhook])
  expect((await entries(projectId))[0]).toMatchObject({
    action: 'webhook.secret_changed',
    before: null,
    after: { secret: 'changed' },
  })
})

test('a project writes into no log but its own', async () => {
  const [own, other] = [await insertProject(database), await insertProject(database)]
  const scoped = database.scopedTo({ projectId: own })
  const note = (projectId: string | null) =>
    scoped.query(`SELECT postrider.audit($1::uuid, 'a.noted', NULL, NULL, NULL, NULL)`, [projectId])
  await note(own)
  expect((await entries(own))[0]).toMatchObject({ action: 'a.noted' })
  for (const projectId of [other, null])
    await expect(note(projectId)).rejects.toMatchObject({ code: '42501' })
  await expect(
    scoped.query(`INSERT INTO postrider.audit_log (project_id, action, actor_kind) VALUES ($1, 'a', 'sql')`, [
      own,
    ]),
  ).rejects.toMatchObject({ code: '42501' })
})

test('nobody changes an entry; those of a project go after it, if they are to go', async () => {
  const projectId = await insertProject(database)
  await insertWebhook(database, { projectId })
  for (const statement of [
    `UPDATE postrider.audit_log SET actor_name = 'somebody else'`,
    `DELETE FROM postrider.audit_log`,
    `DELETE FROM postrider.audit_log WHERE project_id = '${projectId}'`,
    `TRUNCATE postrider.audit_log`,
  ]) {
    await expect(database.query(statement)).rejects.toMatchObject({ code: '42501' })
  }
  await database.query(`DELETE FROM postrider.projects WHERE id = $1::uuid`, [projectId])
  expect((await entries(projectId)).map(({ action }) => action).toSorted()).toEqual([
    'project.created',
    'project.deleted',
    'webhook.created',
    'webhook.deleted',
  ])
  await database.query(`DELETE FROM postrider.audit_log WHERE project_id = $1::uuid`, [projectId])
  expect(await entries(projectId)).toEqual([])
})

async function newest(sql: Queryable): Promise<Record<string, unknown>> {
  const { rows } = await sql.query(`SELECT * FROM postrider.audit_log ORDER BY created_at DESC LIMIT 1`)
  return rows[0]!
}

/** Runs `work` in a transaction that leaves nothing. */
async function undone(work: (sql: Queryable) => Promise<void>): Promise<void> {
  const undo = new Error('undo')
  const ran = database.transaction(async (sql) => {
    await work(sql)
    throw undo
  })
  await expect(ran).rejects.toBe(undo)
}
