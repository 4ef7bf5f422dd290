import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { migrate } from '../../src/database/migrate.ts'
import { Projects } from '../../src/registry/projects.ts'
import { Cipher } from '../../src/registry/secrets.ts'
import { Webhooks } from '../../src/registry/webhooks.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'

test('without Ed25519, webhooks that sign with it wait, with a notice, and all others go on', async () => {
  await using testDatabase = await createTestDatabase()
  const { database } = testDatabase
  const { id: projectId } = await new Projects({ database }).create({ name: 'p' })
  const webhooks = new Webhooks({
    database,
    cipher: new Cipher([{ id: 'k1', key: randomBytes(32) }]),
    policy: { allowHttp: false, allowPrivate: [] },
    clock: new MovedClock(),
    onReactivate: async () => {},
  })
  const create = (name: string, signature_scheme: 'v1' | 'v1a') =>
    webhooks.create(projectId, { name, url: 'https://example.com', signature_scheme })
  await create('shared', 'v1')
  await create('asymmetric', 'v1a')
  const { id } = await create('in an overlap', 'v1a')
  await webhooks.regenerateSecret(projectId, id, { signature_scheme: 'v1' })
  const notices: string[] = []

  await migrate(database, { direction: 'down', to: 8, log: (message) => void notices.push(message) })

  const { rows } = await database.query(
    `SELECT name, is_active, previous_secret FROM postrider.webhooks ORDER BY name`,
  )
  expect(rows).toEqual([
    { name: 'asymmetric', is_active: false, previous_secret: null },
    { name: 'in an overlap', is_active: true, previous_secret: null },
    { name: 'shared', is_active: true, previous_secret: null },
  ])
  expect(notices).toContainEqual(expect.stringContaining('1 webhooks sign with Ed25519: made inactive'))

  await migrate(database, { direction: 'up' })
  const renewed = await webhooks.list(projectId)
  expect(renewed.rows.map(({ public_keys }) => public_keys)).toEqual([[], [], []])
})
