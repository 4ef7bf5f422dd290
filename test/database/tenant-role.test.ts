import { randomBytes } from 'node:crypto'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { describeSchema } from '../../scripts/catalogue.ts'
import { Database } from '../../src/database/database.ts'
import { migrate } from '../../src/database/migrate.ts'
import { tenantRole } from '../../src/database/scope.ts'
import { requireTenantRole } from '../../src/database/tenant-role.ts'
import { createServer } from '../../src/api/server.ts'
import type { Finding } from '../../src/cli/doctor/finding.ts'
import { Postrider } from '../../src/postrider.ts'
import { runCommand } from '../cli/command.ts'
import { createEmptyDatabase } from '../support/database.ts'
import { Receiver } from '../support/receiver.ts'
import { adminKey } from '../support/running.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

/** Roles belong to the whole server: one of its own, where the role is not there yet. */
let server: TestServer
let superuser: Database
beforeAll(async () => {
  const binaries = process.env['TEST_POSTGRES_BIN']
  server = await startTestServer(binaries ? { binaries } : {})
  superuser = new Database({ connectionString: `${server.url}/postgres` })
})
afterAll(async () => {
  await superuser.close()
  await server.stop()
})

test('databases that are migrated at once make the role once, and the last to go takes it along', async () => {
  const databases = await Promise.all(Array.from({ length: 6 }, () => createEmptyDatabase(server.url)))
  await Promise.all(databases.map(({ database }) => migrate(database, { direction: 'up' })))
  for (const { database } of databases) await requireTenantRole(database)

  const heard: string[] = []
  for (const { database } of databases) {
    expect(await isThere()).toBe(true)
    await migrate(database, { direction: 'down', to: 0, log: (message) => heard.push(message) })
  }
  expect(await isThere()).toBe(false)
  expect(heard.filter((message) => message.includes(`role ${tenantRole} is kept`))).toHaveLength(5)
  await Promise.all(databases.map((each) => each.drop()))
})

describe('with an owner who is no superuser', () => {
  test('who may create roles, everything works', async () => {
    const owner = await createOwner('CREATEROLE')
    await migrate(owner.database, { direction: 'up' })
    const postrider = new Postrider({ connectionString: owner.connectionString, encryptionKeys })
    await postrider.connect()
    await exercise(postrider)
    await postrider.stop()
    await migrate(owner.database, { direction: 'down', to: 9 })
    expect(await isThere()).toBe(false)
  })

  test("who has a pool of the application's, everything works", async () => {
    const owner = await createOwner('CREATEROLE')
    const pool = new Pool({ connectionString: owner.connectionString })
    const postrider = new Postrider({ pool, encryptionKeys })
    await postrider.migrate()
    await postrider.connect()
    await exercise(postrider)
    // The pool is as it was: nothing of a project stays on a connection.
    const { rows } = await pool.query(
      `SELECT current_user = session_user AS is_plain, current_setting('postrider.project_id', true) AS project_id`,
    )
    expect(rows).toEqual([{ is_plain: true, project_id: '' }])
    await postrider.stop()
    await pool.end()
  })

  test('who may not create roles, the migration says what to run, and then works', async () => {
    const owner = await createOwner('NOCREATEROLE')
    const error = await migrate(owner.database, { direction: 'up' }).catch((cause: Error) => cause)
    const [, remedy] = /run as one that may, (.*) and try again/.exec((error as Error).message)!
    expect(remedy).toBe(`CREATE ROLE ${tenantRole} NOLOGIN; GRANT ${tenantRole} TO ${owner.name};`)
    await superuser.query(remedy!)
    expect((await migrate(owner.database, { direction: 'up' }))[0]).toMatch(/^0010/)
    await requireTenantRole(owner.database)
  })

  test('who may do nothing but own the database, as with a managed PostgreSQL, the whole journey works once the role is there', async () => {
    const owner = await createOwner('NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS')
    await superuser.query(`CREATE ROLE ${tenantRole} NOLOGIN; GRANT ${tenantRole} TO "${owner.name}"`)
    await using receiver = await Receiver.start()
    const postrider = new Postrider({
      connectionString: owner.connectionString,
      encryptionKeys,
      allowHttp: true,
      allowPrivate: ['127.0.0.0/8'],
    })
    await postrider.migrate()
    await postrider.start()
    const api = createServer({ postrider, adminKey, port: 0, rateLimit: false })
    const { url } = await api.start()
    try {
      const call = async (method: string, path: string, body?: object) => {
        const response = await fetch(`${url}/api${path}`, {
          method,
          headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
          ...(body && { body: JSON.stringify(body) }),
        })
        expect([method, path, response.ok]).toEqual([method, path, true])
        return (response.status === 204 ? {} : await response.json()) as Record<string, string>
      }
      expect((await fetch(`${url}/readyz`)).status).toBe(200)
      const { id } = await call('POST', '/projects', { name: 'shop' })
      const path = `/projects/${id}`
      const webhook = await call('POST', `${path}/webhooks`, { name: 'billing', url: receiver.url })
      await call('POST', `${path}/event-types`, { name: 'order.paid', schema: { type: 'object' } })
      await call('POST', `${path}/events`, { type: 'order.paid', data: {} })
      await receiver.waitFor(1)
      const statusOfAll = async () => JSON.stringify(await call('GET', `${path}/deliveries`))
      await expect.poll(statusOfAll).toContain('"status":"delivered"')
      await call('POST', `${path}/webhooks/${webhook['id']}/replay`, {
        since: '2026-01-01T00:00:00Z',
        status: 'delivered',
      })
      await receiver.waitFor(2)
      for (const list of ['events', 'statistics', 'search?q=bill', 'audit-log', 'jobs'])
        await call('GET', `${path}/${list}`)
      await call('POST', '/admin/webhooks/cleanup?days=1')
      await call('POST', '/admin/webhooks/retry-stuck')
      expect((await fetch(`${url}/metrics`)).status).toBe(200)

      const { stdout } = await runCommand(['doctor', '--json'], {
        env: {
          DATABASE_URL: owner.connectionString,
          POSTRIDER_ADMIN_KEY: adminKey,
          POSTRIDER_ENCRYPTION_KEYS: encryptionKeys
            .map((key) => `${key.id}:${key.key.toString('base64')}`)
            .join(','),
        },
      })
      const { findings } = JSON.parse(stdout) as { findings: Finding[] }
      // The server of this test forgets what a crash of the machine takes.
      expect(findings.filter(({ state }) => state === 'problem').map(({ subject }) => subject)).toEqual([
        'durability',
      ])
      await call('DELETE', path)
    } finally {
      await api.stop()
      await postrider.stop()
    }
    await migrate(owner.database, { direction: 'down', to: 0 })
    await migrate(owner.database, { direction: 'up' })
  })

  test('who finds the role there and may not become it, the migration says what to run, and then works', async () => {
    await superuser.query(`CREATE ROLE ${tenantRole} NOLOGIN`)
    const owner = await createOwner('NOCREATEROLE')
    const error = await migrate(owner.database, { direction: 'up' }).catch((cause: Error) => cause)
    const [, remedy] = /run as one that may grant it, (.*) and try again/.exec((error as Error).message)!
    expect(remedy).toBe(`GRANT ${tenantRole} TO ${owner.name};`)
    await superuser.query(remedy!)
    await migrate(owner.database, { direction: 'up' })
    await requireTenantRole(owner.database)
  })
})

describe('the start is refused, with the statement that helps,', () => {
  test('for a role that row-level security holds back', async () => {
    const owner = await createOwner('CREATEROLE')
    await migrate(owner.database, { direction: 'up' })
    const reader = await createLogin()
    await owner.database.query(`GRANT USAGE ON SCHEMA postrider TO "${reader}"`)
    await owner.database.query(`GRANT ALL ON ALL TABLES IN SCHEMA postrider TO "${reader}"`)
    await expectRemedy(owner, reader, `GRANT "${owner.name}" TO "${reader}"`)
  })

  test('for one that passes and may not become the role of the projects', async () => {
    const owner = await createOwner('CREATEROLE')
    await migrate(owner.database, { direction: 'up' })
    const bypassing = await createLogin('BYPASSRLS')
    await owner.database.query(`GRANT USAGE ON SCHEMA postrider TO "${bypassing}"`)
    await owner.database.query(`GRANT ALL ON ALL TABLES IN SCHEMA postrider TO "${bypassing}"`)
    await expectRemedy(owner, bypassing, `GRANT ${tenantRole} TO "${bypassing}"`)
  })

  test('where the role lost its rights, as after a restore on another server', async () => {
    const owner = await createOwner('CREATEROLE')
    await migrate(owner.database, { direction: 'up' })
    const complete = await describeSchema(owner.database)
    await superuser.query(`GRANT CONNECT ON DATABASE postgres TO ${tenantRole}`)
    await owner.asSuperuser.query(`DROP OWNED BY ${tenantRole}`)
    await superuser.query(`DROP OWNED BY ${tenantRole}`)
    await superuser.query(`DROP ROLE ${tenantRole}`)
    await expectRemedy(owner, owner.name, 'SELECT postrider.admit_tenant_role()')
    expect(await describeSchema(owner.database)).toBe(complete)
  })
})

const encryptionKeys = [{ id: 'test', key: Buffer.alloc(32, 7) }]

async function isThere(): Promise<boolean> {
  const { rowCount } = await superuser.query(`SELECT FROM pg_roles WHERE rolname = $1::text`, [tenantRole])
  return rowCount === 1
}

/** A change, and a look at it, through the wall. */
async function exercise(postrider: Postrider): Promise<void> {
  const [project, other] = [
    await postrider.projects.create({ name: 'one' }),
    await postrider.projects.create({ name: 'other' }),
  ]
  const calls = postrider.inProject(project.id, { kind: 'user', id: 'u-1', name: 'Ada' })
  const webhook = await calls.webhooks.create(project.id, { name: 'w', url: 'https://example.com' })
  const policy = { ordered: true, rate_per_second: 5 }
  await calls.webhooks.update(project.id, webhook.id, { policy, is_active: false })
  await calls.webhooks.update(project.id, webhook.id, { policy: { ordered: false }, is_active: true })
  expect(await postrider.publish({ projectId: project.id, type: 'a', data: 1 })).toMatchObject({
    deliveries: 1,
  })
  const [delivery] = (await calls.deliveries.list(project.id)).rows
  await calls.deliveries.cancel(project.id, delivery!.id)
  await calls.deliveries.retry(project.id, delivery!.id)
  await calls.webhooks.delete(project.id, webhook.id)
  await expect(calls.projects.get(other.id)).rejects.toMatchObject({ code: 'not_found' })
  expect(
    (await calls.auditLog.list(project.id)).rows.map(({ action, actor }) => [action, actor.name]),
  ).toEqual([
    ['webhook.deleted', 'Ada'],
    ['delivery.retried', 'Ada'],
    ['delivery.cancelled', 'Ada'],
    ['webhook.updated', 'Ada'],
    ['webhook.updated', 'Ada'],
    ['webhook.created', 'Ada'],
    ['project.created', expect.stringMatching(/^login_/)],
  ])
  await calls.projects.delete(project.id)
}

interface Owner {
  name: string
  connectionString: string
  database: Database
  asSuperuser: Database
}

/** Someone who owns a database and is nobody else; both are gone after the test, and the role of the projects. */
async function createOwner(rights: string): Promise<Owner> {
  const name = await createLogin(rights)
  const owned = await createEmptyDatabase(server.url)
  const { pathname } = new URL(owned.connectionString)
  await superuser.query(`ALTER DATABASE ${pathname.slice(1)} OWNER TO "${name}"`)
  const connectionString = as(name, owned.connectionString)
  const database = new Database({ connectionString })
  onTestFinished(async () => {
    await database.close()
    await owned.drop()
    if (await isThere()) {
      await superuser.query(`DROP OWNED BY ${tenantRole}`)
      await superuser.query(`DROP ROLE ${tenantRole}`)
    }
  })
  return { name, connectionString, database, asSuperuser: owned.database }
}

async function createLogin(rights = ''): Promise<string> {
  const name = `login_${randomBytes(4).toString('hex')}`
  await superuser.query(`CREATE ROLE "${name}" LOGIN PASSWORD 'secret' ${rights}`)
  return name
}

function as(name: string, connectionString: string): string {
  const url = new URL(connectionString)
  Object.assign(url, { username: name, password: 'secret' })
  return url.href
}

/** The start fails and names this statement; once it has run, the start works. */
async function expectRemedy(owner: Owner, name: string, remedy: string): Promise<void> {
  const connectionString = as(name, owner.connectionString)
  const postrider = new Postrider({ connectionString, encryptionKeys })
  await expect(postrider.connect()).rejects.toThrow(remedy)
  await (remedy.startsWith('SELECT') ? owner.database : superuser).query(remedy)
  await postrider.connect()
  await postrider.stop()
}
