import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { identities } from '../../src/database/embedded/identity.ts'
import { findHome } from '../../src/database/embedded/home.ts'
import { isServer, readPostmaster } from '../../src/database/embedded/server.ts'
import { compileCache } from './compile-cache.ts'
import { temporaryDirectory } from './server.ts'

export const isRoot = process.getuid?.() === 0

const nobody = identities()[0]?.user ?? { uid: 65534, gid: 65534 }
const script = fileURLToPath(new URL('embedded-child.ts', import.meta.url))

/** A process of its own that uses the embedded PostgreSQL. */
export interface EmbeddedChild {
  connectionString: string
  log: string[]
  stop(): Promise<void>
  kill(): Promise<void>
}

interface ChildOptions {
  binaries?: string
  /** Run by this user instead of ours. */
  user?: { uid: number; gid: number } | undefined
  path?: string | undefined
  /** Called with each line that is logged. */
  onLog?: (message: string, kill: () => void) => void
}

/** Starts one and waits until it has its server; throws what it failed with. */
export async function startChild(dataDir: string, options: ChildOptions = {}): Promise<EmbeddedChild> {
  const child = spawn(process.execPath, [script, dataDir, ...(options.binaries ? [options.binaries] : [])], {
    stdio: ['pipe', 'pipe', 'inherit'],
    cwd: '/',
    env: { PATH: options.path ?? process.env['PATH'], ...compileCache },
    ...options.user,
  })
  const ended = once(child, 'exit')
  const kill = () => child.kill('SIGKILL')
  const log: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line) as { log?: string; error?: string; connectionString?: string }
    if (said.log) log.push(said.log)
    if (said.log) options.onLog?.(said.log, kill)
    if (said.error) throw new Error(said.error)
    if (!said.connectionString) continue
    return {
      connectionString: said.connectionString,
      log,
      async stop() {
        child.stdin.write('stop\n')
        await ended
      },
      async kill() {
        kill()
        await ended
      },
    }
  }
  throw new Error('the process ended before it had a server')
}

/** A data directory that does not exist yet; afterwards nothing of it runs or is left, wherever it went. */
export async function temporaryDataDir(parent?: string): Promise<string> {
  const place = parent ?? (await temporaryDirectory())
  const dataDir = join(place, 'postgres')
  onTestFinished(async () => {
    const { cluster } = await findHome(dataDir).catch(() => ({ cluster: join(dataDir, 'cluster') }))
    const postmaster = await readPostmaster(cluster)
    if (postmaster && (await isServer(postmaster.pid, cluster))) process.kill(postmaster.pid, 'SIGQUIT')
    for (const path of [dirname(cluster), place])
      await rm(path, { recursive: true, force: true, maxRetries: 10 })
  })
  return dataDir
}

/** A folder that none but its owner may enter. */
export async function privateDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'postrider-private-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** A PATH on which nothing is found but `test`: above all no `unshare`. */
export async function pathWithoutUnshare(): Promise<string> {
  const directory = await temporaryDirectory()
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  await symlink('/usr/bin/test', join(directory, 'test'))
  return directory
}

/** As root: the user `nobody`, who then owns `dataDir`. Else we are an ordinary user ourselves. */
export async function ordinaryUser(dataDir: string): Promise<{ uid: number; gid: number } | undefined> {
  if (!isRoot) return undefined
  await mkdir(dataDir)
  await chown(dataDir, nobody.uid, nobody.gid)
  return nobody
}

/** For `test.skipIf`: in a checkout below a folder that only root may enter no ordinary user can run anything. */
export const onlyRootCanRunThis =
  isRoot &&
  spawnSync('test', ['-x', process.execPath, '-a', '-r', script], { cwd: '/', ...nobody }).status !== 0
