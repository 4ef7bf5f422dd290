import { randomBytes } from 'node:crypto'
import { appendFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packagedBinaries } from '../../src/database/embedded/binaries.ts'
import { createCluster } from '../../src/database/embedded/cluster.ts'
import { findRunner, type Home, type Runner } from '../../src/database/embedded/home.ts'
import { giveTo } from '../../src/database/embedded/identity.ts'
import { freePort, launch, readPostmaster, shutDown } from '../../src/database/embedded/server.ts'
import { connectionString } from '../../src/database/embedded/use.ts'
import { Database } from '../../src/database/database.ts'
import { stopWhenWeDie, temporaryDirectory } from './server.ts'

/** One of two servers. */
export interface Node {
  /** `127.0.0.1:port` */
  name: string
  url: string
  /** What it has written into its log. */
  log(): Promise<string>
  /** Runs a statement as the superuser. */
  query<Row = Record<string, unknown>>(text: string): Promise<Row[]>
  /** As a machine that loses its power: all its processes at once, by SIGKILL. */
  kill(): Promise<void>
}

export interface Pair extends AsyncDisposable {
  primary: Node
  standby: Node
  /** The connection string that names both. */
  both: string
}

/**
 * A primary and a hot standby that streams from it, both on this machine. A cluster that nothing has run on yet may be copied
 * as files: the standby then replays the WAL from its very beginning. From `synchronise()` on a commit waits until the
 * standby has it.
 */
export async function startPair(): Promise<Pair & { synchronise(): Promise<void> }> {
  const directory = await temporaryDirectory()
  const password = randomBytes(12).toString('hex')
  const first = await createFirst(directory, password)
  const second = { dataDir: join(directory, 'second'), cluster: join(directory, 'second', 'cluster') }
  await mkdir(second.dataDir, { mode: 0o711 })
  await cp(first.home.cluster, second.cluster, { recursive: true, verbatimSymlinks: true })
  const primary = await startNode(first, password, {})
  await writeFile(join(second.cluster, 'standby.signal'), '')
  const [host, port] = primary.name.split(':')
  await appendFile(
    join(second.cluster, 'postgresql.auto.conf'),
    `primary_conninfo = 'host=${host} port=${port} user=postrider password=${password} application_name=second'\n`,
  )
  await giveTo(first.identity, second.cluster)
  // Its log tells who was asked.
  const standby = await startNode({ ...first, home: second }, password, { log_statement: 'all' })
  return {
    primary,
    standby,
    both: primary.url.replace(primary.name, `${primary.name},${standby.name}`),
    async synchronise() {
      await primary.query(`ALTER SYSTEM SET synchronous_standby_names = 'second'`)
      await primary.query('SELECT pg_reload_conf()')
      while (
        (await primary.query(`SELECT FROM pg_stat_replication WHERE sync_state = 'sync'`)).length === 0
      ) {
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([primary.stop(), standby.stop()])
      await rm(directory, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

async function createFirst(directory: string, password: string): Promise<Runner & { home: Home }> {
  const wanted = { dataDir: join(directory, 'first'), cluster: join(directory, 'first', 'cluster') }
  await mkdir(wanted.dataDir, { mode: 0o711 })
  const binaries = process.env['TEST_POSTGRES_BIN'] ?? packagedBinaries()
  const runner = await findRunner(wanted, binaries, () => {})
  await createCluster(runner.home, runner, password)
  await giveTo(runner.identity, runner.home.cluster)
  return runner
}

async function startNode(
  { home, ...runner }: Runner & { home: Home },
  password: string,
  settings: Record<string, string>,
): Promise<Node & { stop(): Promise<void> }> {
  const port = await freePort()
  const failure = await launch(home, runner, {
    port,
    settings: {
      // What is killed is the server, not the machine: the kernel keeps what was written.
      fsync: 'off',
      full_page_writes: 'off',
      shared_buffers: '64MB',
      wal_keep_size: '1GB',
      max_wal_size: '1GB',
      wal_retrieve_retry_interval: '200ms',
      ...settings,
    },
  })
  if (failure !== undefined) throw new Error(failure)
  const { pid } = (await readPostmaster(home.cluster))!
  const dismiss = stopWhenWeDie(pid, home.dataDir)
  const url = connectionString(password, port, 'postgres')
  const superuser = new Database({ connectionString: url, maxConnections: 1 })
  let isUp = true
  const query = async <Row>(text: string): Promise<Row[]> => (await superuser.query<Row>(text)).rows
  return {
    name: `127.0.0.1:${port}`,
    url,
    query,
    log: () => readFile(join(home.dataDir, 'server.log'), 'utf8'),
    async kill() {
      isUp = false
      const backends = await query<{ pid: number }>('SELECT pid FROM pg_stat_activity')
      for (const each of [pid, ...backends.map((backend) => backend.pid)]) killProcess(each)
      while (killProcess(pid)) await new Promise((resolve) => setTimeout(resolve, 5))
    },
    async stop() {
      await superuser.close()
      if (isUp) await shutDown(pid, home.cluster)
      await dismiss()
    },
  }
}

/** Answers whether it was still there. */
function killProcess(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL')
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}
