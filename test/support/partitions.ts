import { randomUUID } from 'node:crypto'
import { migrate } from '../../src/database/migrate.ts'
import { createEmptyDatabase, type TestDatabase } from './database.ts'

/** A migrated database with plain tables, as an installation has that is older than partitions. */
export async function createPlainDatabase(serverUrl?: string): Promise<TestDatabase> {
  const made = await createEmptyDatabase(serverUrl)
  await migrate(made.database, { direction: 'up', to: 17 })
  const projectId = randomUUID()
  await made.database.query(
    `INSERT INTO postrider.events (project_id, id, type, "timestamp", deliveries)
     VALUES ($1::uuid, $1::uuid, 'a', now(), 0)`,
    [projectId],
  )
  await migrate(made.database, { direction: 'up' })
  await made.database.query(`DELETE FROM postrider.events WHERE project_id = $1::uuid`, [projectId])
  return made
}
