import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { blocksOf } from '../docs/blocks.ts'

/** Where the README is walked through: a project that has Postrider, Express, Drizzle and pg, and a server that runs. */
export interface Place {
  directory: string
  url: string
  adminKey: string
  databaseUrl: string
  /** Of the README's programs; `node` in its PATH runs them. */
  env: NodeJS.ProcessEnv
}

export interface Walked extends AsyncDisposable {
  receiverUrl: string
  receiverOutput(): string
  /** Pays an order in the application, and waits until the receiver says so. */
  pay(order: number): Promise<void>
}

const blocks = blocksOf('README.md')

/** The one block of the README that begins like this, or is this file. */
export function readmeBlock(start: string): string {
  const found = blocks.filter(({ code, file }) => file === start || code.startsWith(start))
  if (found.length !== 1) throw new Error(`README has ${found.length} blocks that are ${start}`)
  return found[0]!.code
}

/**
 * Does what the README says, with curl and jq: its commands make the project and the webhook, its receiver verifies, its
 * application publishes. Only addresses and keys are others.
 */
export async function walkReadme(place: Place): Promise<Walked> {
  const port = await freePort()
  const script = readmeBlock('URL=')
    .replace('http://127.0.0.1:8080', place.url)
    .replace('$(cat .postrider/admin-key)', place.adminKey)
    .replace('http://127.0.0.1:3000', `http://127.0.0.1:${port}`)
  const { stdout } = await promisify(execFile)('bash', [
    '--norc',
    '-euo',
    'pipefail',
    '-c',
    `${script}\necho; echo $PROJECT`,
  ])
  const [secret = '', publication = '', project = ''] = stdout.split('\n')
  if (!secret.startsWith('whsec_') || !publication.includes('"deliveries":1,"duplicate":false'))
    throw new Error(`the README's commands answered ${stdout}`)
  await createOrders(place.databaseUrl)

  const receiver = await start(place, 'receiver.ts', 3000, { port, env: { WEBHOOK_SECRET: secret } })
  const app = await start(place, 'app.ts', 4000, {
    port: 0,
    env: { DATABASE_URL: place.databaseUrl, PROJECT: project },
  }).catch(async (error: unknown) => {
    await receiver.kill()
    throw error
  })
  return {
    receiverUrl: receiver.url,
    receiverOutput: () => receiver.output,
    async pay(order) {
      const { status } = await fetch(`${app.url}/orders/${order}/pay`, { method: 'POST' })
      if (status !== 204) throw new Error(`the application answered ${status}: ${app.output}`)
      await receiver.says(`order ${order} is paid`)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([receiver.kill(), app.kill()])
    },
  }
}

async function createOrders(connectionString: string): Promise<void> {
  const client = new Client({ connectionString })
  await client.connect()
  await client.query('CREATE TABLE orders (id integer PRIMARY KEY, paid boolean NOT NULL DEFAULT false)')
  await client.query('INSERT INTO orders (id) VALUES (7)')
  await client.end()
}

/** One of the README's programs, on another port than it has there. */
async function start(
  { directory, env }: Place,
  file: string,
  readmePort: number,
  { port, ...own }: { port: number; env: Record<string, string> },
): Promise<Program> {
  const code = readmeBlock(file).replace(
    `app.listen(${readmePort})`,
    `app.listen(${port}, '127.0.0.1', function () { console.log('port', this.address().port) })`,
  )
  const path = join(directory, file)
  writeFileSync(path, code)
  return Program.start(path, { ...env, ...own.env })
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** A program that tells its port first. */
class Program {
  readonly child: ChildProcess
  output = ''

  private constructor(child: ChildProcess) {
    this.child = child
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        this.output += chunk.toString()
      })
    }
  }

  static async start(file: string, env: NodeJS.ProcessEnv): Promise<Program> {
    const program = new Program(spawn('node', [file], { env }))
    await program.says('port ')
    return program
  }

  get url(): string {
    return `http://127.0.0.1:${/port (\d+)/.exec(this.output)![1]}`
  }

  async says(text: string): Promise<void> {
    const signal = AbortSignal.timeout(20_000)
    while (!this.output.includes(text)) {
      if (this.child.exitCode !== null) throw new Error(`it ended: ${this.output}`)
      await Promise.race([
        once(this.child.stdout!, 'data', { signal }),
        once(this.child, 'exit', { signal }),
      ]).catch((cause: unknown) => {
        throw new Error(`waited for ${JSON.stringify(text)}, it said: ${this.output}`, { cause })
      })
    }
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await ended
  }
}
