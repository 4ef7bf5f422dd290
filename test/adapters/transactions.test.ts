import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { expect, it } from 'vitest'
import { Postrider } from '../../src/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'
import { libraries } from './libraries.ts'
import { publishesInTransactionsOf } from './publishes.ts'

for (const library of libraries) publishesInTransactionsOf(library)

it.each([
  ['null', null],
  ['a text', 'tx'],
  ['a number', 7],
  ['an object', {}],
  ['a function', () => {}],
  ['a promise of a client that nobody waited for', Promise.resolve({ query: () => {} })],
  ['an array', []],
])('%s is refused, with all that may be given', async (_what, wrong) => {
  const { connectionString } = await createTestDatabase()
  const postrider = new Postrider({ connectionString })
  const publishing = postrider.publish(
    { projectId: crypto.randomUUID(), type: 'a', data: {} },
    { transaction: wrong as never },
  )
  await expect(publishing).rejects.toMatchObject({
    code: 'validation_failed',
    message: expect.stringMatching(
      /^transaction must be of postgres\.js \(the sql .*Drizzle.*Kysely.*Knex.*Prisma.*TypeORM.*pg \(/,
    ),
  })
  await postrider.stop()
})

it('a role that may publish and nothing else publishes in its transactions', async () => {
  const { database, connectionString } = await createTestDatabase()
  const projectId = await insertProject(database)
  await insertWebhook(database, { projectId })
  const role = `shop_${randomBytes(4).toString('hex')}`
  await database.query(`CREATE ROLE ${role}`)
  await database.query(`GRANT USAGE ON SCHEMA postrider TO ${role}`)
  await database.query(`GRANT EXECUTE ON FUNCTION postrider.publish, postrider.publish_many TO ${role}`)
  const postrider = new Postrider({ connectionString })
  const client = new Client({ connectionString })
  await client.connect()
  try {
    await client.query(`SET SESSION AUTHORIZATION ${role}`)
    await client.query('BEGIN')
    const event = { projectId, type: 'order.paid', data: {} }
    const published = [
      await postrider.publish(event, { transaction: client }),
      ...(await postrider.publishMany([event], { transaction: client })),
    ]
    await client.query('COMMIT')
    expect(published).toMatchObject([{ deliveries: 1 }, { deliveries: 1 }])
  } finally {
    await client.end()
    await postrider.stop()
    await database.query(`DROP OWNED BY ${role}`)
    await database.query(`DROP ROLE ${role}`)
  }
})

it('an object of one’s own with query(text, values) is a transaction, if it answers { rows }', async () => {
  const { database, connectionString } = await createTestDatabase()
  const projectId = await insertProject(database)
  const postrider = new Postrider({ connectionString })
  const event = { projectId, type: 'a', data: {} }
  const statements: string[] = []
  const published = await postrider.publish(event, {
    transaction: {
      query: (text, values) => {
        statements.push(text)
        return database.query(text, values)
      },
    },
  })
  expect(published).toMatchObject({ deliveries: 0, duplicate: false })
  expect(statements).toHaveLength(1)
  const wrong = { query: () => Promise.resolve([]) } as never
  await expect(postrider.publish(event, { transaction: wrong })).rejects.toMatchObject({
    code: 'validation_failed',
    message: 'transaction must answer a query with { rows }',
  })
  await postrider.stop()
})
