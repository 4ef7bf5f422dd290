import type { Config } from '../config.ts'
import { Database } from '../database/database.ts'
import { migrate, migrationStatus } from '../database/migrate.ts'
import { openDatabase } from './database.ts'
import { exitCodes } from './failure.ts'

export type Migration = 'up' | 'down' | 'status'

/** Moves the schema, or says where it stands; one line on stdout for each migration. */
export async function runMigrate(
  config: Config,
  { action, to, print }: { action: Migration; to?: number | undefined; print: (line: string) => void },
): Promise<number> {
  const inUse = await openDatabase(config)
  const database = new Database({ connectionString: inUse.connectionString })
  try {
    if (action === 'status') {
      await printStatus(database, print)
    } else {
      const range = to === undefined ? {} : { to }
      const done = await migrate(database, { direction: action, ...range, log: print })
      if (done.length === 0) print('there is nothing to do')
    }
  } finally {
    await database.close()
    await inUse.release()
  }
  return exitCodes.done
}

async function printStatus(database: Database, print: (line: string) => void): Promise<void> {
  const { applied, pending } = await migrationStatus(database)
  for (const { name, applied_at, known, changed } of applied) {
    const remark = known ? (changed ? ', but its file has changed since' : '') : ', by a newer release'
    print(`${name}  applied ${applied_at.toISOString()}${remark}`)
  }
  for (const { name } of pending) print(`${name}  pending`)
  if (applied.length + pending.length === 0) print('there are no migrations')
}
