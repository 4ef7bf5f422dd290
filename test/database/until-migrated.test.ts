import { expect, test } from 'vitest'
import { migrate, migrationStatus } from '../../src/database/migrate.ts'
import { untilMigrated } from '../../src/database/until-migrated.ts'
import { silentLogger } from '../../src/log.ts'
import { Postrider } from '../../src/postrider.ts'
import { createEmptyDatabase } from '../support/database.ts'

test('a start without any schema is refused at once, and says what makes it', async () => {
  const { connectionString } = await createEmptyDatabase()
  const postrider = new Postrider({ connectionString })
  await expect(postrider.start()).rejects.toThrow(
    "The database lacks Postrider's schema: run 'postrider migrate', or call migrate() first.",
  )
  await postrider.stop()
})

test('on a schema of an older version it waits, says for what, and gives up with the names of what is missing', async () => {
  const { database } = await createEmptyDatabase()
  await migrate(database, { direction: 'up', to: 12 })
  const missing = (await migrationStatus(database)).pending.map(({ name }) => name)
  expect(missing[0]).toBe('0013_jobs')
  await expect(untilMigrated(database, { logger: silentLogger, patienceMs: 0 })).rejects.toThrow(
    `lacks the migrations ${missing.join(', ')}`,
  )
  const told: object[] = []
  const logger = { ...silentLogger, warn: (fields: object) => void told.push(fields) }
  const waiting = untilMigrated(database, { logger })
  await expect.poll(() => told).toEqual([{ missing }])
  await migrate(database, { direction: 'up' })
  await waiting
  expect(told).toHaveLength(1)
})
