import { open, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Home, Runner } from './home.ts'
import { runAs, spawnAs } from './identity.ts'

const POLL_MS = 20
const LOG_LIMIT_BYTES = 10 * 1024 * 1024

/** What a server says of itself in its `postmaster.pid`. */
export interface Postmaster {
  pid: number
  port: number
  ready: boolean
}

export async function readPostmaster(cluster: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    },
  )
  // Line 1 is the process, line 4 the port, line 8 the state; a starting server has not written all of them.
  const lines = text?.split('\n') ?? []
  const pid = Number(lines[0])
  return pid ? { pid, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' } : undefined
}

/** Whether that process still is the server of this cluster. Its number may by now be another program's. */
export async function isServer(pid: number, cluster: string): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(async () => {
    const { output } = await runAs({ name: '', prefix: [] }, ['ps', '-o', 'command=', '-p', `${pid}`])
    return output
  })
  return command.includes(cluster)
}

/**
 * Makes a server start in spite of a `postmaster.pid` whose number now belongs to some other program, as after a
 * crash in a container where numbers come again. Only the number is replaced, by one that no process can have:
 * from the rest of the file the server sees whether processes of its predecessor still hold the shared memory.
 */
export async function disownPostmaster(cluster: string): Promise<void> {
  const path = join(cluster, 'postmaster.pid')
  const text = await readFile(path, 'utf8')
  await writeFile(path, text.replace(/^\d+/, '2147483647'))
}

/**
 * Starts a server and waits until it is ready. It is in a session of its own, so that Ctrl-C in a terminal
 * reaches only us: who stops it is decided when we stop. Answers what went wrong, if anything did.
 */
export async function launch(
  home: Home,
  { identity, bin }: Runner,
  { port, settings }: { port: number; settings: Record<string, string> },
): Promise<string | undefined> {
  const log = join(home.dataDir, 'server.log')
  const full = (await stat(log).catch(() => undefined))?.size ?? 0
  const file = await open(log, full > LOG_LIMIT_BYTES ? 'w+' : 'a+', 0o600)
  const { size: before } = await file.stat()
  const options = {
    listen_addresses: '127.0.0.1',
    port: `${port}`,
    unix_socket_directories: '',
    ...settings,
  }
  const child = spawnAs(
    identity,
    [
      join(bin, 'postgres'),
      '-D',
      home.cluster,
      ...Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    { stdio: ['ignore', file.fd, file.fd], detached: true },
  )
  const end: { reason?: string } = {}
  child.once('error', (error) => (end.reason = error.message))
  child.once('exit', (code, signal) => (end.reason = `the server ended with ${signal ?? `status ${code}`}`))
  try {
    while (end.reason === undefined) {
      const postmaster = await readPostmaster(home.cluster)
      if (postmaster?.ready && postmaster.pid === child.pid) return undefined
      await delay(POLL_MS)
    }
    const { size } = await file.stat()
    const { buffer } = await file.read(Buffer.alloc(Math.min(size - before, 2_000)), { position: before })
    return `${end.reason}\n${buffer.toString().trim()}`
  } finally {
    child.unref()
    await file.close()
  }
}

/** Fast shutdown: clients are cut off, everything is written. Waits until the server is gone. */
export async function shutDown(pid: number, cluster: string): Promise<void> {
  process.kill(pid, 'SIGINT')
  const patienceEnds = Date.now() + 60_000
  while ((await readPostmaster(cluster))?.pid === pid && (await isServer(pid, cluster))) {
    if (Date.now() > patienceEnds) throw new Error(`The server of ${cluster} (process ${pid}) does not stop`)
    await delay(POLL_MS)
  }
}

/** The port of the last start, so that a connection string stays good for as long as nobody takes the port. */
export async function lastPort(cluster: string): Promise<number | undefined> {
  const options = await readFile(join(cluster, 'postmaster.opts'), 'utf8').catch(() => '')
  return Number(/"port=(\d+)"/.exec(options)?.[1]) || undefined
}

/** A port on loopback that nobody listens on: the wanted one, else any. */
export async function freePort(wanted = 0): Promise<number> {
  const port = await tryPort(wanted)
  return port ?? freePort()
}

function tryPort(wanted: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(wanted, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
