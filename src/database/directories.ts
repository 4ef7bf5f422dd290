import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findEmbedded, startEmbedded } from './embedded.ts'

/** Where in a data directory the embedded database lives. */
export function embeddedDir(dataDir: string): string {
  return join(dataDir, 'postgres')
}

/**
 * A fresh data directory for something that passes: a demo, a test. Its name tells whose it is, so that one left behind
 * can be cleared away.
 */
export async function makePassingDir(purpose: 'demo' | 'testing'): Promise<string> {
  await clearAbandoned(purpose)
  const directory = await mkdtemp(join(tmpdir(), `postrider-${purpose}-${process.pid}-`))
  // As for every data directory: root's server runs as someone else, who has to get through.
  if (process.getuid?.() === 0) await chmod(directory, 0o711)
  return directory
}

export function removePassingDir(directory: string): Promise<void> {
  return rm(directory, { recursive: true, force: true, maxRetries: 3 })
}

/** What a process that was killed left: a directory, and maybe a server that still runs in it. */
async function clearAbandoned(purpose: string): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(new RegExp(`^postrider-${purpose}-(\\d+)-`).exec(name)?.[1] ?? NaN)
    if (Number.isNaN(pid) || isAlive(pid)) continue
    const directory = join(tmpdir(), name)
    try {
      await stopServer(embeddedDir(directory))
      await removePassingDir(directory)
    } catch {
      // Another user's, or one that starts just now: it is not in our way.
    }
  }
}

async function stopServer(dataDir: string): Promise<void> {
  if ((await findEmbedded(dataDir)) === null) return
  const server = await startEmbedded({ dataDir })
  await server.stop()
  if ((await findEmbedded(dataDir)) !== null) throw new Error('it is in use')
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
