import { randomBytes } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import type { Queryable } from '../../src/database/database.ts'
import { tenantRole } from '../../src/database/scope.ts'
import { startApi } from '../support/api.ts'
import { countRows } from '../support/rows.ts'
import { insertWebhook } from '../support/seed.ts'
import { type Ids, makeThings } from '../support/walk.ts'

/** Tables without rows of tenants: the role of the projects has no right on them at all. */
const ofNoTenant: Record<string, string> = {
  history_partitions: 'how the history is laid out',
  migrations: 'the versions of the schema',
  sessions: 'who is logged in, which is asked before any project is known',
  statistics_progress: 'how far counting has come',
  upkeep: 'when each chore was last begun',
  workers: 'which processes live, and what they have in flight for everybody',
}

const api = await startApi()
const { database } = api
/** Whose a project, webhook or delivery is, by its id. */
const projectOf = new Map<unknown, string>()
const [own, other] = [await fill(), await fill()]
await database.query(
  `INSERT INTO postrider.sessions (token_hash, admin_proof, created_at, last_used_at, expires_at)
   VALUES ('', '', now(), now(), now())`,
)
await database.query(`INSERT INTO postrider.upkeep (name, started_at) VALUES ('a', now())`)
await database.query(
  `INSERT INTO postrider.workers (id, started_at, lease_until) VALUES (gen_random_uuid(), now(), now())`,
)

/** One that was granted everything, so that nothing but the policies is in its way. */
const grantedAll = `granted_all_${randomBytes(4).toString('hex')}`
await database.query(`CREATE ROLE ${grantedAll} NOLOGIN`)
await database.query(`GRANT ALL ON SCHEMA postrider TO ${grantedAll}`)
await database.query(`GRANT ALL ON ALL TABLES IN SCHEMA postrider TO ${grantedAll}`)
await database.query(`GRANT ALL ON ALL FUNCTIONS IN SCHEMA postrider TO ${grantedAll}`)
afterAll(async () => {
  await database.query(`DROP OWNED BY ${grantedAll}`)
  await database.query(`DROP ROLE ${grantedAll}`)
})

const { rows: relations } = await database.query<{ name: string; columns: string[]; is_walled: boolean }>(
  `SELECT
     relname AS name,
     ARRAY(
       SELECT attname::text
       FROM pg_attribute
       WHERE attrelid = pg_class.oid
         AND attnum > 0
         AND NOT attisdropped
     ) AS columns,
     relrowsecurity OR reloptions @> '{security_invoker=true}' AS is_walled
   FROM pg_class
   WHERE relnamespace = 'postrider'::regnamespace
     AND relkind IN ('r', 'p', 'v', 'm', 'f')
     AND NOT relispartition
   ORDER BY relname`,
)
const walled = relations.filter(({ name }) => !(name in ofNoTenant))

const samples = new Map<string, Row[]>()
for (const { name } of walled) samples.set(name, await read(database, name))

test('every table is behind the wall or has nothing of tenants', async () => {
  expect(relations.filter(({ is_walled }) => !is_walled).map(({ name }) => name)).toEqual(
    Object.keys(ofNoTenant),
  )
  for (const name of Object.keys(ofNoTenant)) {
    const reading = asRole(tenantRole, own.project_id, (sql) => read(sql, name))
    await expect(reading).rejects.toMatchObject({ code: '42501' })
  }
})

test('every table has a row of both projects, so that what follows means something', async () => {
  expect(Object.entries(await countRows(database)).filter(([, count]) => count === 0)).toEqual([])
  for (const { name } of walled) {
    for (const ids of [own, other]) {
      expect({ name, rows: (await read(database, name, ids)).length > 0 }).toEqual({ name, rows: true })
    }
  }
})

/** A view of more than one table, which nobody can write to. */
const viewForReading = 'claimable_deliveries'

describe.each(walled)('$name', ({ name, columns }) => {
  const owner = ['project_id', 'webhook_id', 'delivery_id', 'id'].find((column) => columns.includes(column))!
  const idsInOther: Ids = { projects: other.project_id, users: other.user_id }
  const ownerInOther = idsInOther[name] ?? other[owner]

  test('shows and takes nothing without a project', async () => {
    for (const projectId of [undefined, '']) {
      await asRole(grantedAll, projectId, async (sql) => {
        expect(await read(sql, name)).toEqual([])
        if (name === viewForReading) return
        await expect(attempt(sql, `UPDATE postrider.${name} SET ${owner} = ${owner}`)).resolves.toBe(0)
        await expect(attempt(sql, `DELETE FROM postrider.${name}`)).resolves.toBe(0)
        await expect(insertRowOf(sql, name, own)).rejects.toMatchObject({ code: '42501' })
      })
    }
  })

  test('shows a project all that is its own, and nothing of another', async () => {
    const rows = await asRole(grantedAll, own.project_id, (sql) => read(sql, name))
    expect(rows).toEqual(await read(database, name, own))
    expect(rows.filter((row) => isOf(row, other))).toEqual([])
  })

  test.skipIf(name === viewForReading)('lets a project change nothing of another', async () => {
    const before = await read(database, name, other)
    await asRole(grantedAll, own.project_id, async (sql) => {
      await expect(insertRowOf(sql, name, other)).rejects.toMatchObject({ code: '42501' })
      await expect(
        attempt(sql, `UPDATE postrider.${name} SET ${owner} = '${ownerInOther}'`),
      ).rejects.toMatchObject({ code: '42501' })
      await attempt(sql, `DELETE FROM postrider.${name}`).catch((error) => {
        // What is kept for ever refuses its own rows, too.
        expect({ name, code: error.code }).toEqual({ name: 'audit_log', code: '42501' })
      })
      await sql.query('RESET ROLE')
      expect(await read(sql, name, other)).toEqual(before)
    })
  })

  test('shows the role of the projects no more than that', async () => {
    const shown = await asRole(tenantRole, own.project_id, (sql) => readable(sql, name))
    const all = await read(database, name, own)
    if (shown === 'refused') {
      return expect([
        'delivery_lines',
        'webhook_rates',
        'signals',
        'high_backlogs',
        'project_retention',
        'deletions',
        viewForReading,
      ]).toContain(name)
    }
    expect(shown).toHaveLength(all.length)
    expect(shown.filter((row) => isOf(row, other))).toEqual([])
    expect(await asRole(tenantRole, undefined, (sql) => readable(sql, name))).toEqual([])
  })
})

test('the hash of a key is not for the role of the projects', async () => {
  const reading = asRole(tenantRole, own.project_id, (sql) =>
    sql.query('SELECT key_hash FROM postrider.api_keys'),
  )
  await expect(reading).rejects.toMatchObject({ code: '42501' })
})

test('a statement that forgot its condition meets the rows of one project', async () => {
  const scoped = database.scopedTo({ projectId: own.project_id })
  const before = await read(database, 'webhooks', other)
  const mine = await read(database, 'webhooks', own)
  expect(await read(scoped, 'webhooks')).toEqual(mine)
  const { rowCount } = await scoped.query(`UPDATE postrider.webhooks SET description = 'of all of them'`)
  expect(rowCount).toBe(mine.length)
  expect(await read(database, 'webhooks', other)).toEqual(before)
})

test('what is deleted through the wall leaves nothing behind', async () => {
  const project = await fill()
  const path = `/api/projects/${project.project_id}`
  const left = async () => {
    const counts = await Promise.all(
      walled.map(async ({ name }) => [name, (await read(database, name, project)).length] as const),
    )
    return counts.filter(([, count]) => count > 0).map(([name]) => name)
  }
  expect(await left()).toHaveLength(walled.length)
  for (const { id } of (await api.call('GET', `${path}/webhooks`)).body.webhooks) {
    expect((await api.call('DELETE', `${path}/webhooks/${id}`)).status).toBe(204)
  }
  expect(await left()).toEqual([
    'api_keys',
    'applications',
    'attempt_statistics',
    'audit_log',
    'deletions',
    'event_ids',
    'event_places',
    'event_statistics',
    'event_type_registries',
    'events',
    'high_backlogs',
    'invitations',
    'jobs',
    'members',
    'project_retention',
    'projects',
    'signals',
    'users',
    'webhook_event_type_versions',
    'webhook_event_types',
  ])
  expect((await api.call('DELETE', path)).status).toBe(204)
  // Whoever was a member is somebody all the same.
  expect(await left()).toEqual(['audit_log', 'deletions', 'users'])
})

type Row = Record<string, unknown>

interface Filled extends Ids {
  project_id: string
  user_id: string
  webhook_id: string
  delivery_id: string
}

/** A project with a row of its own in every table that has any. */
async function fill(): Promise<Filled> {
  const project = await api.createProject()
  const ids = await makeThings(api, project.id)
  const webhookId = await insertWebhook(database, { projectId: project.id })
  await database.query(
    `UPDATE postrider.webhooks
     SET ordered = true,
         rate_per_second = 1,
         filter = 'true'
     WHERE id = $1::uuid`,
    [webhookId],
  )
  await database.query(
    `INSERT INTO postrider.filtered_deliveries (
       id, project_id, webhook_id, event_id, event_type, shape_id, reason
     )
     VALUES (gen_random_uuid(), $1::uuid, $2::uuid, gen_random_uuid(), 'a', gen_random_uuid(), '')`,
    [project.id, webhookId],
  )
  await database.query(
    `INSERT INTO postrider.webhook_event_types (project_id, name)
     VALUES ($1::uuid, 'a')
     ON CONFLICT DO NOTHING`,
    [project.id],
  )
  const since = { since: '2020-01-01T00:00:00Z' }
  await api.call('POST', `${project.path}/webhooks/${webhookId}/replay`, { json: since })
  // One for the queue, and one that waits in the line of the first.
  await insertWebhook(database, { projectId: project.id })
  await api.call('POST', `${project.path}/events`, { json: { type: 'a', data: 1 } })
  await database.query(
    `INSERT INTO postrider.webhook_delivery_attempts (delivery_id, attempt, started_at, outcome)
     SELECT delivery.id, 1, now(), 'retry'
     FROM postrider.deliveries AS delivery
     WHERE delivery.project_id = $1::uuid`,
    [project.id],
  )
  // A rule of its own, and a webhook that was deleted.
  await database.query(`UPDATE postrider.projects SET retention_days = 90 WHERE id = $1::uuid`, [project.id])
  await database.query(
    `INSERT INTO postrider.deletions (project_id, webhook_id)
     VALUES ($1::uuid, gen_random_uuid())`,
    [project.id],
  )
  // An endpoint that is sick, and what is to be told.
  await database.query(
    `WITH failing AS (
       INSERT INTO postrider.failing_webhooks (webhook_id, project_id, since, last_failed_at)
       VALUES ($2::uuid, $1::uuid, now(), now())
     ),
     down AS (
       INSERT INTO postrider.webhook_breakers (webhook_id, project_id, opened_at, probe_at, ends_at)
       VALUES ($2::uuid, $1::uuid, now(), now(), now())
     ),
     high AS (
       INSERT INTO postrider.high_backlogs (project_id, since)
       VALUES ($1::uuid, now())
     )
     INSERT INTO postrider.signals (project_id, type, data)
     VALUES ($1::uuid, 'a', '{}')`,
    [project.id, webhookId],
  )
  // Out of the queue, into the schedule.
  await database.query(
    `UPDATE postrider.webhook_deliveries
     SET scheduled_at = now() + interval '1 hour'
     WHERE id = $1::uuid`,
    [ids['delivery_id']],
  )
  await database.query(
    `INSERT INTO postrider.deliveries (project_id, webhook_id, event_id, event_type, payload, status)
     VALUES ($1::uuid, $2::uuid, gen_random_uuid(), 'a', '{}', 'failed')`,
    [project.id, webhookId],
  )
  await database.query(
    `INSERT INTO postrider.attempt_statistics (project_id, webhook_id, seconds, at)
     VALUES ($1::uuid, $2::uuid, 60, now()), ($1::uuid, NULL, 60, now())`,
    [project.id, webhookId],
  )
  await database.query(
    `INSERT INTO postrider.event_statistics (project_id, seconds, at, events, deliveries)
     VALUES ($1::uuid, 60, now(), 1, 1)`,
    [project.id],
  )
  await learn()
  return ids as Filled
}

async function learn(): Promise<void> {
  const { rows } = await database.query<{ id: string; project_id: string }>(
    `SELECT id, id AS project_id FROM postrider.projects
     UNION ALL
     SELECT id, project_id FROM postrider.webhooks
     UNION ALL
     SELECT id, project_id FROM postrider.deliveries`,
  )
  for (const { id, project_id } of rows) projectOf.set(id, project_id)
}

/** The rows of a table; of one project, those that name it, a webhook or a delivery of it. */
async function read(sql: Queryable, name: string, project?: Filled): Promise<Row[]> {
  const { rows } = await sql.query<{ row: Row }>(
    `SELECT to_jsonb(row) AS row FROM postrider.${name} AS row ORDER BY to_jsonb(row)::text`,
  )
  return rows.map(({ row }) => row).filter((row) => !project || isOf(row, project))
}

/** A user is of no project, but seen by those where they are a member. */
function isOf(row: Row, { project_id, user_id }: Filled): boolean {
  if (row['id'] === user_id) return true
  return Object.values(row).some((value) => projectOf.get(value) === project_id)
}

/** As `read`, of the columns that the role may read; `refused` if there are none. */
async function readable(sql: Queryable, name: string): Promise<Row[] | 'refused'> {
  const { rows: columns } = await sql.query<{ column: string }>(
    `SELECT quote_ident(attname) AS column
     FROM pg_attribute
     WHERE attrelid = $1::regclass
       AND attnum > 0
       AND NOT attisdropped
       AND has_column_privilege(attrelid, attnum, 'SELECT')`,
    [`postrider.${name}`],
  )
  if (columns.length === 0) return 'refused'
  const list = columns.map(({ column }) => column).join(', ')
  return (await sql.query<Row>(`SELECT ${list} FROM postrider.${name}`)).rows
}

/** Writes a row like one of this project: refused by the policy before anything else could refuse it. */
async function insertRowOf(sql: Queryable, name: string, project: Filled): Promise<number> {
  const row = samples.get(name)!.find((sample) => isOf(sample, project))
  return attempt(
    sql,
    `INSERT INTO postrider.${name} ${name.endsWith('deliveries') ? '' : 'OVERRIDING SYSTEM VALUE'}
     SELECT (jsonb_populate_record(NULL::postrider.${name}, $1::jsonb)).*`,
    [JSON.stringify(row)],
  )
}

/** Runs a statement so that its failure leaves the transaction as it was; answers how many rows it wrote. */
async function attempt(sql: Queryable, text: string, values?: unknown[]): Promise<number> {
  await sql.query('SAVEPOINT before')
  try {
    return (await sql.query(text, values)).rowCount!
  } catch (error) {
    await sql.query('ROLLBACK TO before')
    throw error
  }
}

/** Runs `work` as a role with a project set, or none, and undoes it. */
async function asRole<Result>(
  role: string,
  projectId: string | undefined,
  work: (sql: Queryable) => Promise<Result>,
): Promise<Result> {
  const client = await database.pool.connect()
  try {
    await client.query(`BEGIN; SET LOCAL ROLE ${role}`)
    if (projectId !== undefined) {
      await client.query(`SELECT set_config('postrider.project_id', $1::text, true)`, [projectId])
    }
    return await work(client)
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
}
