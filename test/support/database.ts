import { randomBytes } from 'node:crypto'
import { afterAll, inject } from 'vitest'
import { Database } from '../../src/database/database.ts'

export interface TestDatabase extends AsyncDisposable {
  database: Database
  connectionString: string
  /** Closes `database`, cuts off everyone else and drops it. Happens by itself at the end of the file. */
  drop(): Promise<void>
}

// Each test file loads this module for itself, so this runs after its last test and its own hooks.
const drops: (() => Promise<void>)[] = []
afterAll(() => Promise.all(drops.map((drop) => drop())))

/**
 * A migrated database of one's own, wherever it is called: at the top of a test file, in a hook or in a test.
 *
 * @example
 * const { database, connectionString } = await createTestDatabase() // at the top of a test file
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  // By files: through the WAL a page is touched three times.
  const made = await createDatabase(inject('serverUrl'), `TEMPLATE ${inject('template')} STRATEGY FILE_COPY`)
  // As if it had been migrated now: statistics are counted from then on, and the template may be minutes old.
  await made.database.query(
    `UPDATE postrider.statistics_progress
     SET attempts_until = date_trunc('minute', now()),
         events_until = date_trunc('minute', now()),
         events_settled_until = date_trunc('minute', now()),
         hours_until = date_trunc('hour', now(), 'UTC'),
         days_until = date_trunc('day', now(), 'UTC')`,
  )
  return made
}

/** The same without the schema; on another server when `serverUrl` is given. */
export function createEmptyDatabase(serverUrl: string = inject('serverUrl')): Promise<TestDatabase> {
  return createDatabase(serverUrl, '')
}

async function createDatabase(serverUrl: string, clause: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`
  await onServer(serverUrl, `CREATE DATABASE ${name} ${clause}`)
  const connectionString = `${serverUrl}/${name}`
  const database = new Database({ connectionString })
  let dropped: Promise<void> | undefined
  const drop = () => (dropped ??= dropDatabase())
  async function dropDatabase(): Promise<void> {
    await database.close()
    await onServer(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  }
  drops.push(drop)
  return { database, connectionString, drop, [Symbol.asyncDispose]: drop }
}

async function onServer(serverUrl: string, statement: string): Promise<void> {
  const server = new Database({ connectionString: `${serverUrl}/postgres`, maxConnections: 1 })
  try {
    await server.query(statement)
  } finally {
    await server.close()
  }
}
