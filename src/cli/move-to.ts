import { Client } from 'pg'
import type { Config } from '../config.ts'
import { Database } from '../database/database.ts'
import { migrate, migrationStatus } from '../database/migrate.ts'
import { beginReading, copySchema } from '../database/moving/copy.ts'
import { connectionUrl } from '../setting-values.ts'
import { openDatabase, runningDatabase } from './database.ts'
import { exitCodes, Failure } from './failure.ts'

/** Told of a large table while it goes over. */
const tellEveryMs = 5_000

export interface Move {
  /** Connection string of the database that everything goes to. */
  to: string
  print: (line: string) => void
}

/**
 * Copies everything in the database in use into an empty one, in one transaction there, and says what to set. Nothing may
 * run on the old one; it stays as it is.
 */
export async function runMoveTo(config: Config, { to, print }: Move): Promise<number> {
  const target = parsed(to)
  if (config.databaseUrl === null && (await runningDatabase(config)) !== null)
    throw new Failure('the embedded database is in use: stop what runs on it first')
  const inUse = await openDatabase(config)
  try {
    await requireMigrated(inUse.connectionString)
    await prepare(target, print)
    await onBoth(inUse.connectionString, target, async (clients) => copy(clients, print))
  } finally {
    await inUse.release()
  }
  for (const line of whatRemains(config)) print(line)
  return exitCodes.done
}

function parsed(url: string): string {
  try {
    return connectionUrl(url)
  } catch (error) {
    const message = `the address of the new database ${(error as Error).message}`
    throw new Failure(message, { exitCode: exitCodes.misused, cause: error })
  }
}

async function requireMigrated(connectionString: string): Promise<void> {
  const database = new Database({ connectionString, maxConnections: 1 })
  try {
    const { applied, pending } = await migrationStatus(database)
    if (applied.some(({ known }) => !known))
      throw new Failure('the old database was migrated by a newer release: move it with that one')
    if (pending.length > 0)
      throw new Failure("the old database is not up to date: run 'postrider migrate' first")
  } finally {
    await database.close()
  }
}

/** Makes the schema where there is none yet. */
async function prepare(connectionString: string, print: Move['print']): Promise<void> {
  const database = new Database({ connectionString, maxConnections: 1 })
  try {
    await migrate(database, { direction: 'up', log: print })
    const { rows } = await database.query<{ is_used: boolean }>(
      `SELECT EXISTS (SELECT FROM postrider.projects)
         OR EXISTS (SELECT FROM postrider.users)
         OR EXISTS (SELECT FROM postrider.audit_log) AS is_used`,
    )
    if (rows[0]!.is_used)
      throw new Failure('the new database is not empty: something of Postrider is in it already')
  } finally {
    await database.close()
  }
}

interface Clients {
  source: Client
  target: Client
}

async function onBoth(
  sourceUrl: string,
  targetUrl: string,
  work: (clients: Clients) => Promise<void>,
): Promise<void> {
  const [source, target] = [sourceUrl, targetUrl].map(
    (connectionString) => new Client({ connectionString, application_name: 'postrider move-to' }),
  ) as [Client, Client]
  // A lost connection fails the statement that runs.
  for (const client of [source, target]) client.on('error', () => {})
  try {
    await Promise.all([source.connect(), target.connect()])
    await work({ source, target })
  } finally {
    await Promise.all([source.end(), target.end()].map((end) => end.catch(() => {})))
  }
}

async function copy({ source, target }: Clients, print: Move['print']): Promise<void> {
  await requireAlone(source)
  await source.query(`SET lock_timeout = '5s'`)
  await beginReading(source)
  await target.query('BEGIN')
  let toldMs = performance.now()
  await copySchema({
    source,
    target,
    onBytes(table, bytes) {
      if (performance.now() - toldMs < tellEveryMs) return
      toldMs = performance.now()
      print(`${table}  ${Math.round(bytes / 1_000_000)} MB so far`)
    },
    onTable: (table, rows) => print(`${table}  ${rows} ${rows === 1 ? 'row' : 'rows'}`),
  })
  await target.query('COMMIT')
  await source.query('COMMIT')
  await target.query('ANALYZE')
}

/** What is written to the old one from now on would be left behind. */
async function requireAlone(source: Client): Promise<void> {
  const { rows } = await source.query<{ names: string | null }>(
    `SELECT string_agg(DISTINCT COALESCE(NULLIF(application_name, ''), 'an unnamed program'), ', ') AS names
     FROM pg_stat_activity
     WHERE datname = current_database()
       AND backend_type = 'client backend'
       AND pid <> pg_backend_pid()`,
  )
  const [{ names } = { names: null }] = rows
  if (names !== null) throw new Failure(`the old database is in use by ${names}: stop that first`)
}

function whatRemains(config: Config): string[] {
  const keep = (name: string, file: string): string =>
    `  echo "${name}=$(cat ${config.dataDir}/${file})" >> .env`
  return [
    '',
    'Everything is there now. What remains:',
    '1. Set DATABASE_URL to the new database, wherever Postrider runs.',
    '2. Keep the keys: without the encryption keys no webhook can sign.',
    ...(config.encryptionKeys.length === 0 ? [keep('POSTRIDER_ENCRYPTION_KEYS', 'encryption-keys')] : []),
    ...(config.adminKey === null ? [keep('POSTRIDER_ADMIN_KEY', 'admin-key')] : []),
    '3. Start it. Never start it on the old database again: what waits there would be sent a second time.',
  ]
}
