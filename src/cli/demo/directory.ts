import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findEmbedded, startEmbedded } from '../../database/embedded.ts'
import { embeddedDir } from '../data-dir.ts'

/** A fresh data directory for one demo. Its name tells whose it is, so that one left behind can be cleared away. */
export async function makeDemoDir(): Promise<string> {
  await clearAbandoned()
  const directory = await mkdtemp(join(tmpdir(), `postrider-demo-${process.pid}-`))
  // As for every data directory: root's server runs as someone else, who has to get through.
  if (process.getuid?.() === 0) await chmod(directory, 0o711)
  return directory
}

export function removeDemoDir(directory: string): Promise<void> {
  return rm(directory, { recursive: true, force: true, maxRetries: 3 })
}

/** What a demo that was killed left: a directory, and maybe a server that still runs in it. */
async function clearAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(/^postrider-demo-(\d+)-/.exec(name)?.[1] ?? NaN)
    if (Number.isNaN(pid) || isAlive(pid)) continue
    const directory = join(tmpdir(), name)
    try {
      await stopServer(embeddedDir(directory))
      await removeDemoDir(directory)
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
