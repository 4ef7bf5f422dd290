import type { PoolClient } from 'pg'
import type { Database, Queryable } from './database.ts'
import { defaultDirectory, type Migration, readMigrations } from './migration-files.ts'
import { MigrationError } from './migration-error.ts'
import { isContended, retrying } from './transient.ts'

export { MigrationError } from './migration-error.ts'

export interface MigrateOptions {
  direction: 'up' | 'down'
  /** Last version to be there afterwards. Default: the newest for `up`, one step back for `down`; 0 removes all. */
  to?: number
  /** Folder of `0001_name.up.sql` and `.down.sql` files. */
  directory?: string
  /** Hears what was done and every NOTICE of a migration. */
  log?: (message: string) => void
}

export interface MigrationStatus {
  /** Newest version in the database; 0 when there is none. */
  version: number
  /** `known` is false when a newer release made it; `changed` when its file is no longer what was run. */
  applied: { version: number; name: string; applied_at: Date; known: boolean; changed: boolean }[]
  pending: { version: number; name: string }[]
}

/** Fixed for ever, so that two releases exclude each other: the bytes of "post" and "migr". */
const MIGRATION_LOCK = [0x706f7374, 0x6d696772] as const

const UNDEFINED_TABLE = '42P01'

/**
 * Moves the schema up or down, one transaction for each migration, and answers the names of those it ran.
 *
 * Any number of processes may call it at once: each transaction first waits for an advisory lock and then reads
 * again what is still to do, so every migration runs once. The lock ends with its transaction and so also works
 * through a pooler in transaction mode. A migration that fails leaves nothing of itself; the `MigrationError`
 * says where it stopped. A database that a newer release migrated further is left alone by `up`: releases
 * overlap while a deployment rolls over.
 */
export async function migrate(database: Database, options: MigrateOptions): Promise<string[]> {
  const migrations = await readMigrations(options.directory ?? defaultDirectory)
  const plan = planner(migrations, await readApplied(database), options)
  const done: string[] = []
  // The first look takes no lock and writes nothing, so that a start with nothing to do needs no rights for it.
  while (plan(await readApplied(database))) {
    const step = (): Promise<string | undefined> =>
      migrationTransaction(database, options.log, async (client) => {
        const migration = plan(await readApplied(client))
        if (!migration) return undefined
        await (options.direction === 'up' ? apply(client, migration) : revert(client, migration))
        return migration.name
      })
    const name = await retrying(step, {
      tries: 10,
      // Traffic goes on meanwhile, and may hold the tables the other way around: of a deadlock nothing is left.
      when: (error) => error instanceof MigrationError && isContended(error.cause),
      onRetry: (error) => options.log?.(`${(error as Error).message}: trying again`),
    })
    if (!name) break
    options.log?.(`migration ${name} ${options.direction === 'up' ? 'applied' : 'reverted'}`)
    done.push(name)
  }
  return done
}

/** What is applied and what is not. Only reads, and also answers for a database that was never migrated. */
export async function migrationStatus(
  database: Queryable,
  { directory = defaultDirectory }: { directory?: string } = {},
): Promise<MigrationStatus> {
  const migrations = await readMigrations(directory)
  const rows = await readApplied(database)
  const applied = rows.map(({ checksum, ...row }) => {
    const file = migrations.find(({ version }) => version === row.version)
    return { ...row, known: file !== undefined, changed: file !== undefined && file.checksum !== checksum }
  })
  const pending = migrations
    .filter(({ version }) => !rows.some((row) => row.version === version))
    .map(({ version, name }) => ({ version, name }))
  return { version: rows.at(-1)?.version ?? 0, applied, pending }
}

type AppliedRow = { version: number; name: string; applied_at: Date; checksum: string }

/** Decides the next migration from the rows that are there now; the goal is fixed by the rows at the start. */
function planner(migrations: Migration[], before: AppliedRow[], { direction, to }: MigrateOptions) {
  const changed = migrations.find(({ version, checksum }) =>
    before.some((row) => row.version === version && row.checksum !== checksum),
  )
  if (changed) {
    throw new Error(
      `migration ${changed.name} is not the one that this database was migrated with: it was made by another version of Postrider that was never released. Start with an empty database, or with that version.`,
    )
  }
  if (direction === 'up') {
    return (rows: AppliedRow[]) =>
      migrations.find(
        ({ version }) => version <= (to ?? Infinity) && !rows.some((row) => row.version === version),
      )
  }
  const goal = to ?? before.at(-2)?.version ?? 0
  return (rows: AppliedRow[]) => {
    const last = rows.at(-1)
    if (!last || last.version <= goal) return undefined
    const migration = migrations.find(({ version }) => version === last.version)
    if (migration) return migration
    throw new Error(`migration ${last.name} was made by a newer release: only that release can revert it`)
  }
}

async function readApplied(database: Queryable): Promise<AppliedRow[]> {
  // Not to_regclass(): that one would answer out of a cache from before we waited for the lock.
  const { rows: found } = await database.query(
    `SELECT
     FROM pg_catalog.pg_tables
     WHERE schemaname = 'postrider'
       AND tablename = 'migrations'`,
  )
  if (found.length === 0) return []
  try {
    const { rows } = await database.query<AppliedRow>(
      `SELECT version, name, applied_at, checksum
       FROM postrider.migrations
       ORDER BY version`,
    )
    return rows
  } catch (error) {
    // Taken down by another process since; under the lock that cannot be.
    if ((error as { code?: string }).code === UNDEFINED_TABLE) return []
    throw error
  }
}

async function apply(client: PoolClient, migration: Migration): Promise<void> {
  await createBookkeeping(client)
  await run(client, migration.up)
  await client.query(
    `INSERT INTO postrider.migrations (version, name, checksum)
     VALUES ($1::integer, $2::text, $3::text)`,
    [migration.version, migration.name, migration.checksum],
  )
}

async function revert(client: PoolClient, migration: Migration): Promise<void> {
  await run(client, migration.down)
  const { rows } = await client.query<{ left: number }>(
    `WITH gone AS (
       DELETE FROM postrider.migrations
       WHERE version = $1::integer
     )
     SELECT count(*)::integer AS left
     FROM postrider.migrations
     WHERE version <> $1::integer`,
    [migration.version],
  )
  if (rows[0]?.left === 0) await dropBookkeeping(client)
}

/** Asks before it creates: `IF NOT EXISTS` alone demands the right to create even where all is there. */
async function createBookkeeping(client: PoolClient): Promise<void> {
  await client.query(
    `DO $$
     BEGIN
       IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'postrider') THEN
         CREATE SCHEMA postrider;
       END IF;
       IF NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'postrider' AND tablename = 'migrations') THEN
         CREATE TABLE postrider.migrations (
           version integer PRIMARY KEY,
           name text NOT NULL,
           checksum text NOT NULL,
           applied_at timestamptz NOT NULL DEFAULT now()
         );
       END IF;
     END $$`,
  )
}

/** The schema goes with the last migration, unless someone put something of their own into it. */
async function dropBookkeeping(client: PoolClient): Promise<void> {
  await client.query(
    `DO $$
     BEGIN
       DROP TABLE postrider.migrations;
       DROP SCHEMA postrider RESTRICT;
     EXCEPTION
       WHEN dependent_objects_still_exist OR insufficient_privilege THEN
         DELETE FROM postrider.migrations;
         RAISE NOTICE 'schema postrider is kept: %', SQLERRM;
     END $$`,
  )
}

/** Runs the whole file as one message, so that PostgreSQL, not we, tells its statements apart. */
async function run(client: PoolClient, file: { path: string; sql: string }): Promise<void> {
  let completed = 0
  const count = () => completed++
  const { connection } = client as unknown as { connection: NodeJS.EventEmitter }
  connection.on('commandComplete', count)
  try {
    await client.query(file.sql)
  } catch (error) {
    throw new MigrationError(file, completed + 1, error as Error)
  } finally {
    connection.off('commandComplete', count)
  }
}

async function migrationTransaction<Result>(
  database: Database,
  log: MigrateOptions['log'],
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await database.pool.connect()
  const onNotice = (notice: { message: string | undefined }) => log?.(notice.message ?? '')
  let broken: Error | undefined
  client.on('error', ignore)
  client.on('notice', onNotice)
  try {
    // READ COMMITTED whatever the role's default is: a snapshot older than the lock would hide what others did.
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
    await client.query(
      `SELECT
         set_config('search_path', 'pg_catalog', true),
         set_config('statement_timeout', '0', true),
         set_config('lock_timeout', '0', true),
         set_config('client_min_messages', 'notice', true)`,
    )
    await client.query('SELECT pg_advisory_xact_lock($1::integer, $2::integer)', [...MIGRATION_LOCK])
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch((rollbackError: Error) => {
      broken = rollbackError
    })
    throw error
  } finally {
    client.off('notice', onNotice)
    client.off('error', ignore)
    client.release(broken)
  }
}

/** A lost connection fails the statement that runs. Without a listener it would also end the process. */
function ignore(): void {}
