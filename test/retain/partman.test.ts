import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { migrate } from '../../src/database/migrate.ts'
import { publish } from '../../src/publish/publish.ts'
import { expire } from '../../src/retain/expire.ts'
import { makePartitions } from '../../src/retain/make-partitions.ts'
import { readPartitions, startOfDay } from '../../src/retain/partitions.ts'
import { insertHistory } from '../support/dated-history.ts'
import { createEmptyDatabase } from '../support/database.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'
import { startTestServer } from '../support/server.ts'

const binaries = '/usr/lib/postgresql/15/bin'
const isThere = existsSync('/usr/share/postgresql/15/extension/pg_partman.control')
const now = new Date()

// Debian's package postgresql-15-partman, and the server that it is for.
test.skipIf(!isThere)(
  'pg_partman makes the partitions of events, and what has expired is dropped as ever',
  async () => {
    const server = await startTestServer({ binaries })
    const made = await createEmptyDatabase(server.url)
    try {
      const { database } = made
      await migrate(database, { direction: 'up' })
      await makePartitions(database, { now, keptDays: 10 })
      await database.query('CREATE SCHEMA partman')
      await database.query('CREATE EXTENSION pg_partman SCHEMA partman')
      await database.query(await readFile(new URL('../../deploy/partman.sql', import.meta.url), 'utf8'))
      await database.query('CALL partman.run_maintenance_proc()')
      const ofEvents = async () =>
        (await readPartitions(database)).filter(({ history }) => history === 'events')
      expect((await ofEvents()).map(({ since }) => since)).toContainEqual(startOfDay(now, 7))
      expect((await ofEvents()).map(({ name }) => name)).toContain('events_default')

      const projectId = await insertProject(database)
      const webhookId = await insertWebhook(database, { projectId })
      const noon = (number: number): Date => new Date(startOfDay(now, number).getTime() + 43_200_000)
      const history = { projectId, webhookId }
      await insertHistory(database, { ...history, at: noon(1), count: 20 })
      const [unfinished] = await insertHistory(database, {
        ...history,
        at: noon(1),
        count: 1,
        status: 'pending',
      })
      await insertHistory(database, { ...history, at: noon(2), count: 5 })
      expect(await expire(database, startOfDay(now, 2))).toEqual({ deliveries: 20, events: 20 })

      await database.query('CALL partman.run_maintenance_proc()')
      expect(await makePartitions(database, { now: noon(3), keptDays: 10 })).toBeGreaterThan(0)
      expect((await ofEvents())[0]).toMatchObject({ name: 'events_p0001_01_01', until: startOfDay(now, 2) })
      const { rows } = await database.query<{ payload: string }>(
        `SELECT payload FROM postrider.claimable_deliveries WHERE id = $1::uuid`,
        [unfinished!.id],
      )
      expect(rows).toEqual([{ payload: '{"data":1}' }])
      const { id } = await publish(database, { projectId, type: 'a', data: 1 })
      expect(await publish(database, { projectId, type: 'a', data: 1, id })).toMatchObject({
        duplicate: true,
      })
    } finally {
      await made.drop()
      await server.stop()
    }
  },
  60_000,
)
