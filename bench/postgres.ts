import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Database } from '../src/database/database.ts'
import { type EmbeddedPostgres, startEmbedded } from '../src/database/embedded.ts'
import { cpuUsOfTree, parentOf } from './processes/proc.ts'

/**
 * Durable as a server in production. Checkpoints come when the bench asks for one, before a measurement, and not in the
 * middle of somebody's: pages that are new since then have no full page images in the WAL. What is to endure has them by
 * the clock.
 */
const settings = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '512MB',
  max_connections: '200',
  max_wal_size: '8GB',
  checkpoint_timeout: '1h',
}

/** Where only it matters that the bench works. */
const carelessly = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }

/** A database of one measurement. */
export interface BenchDatabase extends AsyncDisposable {
  name: string
  connectionString: string
}

export interface Template<State> {
  name: string
  state: State
}

/** The PostgreSQL of one run of the bench, in a folder of its own that is deleted afterwards. */
export class BenchPostgres {
  readonly admin: Database
  readonly #server: EmbeddedPostgres
  readonly #dataDir: string
  readonly #postmaster: number
  readonly #templates = new Map<string, Promise<Template<unknown>>>()
  readonly #made = new Set<string>()
  #clones = 0

  private constructor(server: EmbeddedPostgres, dataDir: string, admin: Database, postmaster: number) {
    this.#server = server
    this.#dataDir = dataDir
    this.admin = admin
    this.#postmaster = postmaster
  }

  static async start({ short = false, profiled = false, endures = false } = {}): Promise<BenchPostgres> {
    const dataDir = await mkdtemp(join(tmpdir(), 'postrider-bench-'))
    // The user whom the server runs as goes through it.
    await chmod(dataDir, 0o711)
    const server = await startEmbedded({
      dataDir,
      settings: {
        ...settings,
        ...(short && carelessly),
        ...(endures && { checkpoint_timeout: '5min' }),
        ...(profiled && {
          shared_preload_libraries: 'pg_stat_statements',
          'pg_stat_statements.track_planning': 'on',
        }),
      },
    })
    const admin = new Database({ connectionString: server.connectionString, maxConnections: 1 })
    const { rows } = await admin.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    return new BenchPostgres(server, dataDir, admin, parentOf(rows[0]!.pid))
  }

  /** CPU of all its processes so far, ended ones included. */
  get cpuUs(): number {
    return cpuUsOfTree(this.#postmaster)
  }

  async version(): Promise<string> {
    const { rows } = await this.admin.query<{ server_version: string }>('SHOW server_version')
    return rows[0]!.server_version
  }

  /** A database to copy from, made at its first use; out of nothing, or `from` another template. */
  template<State>(
    name: string,
    make: (connectionString: string) => Promise<State>,
    from?: string,
  ): Promise<Template<State>> {
    let template = this.#templates.get(name)
    if (!template) {
      template = this.#make(name, make, from)
      this.#templates.set(name, template)
    }
    return template as Promise<Template<State>>
  }

  /** A copy of a template, checkpointed. */
  async clone(template: string): Promise<BenchDatabase> {
    const name = `bench_${++this.#clones}`
    await this.#copy(template, name)
    await this.checkpoint()
    return {
      name,
      connectionString: this.#urlOf(name),
      [Symbol.asyncDispose]: async () => {
        await this.admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
      },
    }
  }

  /** Makes room: drops the templates that were made from others. They are made again where they are needed again. */
  async dropTemplates(): Promise<void> {
    for (const name of this.#made) {
      await this.admin.query(`DROP DATABASE IF EXISTS ${name}`)
      this.#templates.delete(name)
    }
    this.#made.clear()
  }

  async checkpoint(): Promise<void> {
    await this.admin.query('CHECKPOINT')
  }

  async stop(): Promise<void> {
    await this.admin.close()
    await this.#server.stop()
    await rm(this.#dataDir, { recursive: true, force: true })
  }

  async #make<State>(
    name: string,
    make: (connectionString: string) => Promise<State>,
    from = 'template1',
  ): Promise<Template<State>> {
    if (from !== 'template1') this.#made.add(name)
    await this.#copy(from, name)
    return { name, state: await make(this.#urlOf(name)) }
  }

  /** Files are copied: a large one would otherwise go through the WAL, page by page. */
  async #copy(from: string, name: string): Promise<void> {
    await this.admin.query(`CREATE DATABASE ${name} TEMPLATE ${from} STRATEGY FILE_COPY`)
  }

  #urlOf(name: string): string {
    return this.#server.connectionString.replace(/\w+$/, name)
  }
}
