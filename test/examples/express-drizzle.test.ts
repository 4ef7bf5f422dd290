import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createEmptyDatabase } from '../support/database.ts'
import { Receiver } from '../support/receiver.ts'

/**
 * The example as somebody has it who installed the package: in a folder of its own, with the package as it is published
 * (compiled, without the dashboard) and its types.
 */

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const directory = await mkdtemp(join(tmpdir(), 'postrider-express-'))
const shop = join(directory, 'shop')
const installed = join(shop, 'node_modules/postrider')

let complaints: string
beforeAll(async () => {
  await cp(join(root, 'examples/express-drizzle'), shop, { recursive: true })
  const dist = join(installed, 'dist')
  // As the build does, without what others have checked already.
  complaints = await compile('-p', join(root, 'tsconfig.build.json'), '--outDir', dist, '--noCheck')
  await cp(join(root, 'package.json'), join(installed, 'package.json'))
  await cp(join(root, 'src/database/migrations'), join(dist, 'database/migrations'), {
    recursive: true,
  })
  // Everything else that either of them depends on.
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
}, 120_000)
afterAll(() => rm(directory, { recursive: true, force: true }))

it('is built, each type of it with a declaration', () => {
  expect(complaints).toBe('')
})

it('compiles with the types of the package', async () => {
  expect(await compile('-p', shop)).toBe('')
}, 60_000)

it('sends its first webhook, which its receiver verifies, and none for an order that is declined', async () => {
  const { database, connectionString } = await createEmptyDatabase()
  await using receiver = await Receiver.start()
  const app = spawn(process.execPath, ['shop.ts'], {
    cwd: shop,
    env: {
      ...process.env,
      DATABASE_URL: connectionString,
      ENCRYPTION_KEY: randomBytes(32).toString('base64'),
      PORT: '0',
    },
  })
  try {
    const url = await addressOf(app)
    const post = async (path: string, body: object): Promise<{ status: number; text: string }> => {
      const response = await fetch(`${url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      return { status: response.status, text: await response.text() }
    }
    const webhook = await post('/webhooks', { name: 'a customer', url: receiver.url })
    expect(webhook.status).toBe(201)
    const { secret } = JSON.parse(webhook.text) as { secret: string }
    expect((await post('/orders', { amount: '1000.01' })).status).toBe(402)
    expect(await post('/orders', { amount: '25.00' })).toEqual({
      status: 201,
      text: '{"id":2,"amount":"25.00"}',
    })
    const [request] = await receiver.waitFor(1)
    expect(
      new Webhook(secret).verify(request!.body, request!.headers as Record<string, string>),
    ).toMatchObject({ type: 'order.paid', data: { id: 2, amount: '25.00' } })
    const { rows } = await database.query(
      `SELECT (SELECT array_agg(id::integer) FROM orders) AS orders,
              (SELECT COUNT(*)::integer FROM postrider.events) AS events`,
    )
    expect(rows).toEqual([{ orders: [2], events: 1 }])
    app.kill('SIGTERM')
    expect(await once(app, 'exit')).toEqual([0, null])
  } finally {
    app.kill('SIGKILL')
  }
}, 60_000)

/** What the compiler has to say. */
async function compile(...args: string[]): Promise<string> {
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const compiled = run(process.execPath, [compiler, ...args])
  return (await compiled.catch((error: { stdout: string }) => error)).stdout
}

/** Where it says that it listens. */
async function addressOf(app: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    let said = ''
    const listen = (chunk: Buffer): void => {
      said += chunk.toString()
      const [, address] = /listening on (\S+)\n/.exec(said) ?? []
      if (address) found(address)
    }
    app.stdout!.on('data', listen)
    app.stderr!.on('data', listen)
    app.once('exit', () => failed(new Error(`the shop ended: ${said}`)))
  })
}
