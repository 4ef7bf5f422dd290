import { expect, test } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { isTransient, isUnavailable } from '../../src/database/transient.ts'
import { createTestDatabase } from '../support/database.ts'

const { connectionString } = await createTestDatabase()

test.each(['ECONNREFUSED', 'EPIPE', '57P01', '08006', '25006'])('%s may pass by itself', (code) => {
  expect(isUnavailable(Object.assign(new Error('of a driver'), { code }))).toBe(true)
})

test.each(['23505', '42P01', 'ERR_TLS_CERT_ALTNAME_INVALID'])('%s does not', (code) => {
  expect(isTransient(Object.assign(new Error('of a driver'), { code }))).toBe(false)
})

test('a server that takes no writes any more is left: the next connection is a new one', async () => {
  const database = new Database({ connectionString, maxConnections: 1 })
  const backend = async () =>
    (await database.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid
  const before = await backend()
  expect(await backend()).toBe(before)
  const refused = database.transaction(async (transaction) => {
    await transaction.query('SET TRANSACTION READ ONLY')
    await transaction.query(`INSERT INTO postrider.projects (name) VALUES ('shop')`)
  })
  expect(isUnavailable(await refused.catch((error: Error) => error))).toBe(true)
  expect(await backend()).not.toBe(before)
  await database.close()
})
