import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { expect, inject, onTestFinished, test } from 'vitest'
import { embeddedDir } from '../../src/cli/data-dir.ts'
import { Database } from '../../src/database/database.ts'
import { startEmbedded } from '../../src/database/embedded.ts'
import { tenantRole } from '../../src/database/scope.ts'
import { createEmptyDatabase, createTestDatabase } from '../support/database.ts'
import { expectToGoOn, fingerprints, live } from '../support/living.ts'
import { createPlainDatabase } from '../support/partitions.ts'
import { Receiver } from '../support/receiver.ts'
import { runCommand, temporaryDirectory } from './command.ts'

test('an embedded database moves to a server whose owner is no superuser, and deliveries go on there', async () => {
  await using receiver = await Receiver.start()
  const cwd = temporaryDirectory()
  const dataDir = join(cwd, '.postrider')
  const embedded = await startEmbedded({ dataDir: embeddedDir(dataDir) })
  const living = await live(embedded.connectionString, receiver)
  const before = await fingerprints(embedded.connectionString)
  const inUse = await runCommand(['move-to', 'postgresql://a@127.0.0.1:9/d'], { cwd })
  expect(inUse).toMatchObject({
    stderr: 'postrider: the embedded database is in use: stop what runs on it first\n',
    exitCode: 1,
  })
  await embedded.stop()

  const { url, password } = await ownedDatabase()
  const moved = await runCommand(['move-to', url], { cwd, env: { PGPASSWORD: password } })
  expect(moved).toMatchObject({ stderr: '', exitCode: 0 })
  expect(moved.stdout).toMatch(/^deliveries {2}6 rows$/m)
  expect(moved.stdout).toMatch(/^delivery_line_waiting {2}3 rows$/m)
  expect(moved.stdout).toContain(`POSTRIDER_ENCRYPTION_KEYS=$(cat .postrider/encryption-keys)`)
  const target = url.replace('@', `:${password}@`)
  expect(await fingerprints(target)).toEqual(before)
  await expectToGoOn(target, receiver, living)
}, 60_000)

test('a history in plain tables moves into partitions, which find its events', async () => {
  await using receiver = await Receiver.start()
  const source = await createPlainDatabase()
  await source.database.close()
  const living = await live(source.connectionString, receiver)
  const target = await createTestDatabase()
  const env = { DATABASE_URL: source.connectionString }
  const moved = await runCommand(['move-to', target.connectionString], { env })
  expect(moved).toMatchObject({ stderr: '', exitCode: 0 })
  const { rows } = await target.database.query(
    `SELECT event.id
     FROM postrider.events AS event
     WHERE event.created_at IS DISTINCT FROM (
       SELECT place.created_at
       FROM postrider.event_places AS place
       WHERE place.project_id = event.project_id
         AND place.id = event.id
     )`,
  )
  expect(rows).toEqual([])
  await expectToGoOn(target.connectionString, receiver, living)
}, 60_000)

test('a database moves only where it is whole and alone, into one that is empty', async () => {
  await using receiver = await Receiver.start()
  const source = await createEmptyDatabase()
  const target = await createTestDatabase()
  const env = { DATABASE_URL: source.connectionString }
  const move = async (to = target.connectionString): Promise<string> => {
    await source.database.close()
    const { stderr, exitCode } = await runCommand(['move-to', to], { env })
    expect(exitCode).not.toBe(0)
    return stderr
  }
  expect(await move()).toContain("the old database is not up to date: run 'postrider migrate' first")
  expect(await move('db.example')).toContain('the address of the new database must be a PostgreSQL URL')
  await live(source.connectionString, receiver)

  const other = new Database({ connectionString: source.connectionString, maxConnections: 1 })
  await other.query('SELECT 1')
  expect(await move()).toContain('the old database is in use by postrider: stop that first')
  await other.close()

  await target.database.query(`INSERT INTO postrider.projects (name) VALUES ('theirs')`)
  expect(await move()).toContain('the new database is not empty')
}, 60_000)

test('what is half moved is not there', async () => {
  await using receiver = await Receiver.start()
  const [source, target] = [await createEmptyDatabase(), await createTestDatabase()]
  await source.database.close()
  await live(source.connectionString, receiver)
  const before = await fingerprints(target.connectionString)
  await target.database.query(
    `ALTER TABLE postrider.delivery_line_waiting ADD CONSTRAINT none CHECK (false) NOT VALID`,
  )
  const env = { DATABASE_URL: source.connectionString }
  const { stderr, exitCode } = await runCommand(['move-to', target.connectionString], { env })
  expect(stderr).toContain('delivery_line_waiting')
  expect(exitCode).toBe(1)
  expect(await fingerprints(target.connectionString)).toEqual(before)
}, 60_000)

/** As a managed server hands it out: its owner may do nothing beyond it, and the role for projects is there. */
async function ownedDatabase(): Promise<{ url: string; password: string }> {
  const name = `mover_${randomBytes(4).toString('hex')}`
  const { connectionString, database } = await createEmptyDatabase()
  const server = new Database({ connectionString: `${inject('serverUrl')}/postgres`, maxConnections: 1 })
  onTestFinished(async () => {
    await database.query(`DROP OWNED BY ${name} CASCADE`).catch(() => {})
    await server.query(`ALTER DATABASE ${new URL(connectionString).pathname.slice(1)} OWNER TO CURRENT_USER`)
    await server.query(`DROP ROLE ${name}`)
    await server.close()
  })
  await server.query(`CREATE ROLE ${name} LOGIN PASSWORD 'moving'`)
  await server.query(`GRANT ${tenantRole} TO ${name}`)
  await server.query(`ALTER DATABASE ${new URL(connectionString).pathname.slice(1)} OWNER TO ${name}`)
  const url = new URL(connectionString)
  url.username = name
  url.password = ''
  return { url: url.href, password: 'moving' }
}
