import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database } from '../src/database/database.ts'
import { blocksOf } from './docs/blocks.ts'
import { installed, type Installed } from './docs/installed.ts'
import { adminKey, type Running, startPostrider } from './support/running.ts'

/**
 * Whoever has the README and nothing else gets as far as a verified webhook: its commands make the project and the webhook,
 * its application publishes, its receiver verifies. Only addresses and keys are this test's. What else the README shows is
 * tried with the other documents, in test/docs.
 */

const root = join(import.meta.dirname, '..')
const blocks = blocksOf('README.md')
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0

/** The one block that begins like this, or is this file. */
function block(start: string): string {
  const found = blocks.filter(({ code, file }) => file === start || code.startsWith(start))
  if (found.length !== 1) throw new Error(`README has ${found.length} blocks that are ${start}`)
  return found[0]!.code
}

it('names only npm scripts that exist', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const shell = blocks.filter(({ language }) => language === 'sh').map(({ code }) => code)
  const named = Array.from(shell.join('\n').matchAll(/npm (?:run )?([a-z:]+)\b/g), ([, name]) => name!)
  expect(named).toEqual(expect.arrayContaining(['start', 'test', 'demo']))
  expect(named.filter((name) => !(name in scripts) && name !== 'ci' && name !== 'install')).toEqual([])
})

describe.skipIf(!has('curl') || !has('jq'))('with the README alone (with curl and jq)', () => {
  let running: Running
  let application: Installed
  const processes: Program[] = []
  beforeAll(async () => {
    running = await startPostrider()
    application = installed('pg', 'express', 'drizzle-orm')
  })
  afterAll(async () => {
    for (const { child } of processes) child.kill('SIGKILL')
    await running[Symbol.asyncDispose]()
    application[Symbol.dispose]()
  })

  function start(file: string, port: number, env: Record<string, string>): Promise<Program> {
    const code = block(file).replace(
      `app.listen(${port})`,
      "app.listen(0, '127.0.0.1', function () { console.log('port', this.address().port) })",
    )
    return Program.start(application.write(file, code), { ...process.env, ...env }).then((program) => {
      processes.push(program)
      return program
    })
  }

  it('an application with Express and Drizzle sends its first verified webhook', async () => {
    const script = block('URL=')
      .replace('http://127.0.0.1:8080', running.url)
      .replace('$(cat .postrider/admin-key)', adminKey)
    const { stdout } = await promisify(execFile)('bash', [
      '--norc',
      '-euo',
      'pipefail',
      '-c',
      `${script}\necho; echo $PROJECT`,
    ])
    const [secret = '', publication = '', project = ''] = stdout.split('\n')
    expect(secret).toMatch(/^whsec_/)
    expect(publication).toContain('"deliveries":1,"duplicate":false')

    const receiver = await start('receiver.ts', 3000, { WEBHOOK_SECRET: secret })
    const { rows: webhooks } = await running.postrider.webhooks.list(project)
    // Where the README has a port that somebody else may have here.
    await running.postrider.webhooks.update(project, webhooks[0]!.id, { url: `${receiver.url}/webhooks` })

    const database = new Database({ connectionString: running.connectionString })
    await database.query('CREATE TABLE orders (id integer PRIMARY KEY, paid boolean NOT NULL DEFAULT false)')
    await database.query('INSERT INTO orders (id) VALUES (7)')
    const app = await start('app.ts', 4000, { DATABASE_URL: running.connectionString, PROJECT: project })
    expect((await fetch(`${app.url}/orders/7/pay`, { method: 'POST' })).status).toBe(204)

    await receiver.says('order 7 is paid')
    const { rows: orders } = await database.query('SELECT paid FROM orders')
    expect(orders).toEqual([{ paid: true }])
    await database.close()

    const forged = await fetch(`${receiver.url}/webhooks`, { method: 'POST', body: '{"type": "order.paid"}' })
    expect(forged.status).toBe(400)
    expect(receiver.output).not.toContain('undefined')
  }, 60_000)
})

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
    const program = new Program(spawn(process.execPath, [file], { env }))
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
}
