import { expect, test } from 'vitest'
import { migrate } from '../../src/database/migrate.ts'
import { createEmptyDatabase } from '../support/database.ts'
import { insertProject } from '../support/seed.ts'
import { onEachPostgres } from '../support/versions.ts'

onEachPostgres((serverUrl) => {
  test('0008 keeps the keys that are there, and takes those with an end away when it goes', async () => {
    await using empty = await createEmptyDatabase(serverUrl())
    const { database } = empty
    const insertKey = async (name: string, expiresAt?: string) =>
      database.query(
        `INSERT INTO postrider.api_keys (project_id, name, role, key_hash${expiresAt ? ', expires_at' : ''})
         VALUES ($1::uuid, $2::text, 'manage', sha256($2::bytea)${expiresAt ? `, '${expiresAt}'` : ''})`,
        [projectId, name],
      )
    const keys = async () =>
      (await database.query('SELECT * FROM postrider.api_keys ORDER BY created_at')).rows
    await migrate(database, { direction: 'up', to: 7 })
    const projectId = await insertProject(database)
    await insertKey('old')
    const before = await keys()

    await migrate(database, { direction: 'up', to: 8 })
    expect(await keys()).toEqual([{ ...before[0], expires_at: null, last_used_at: null }])
    await insertKey('ended', '2020-01-01')
    await insertKey('will end', '2999-01-01')

    // The version before knows no end: these would open their project for ever.
    await migrate(database, { direction: 'down', to: 7 })
    expect(await keys()).toEqual(before)
  })
})
