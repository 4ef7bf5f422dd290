import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Pool, type QueryResultRow } from 'pg'
import { packagedBinaries } from '../src/database/embedded/binaries.ts'
import { createCluster, ensurePassword } from '../src/database/embedded/cluster.ts'
import { findHome, findRunner, type Home, type Runner } from '../src/database/embedded/home.ts'
import { freePort, isServer, launch, readPostmaster } from '../src/database/embedded/server.ts'
import { connectionString } from '../src/database/embedded/use.ts'
import { until } from './wait.ts'
import type { Cleanup } from './cleanup.ts'

export type ShutdownMode = 'fast' | 'immediate'

const signalOf = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const satisfies Record<ShutdownMode, string>

/** The name by which its own connections are told from those of the system under test. */
export const observerName = 'chaos'

/** Ends every connection that is not ours; answers how many there were. */
export async function terminateOthers(postgres: Postgres): Promise<number> {
  const rows = await postgres.query(
    `SELECT pg_terminate_backend(pid)
     FROM pg_stat_activity
     WHERE datname = current_database()
       AND application_name <> $1::text`,
    [observerName],
  )
  return rows.length
}

/** A real PostgreSQL server whose life is in our hands. */
export class Postgres {
  readonly port: number
  readonly url: string
  readonly #home: Home
  readonly #runner: Runner
  readonly #settings: Record<string, string>
  readonly #cleanup: Cleanup
  readonly #pool: Pool
  #pid = 0

  private constructor(parts: {
    port: number
    password: string
    home: Home
    runner: Runner
    settings: Record<string, string>
    cleanup: Cleanup
  }) {
    this.port = parts.port
    this.url = connectionString(parts.password, parts.port, 'postgres')
    this.#home = parts.home
    this.#runner = parts.runner
    this.#settings = parts.settings
    this.#cleanup = parts.cleanup
    this.#pool = new Pool({
      connectionString: this.url,
      application_name: observerName,
      max: 2,
      // Kept for the times when nobody else can get a connection.
      idleTimeoutMillis: 0,
    })
    this.#pool.on('error', () => {})
  }

  /** A new cluster in a folder, started. */
  static async start(
    folder: string,
    cleanup: Cleanup,
    settings: Record<string, string> = {},
  ): Promise<Postgres> {
    const dataDir = join(folder, 'postgres')
    await mkdir(dataDir)
    const found = await findHome(dataDir)
    const password = await ensurePassword(found)
    const { home, ...runner } = await findRunner(found, packagedBinaries(), () => {})
    await createCluster(home, runner, password)
    const port = await freePort()
    const postgres = new Postgres({ port, password, home, runner, settings, cleanup })
    await postgres.start()
    return postgres
  }

  /** Starts it again on the same port. */
  async start(): Promise<void> {
    const failure = await launch(this.#home, this.#runner, { port: this.port, settings: this.#settings })
    if (failure !== undefined) throw new Error(`PostgreSQL did not start: ${failure}`)
    this.#pid = (await readPostmaster(this.#home.cluster))?.pid ?? 0
    this.#cleanup.started(this.#pid)
  }

  /** Fast: cut everyone off and write everything. Immediate: drop everything, as a crash does. */
  async stop(mode: ShutdownMode): Promise<void> {
    if (await this.isRunning()) process.kill(this.#pid, signalOf[mode])
    await until(async () => !(await this.isRunning()), { timeoutMs: 60_000, wanted: 'PostgreSQL to stop' })
    this.#cleanup.ended(this.#pid)
  }

  isRunning(): Promise<boolean> {
    return isServer(this.#pid, this.#home.cluster)
  }

  /** On a connection of our own, past every proxy. */
  async query<Row extends QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const { rows } = await this.#pool.query<Row>(text, values)
    return rows
  }

  /** Runs `work` while a transaction of ours holds these tables for itself. */
  async whileLocked(tables: string, work: () => Promise<void>): Promise<void> {
    const client = await this.#pool.connect()
    try {
      await client.query('BEGIN')
      await client.query(`LOCK TABLE ${tables} IN ACCESS EXCLUSIVE MODE`)
      await work()
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
  }

  async close(): Promise<void> {
    await this.#pool.end().catch(() => {})
    await this.stop('immediate')
  }
}
