import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Finding } from '../../src/cli/doctor/finding.ts'
import { examinePartitions } from '../../src/cli/doctor/partition-checks.ts'
import { migrate } from '../../src/database/migrate.ts'
import { makePartitions } from '../../src/retain/make-partitions.ts'
import { createEmptyDatabase, createTestDatabase } from '../support/database.ts'
import { runCommand, temporaryDirectory } from './command.ts'

const key = `k1:${Buffer.alloc(32, 7).toString('base64')}`

async function findings(env: Record<string, string>, cwd?: string) {
  const { stdout, stderr, exitCode } = await runCommand(['doctor', '--json'], { env, ...(cwd && { cwd }) })
  expect(stderr).toBe('')
  const all = (JSON.parse(stdout) as { findings: Finding[] }).findings
  return { exitCode, all, of: (subject: string) => all.find((finding) => finding.subject === subject) }
}

test('a database as it should be has no problem, and every check says so', async () => {
  const { connectionString } = await createTestDatabase()
  const found = await findings({ DATABASE_URL: connectionString, POSTRIDER_ENCRYPTION_KEYS: key })
  expect(found.all.filter(({ state }) => state === 'problem' && state !== undefined)).toEqual(
    // The server of the tests does without what makes a commit durable.
    found.all.filter(({ subject }) => subject === 'durability'),
  )
  const subjects = found.all.map(({ subject }) => subject)
  expect(subjects).toEqual([
    'settings',
    'PostgreSQL',
    'encoding',
    'writes',
    'durability',
    'search path',
    'connections',
    'clock',
    'pooler',
    'autovacuum',
    'transactions',
    'migrations',
    'row security',
    'encryption keys',
    'workers',
    'history',
    'address guard',
    'certificates',
    'public address',
  ])
})

test('what is wrong is told with what to do, and ends with 1', async () => {
  const { connectionString, database } = await createTestDatabase()
  await database.query(
    `DELETE FROM postrider.migrations WHERE version = (SELECT MAX(version) FROM postrider.migrations)`,
  )
  const cwd = temporaryDirectory()
  writeFileSync(join(cwd, 'admin-key'), 'x'.repeat(40))
  chmodSync(join(cwd, 'admin-key'), 0o644)
  const found = await findings({
    DATABASE_URL: connectionString,
    POSTRIDER_DATA_DIR: cwd,
    POSTRIDER_ALLOW_PRIVATE: '10.0.0.0/8',
    POSTRIDER_HOST: '0.0.0.0',
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
  })
  expect(found.exitCode).toBe(1)
  expect(found.of('migrations')).toMatchObject({
    state: 'warning',
    remedy: expect.stringContaining('postrider migrate'),
  })
  expect(found.of('key files')).toMatchObject({
    state: 'problem',
    remedy: `Run chmod 600 ${join(cwd, 'admin-key')}`,
  })
  expect(found.of('address guard')).toMatchObject({
    state: 'warning',
    message: expect.stringContaining('10.0.0.0/8'),
  })
  expect(found.of('certificates')).toMatchObject({ state: 'problem' })
  expect(found.of('public address')).toMatchObject({ state: 'warning' })
})

test('a due delivery that nobody sends, and a key that is missing, are problems', async () => {
  const { connectionString, database } = await createTestDatabase()
  const { rows } = await database.query<{ id: string }>(
    `INSERT INTO postrider.projects (name) VALUES ('shop') RETURNING id`,
  )
  await database.query(
    `INSERT INTO postrider.webhooks (project_id, name, url, event_types, secret)
     VALUES ($1::uuid, 'one', 'https://example.com/', '["*"]', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')`,
    [rows[0]!.id],
  )
  await database.query(`SELECT postrider.publish($1::uuid, 'order.paid', '{}')`, [rows[0]!.id])
  await database.query(
    `UPDATE postrider.delivery_queue SET scheduled_at = scheduled_at - INTERVAL '1 minute'`,
  )
  const found = await findings({ DATABASE_URL: connectionString })
  expect(found.of('workers')).toMatchObject({
    state: 'problem',
    message: expect.stringMatching(/^none is alive, and a delivery has been due for \d\d s$/),
  })
  expect(found.of('encryption keys')).toMatchObject({ state: 'problem' })
})

test('a wrong setting, a database without a schema and one that does not answer are told', async () => {
  const wrong = await findings({ POSTRIDER_PORTT: '80' })
  expect(wrong.all).toEqual([
    {
      state: 'problem',
      subject: 'settings',
      message: 'POSTRIDER_PORTT is not a setting; did you mean POSTRIDER_PORT?',
      remedy: expect.stringContaining('serve --help'),
    },
  ])
  const { connectionString, database } = await createEmptyDatabase()
  await database.query('CREATE SCHEMA postrider')
  const path = new URL(connectionString)
  path.searchParams.set('options', '-c search_path=postrider,public')
  expect((await findings({ DATABASE_URL: path.href })).of('search path')).toMatchObject({ state: 'warning' })
  const empty = await findings({ DATABASE_URL: connectionString })
  expect(empty.of('migrations')).toMatchObject({ state: 'warning', message: 'there is no schema yet' })
  const away = await findings({ DATABASE_URL: 'postgres://a@127.0.0.1:9/d' })
  expect(away.of('database')).toMatchObject({
    state: 'problem',
    message: 'nothing answers at 127.0.0.1:9: connection refused',
  })
})

test('people get a line for each, without colours where nobody looks', async () => {
  const { stdout } = await runCommand(['doctor'], { env: { DATABASE_URL: 'postgres://a@127.0.0.1:9/d' } })
  expect(stdout).toMatch(/^✓ settings: are understood\n✕ database: nothing answers at 127\.0\.0\.1:9/)
  expect(stdout).not.toContain('\u001b')
})

test('a history that nobody makes partitions for is told, and one in plain tables is none to worry about', async () => {
  const { database } = await createTestDatabase()
  const now = new Date()
  expect(await examinePartitions(database, now)).toMatchObject({ state: 'ok', subject: 'history' })
  const later = new Date(now.getTime() + 3 * 86_400_000)
  expect(await examinePartitions(database, later)).toMatchObject({ state: 'warning' })
  await makePartitions(database, { now: later, keptDays: 30 })
  expect(await examinePartitions(database, later)).toMatchObject({ state: 'ok' })
  await database.query(
    `ALTER TABLE postrider.events ADD CONSTRAINT within_bounds CHECK (created_at < '2200-01-01T00:00:00Z')`,
  )
  expect(await examinePartitions(database, later)).toMatchObject({
    state: 'warning',
    message: expect.stringContaining('from 2200-01-01T00:00:00.000Z on'),
  })
  await database.query('ALTER TABLE postrider.events DROP CONSTRAINT within_bounds')
  await migrate(database, { direction: 'down', to: 17 })
  expect(await examinePartitions(database, now)).toMatchObject({
    state: 'ok',
    message: expect.stringContaining('plain tables'),
  })
})
