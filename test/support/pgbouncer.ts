import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { onTestFinished } from 'vitest'

const program = '/usr/sbin/pgbouncer'

/** Debian's package, where it is installed. */
export const hasPgBouncer = existsSync(program)

/**
 * PgBouncer in front of a database, giving a connection of the server to each transaction; with fewer of them than the
 * processes behind it have. Ends with the test.
 */
export async function startPgBouncer(connectionString: string): Promise<string> {
  const server = new URL(connectionString)
  const directory = await mkdtemp(join(tmpdir(), 'pgbouncer-'))
  const port = await freePort()
  await writeFile(
    join(directory, 'users.txt'),
    `"${decodeURIComponent(server.username)}" "${decodeURIComponent(server.password)}"\n`,
  )
  const configuration = join(directory, 'pgbouncer.ini')
  await writeFile(
    configuration,
    `[databases]
* = host=${server.hostname} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${join(directory, 'users.txt')}
pool_mode = transaction
default_pool_size = 5
max_client_conn = 200
`,
  )
  // As root it refuses to run; as somebody else it must be able to read this.
  for (const path of [directory, configuration, join(directory, 'users.txt')]) await chmod(path, 0o755)
  const isRoot = process.getuid?.() === 0
  const child = spawn(program, ['-q', ...(isRoot ? ['-u', 'nobody'] : []), configuration], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  onTestFinished(async () => {
    child.kill('SIGINT')
    await ended
    await rm(directory, { recursive: true })
  })
  const pooled = new URL(connectionString)
  pooled.host = `127.0.0.1:${port}`
  await untilAnswering(
    pooled.href,
    () => child.exitCode === null,
    () => said,
  )
  return pooled.href
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function untilAnswering(url: string, isAlive: () => boolean, said: () => string): Promise<void> {
  for (;;) {
    const client = new Client({ connectionString: url })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query('SELECT 1')
      return
    } catch (error) {
      if (!isAlive()) throw new Error(`pgbouncer did not start: ${said()}`, { cause: error })
    } finally {
      await client.end().catch(() => {})
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
