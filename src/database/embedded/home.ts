import {
  access,
  chmod,
  cp,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { copyBinaries, repairBinaries } from './binaries.ts'
import { giveTo, identities, type Identity, runAs } from './identity.ts'

/** For clusters whose data directory an unprivileged user cannot reach. */
const PLACES = '/var/lib/postrider'

/** Where a cluster lives. Normally all of it is the data directory. */
export interface Home {
  /** Holds the password, the server's log and, when the cluster is elsewhere, `location`. */
  dataDir: string
  cluster: string
}

/** With whom and with what its server can be started. */
export interface Runner {
  identity: Identity
  bin: string
  /** Major version of the binaries. */
  major: number
}

export async function findHome(dataDir: string): Promise<Home> {
  const place = await readFile(join(dataDir, 'location'), 'utf8').catch(() => dataDir)
  if (await exists(place)) return { dataDir, cluster: join(place, 'cluster') }
  throw new Error(
    `The database of ${dataDir} was in ${place}, which is gone: to begin anew, delete ${dataDir}`,
  )
}

/**
 * Finds someone who can run these binaries on this cluster. Where nobody can (root below a folder of mode 0700,
 * in a container that allows no user namespaces), the cluster and the binaries go where an unprivileged user
 * gets to, and a file `location` in the data directory says where.
 */
export async function findRunner(
  home: Home,
  binaries: string,
  log: (message: string) => void,
): Promise<Runner & { home: Home }> {
  const owner = await stat(home.cluster).catch(() => undefined)
  const usable = await repairBinaries(binaries)
  const candidates = identities(owner && { uid: owner.uid, gid: owner.gid })
  for (const identity of candidates) {
    if (!usable || !(await reaches(identity, home))) continue
    const major = await version(identity, binaries).catch(() => undefined)
    if (major) return { identity, bin: binaries, major, home }
  }

  const identity = candidates[0] as Identity
  const moved = (await reaches(identity, home)) ? home : await moveCluster(home)
  const place = dirname(moved.cluster)
  log(`copying PostgreSQL's programs to ${place}, where ${identity.name} can run them`)
  const bin = await copyBinaries(binaries, place)
  await giveTo(identity, dirname(bin))
  return { identity, bin, major: await version(identity, bin), home: moved }
}

async function reaches(identity: Identity, home: Home): Promise<boolean> {
  if (!identity.user && identity.prefix.length === 0) return true
  return (await runAs(identity, ['test', '-x', dirname(home.cluster)])).ok
}

async function version(identity: Identity, bin: string): Promise<number> {
  const { ok, output } = await runAs(identity, [join(bin, 'postgres'), '--version'])
  if (!ok) throw new Error(`PostgreSQL does not run here: ${output.trim()}`)
  return Number(/ (\d+)/.exec(output)?.[1])
}

/**
 * Several may move at once: each into a folder of its own, and the first to link `location` is the one that did.
 * The original goes last, when the copy is the one that counts.
 */
async function moveCluster({ dataDir, cluster }: Home): Promise<Home> {
  const location = join(dataDir, 'location')
  const place = await makePlace(dataDir)
  try {
    if (await exists(cluster)) {
      await cp(cluster, join(place, 'cluster'), { recursive: true, verbatimSymlinks: true })
    }
    await writeFile(join(place, 'location'), place)
    await link(join(place, 'location'), location)
  } catch (error) {
    await rm(place, { recursive: true })
    const moved = await exists(location)
    if (!moved) throw error
    return findHome(dataDir)
  }
  await rm(cluster, { recursive: true, force: true })
  await removeAbandoned(dataDir, place)
  return findHome(dataDir)
}

async function makePlace(dataDir: string): Promise<string> {
  await mkdir(PLACES, { recursive: true, mode: 0o755 })
  const place = await mkdtemp(join(PLACES, 'embedded-'))
  await chmod(place, 0o711)
  await writeFile(join(place, 'data-dir'), dataDir)
  return place
}

/** What a data directory of this name had here before it was deleted. */
async function removeAbandoned(dataDir: string, place: string): Promise<void> {
  for (const name of await readdir(PLACES)) {
    const other = join(PLACES, name)
    const owner = await readFile(join(other, 'data-dir'), 'utf8').catch(() => '')
    if (owner === dataDir && other !== place) await rm(other, { recursive: true, force: true })
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
