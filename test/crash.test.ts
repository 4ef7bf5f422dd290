import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { Postrider } from '../src/postrider.ts'
import { compileCache } from './support/compile-cache.ts'
import { createTestDatabase } from './support/database.ts'
import { deliveryOf, storedAttempts, storedDelivery } from './support/engine.ts'
import { Receiver } from './support/receiver.ts'

/** Real worker processes on one database, killed as hard as it gets. */

const encryptionKey = Buffer.alloc(32, 3)
const workers: ChildProcess[] = []

afterEach(() => {
  for (const worker of workers.splice(0)) worker.kill('SIGKILL')
})

async function startWorker(connectionString: string): Promise<ChildProcess> {
  const worker = spawn(process.execPath, [join(import.meta.dirname, '../src/main.ts'), 'worker'], {
    cwd: import.meta.dirname,
    env: {
      PATH: process.env['PATH'],
      ...compileCache,
      DATABASE_URL: connectionString,
      POSTRIDER_ENCRYPTION_KEYS: `k1:${encryptionKey.toString('base64')}`,
      POSTRIDER_ALLOW_HTTP: 'true',
      POSTRIDER_ALLOW_PRIVATE: '127.0.0.0/8',
      POSTRIDER_LEASE_SECONDS: '5',
    },
  })
  workers.push(worker)
  worker.stderr.pipe(process.stderr)
  for await (const chunk of worker.stdout) {
    if (String(chunk).includes('Postrider is up')) break
  }
  worker.stdout.resume()
  return worker
}

async function journey(receiver: Receiver) {
  const { database, connectionString } = await createTestDatabase()
  const postrider = new Postrider({
    connectionString,
    encryptionKeys: [{ id: 'k1', key: encryptionKey }],
    allowHttp: true,
    allowPrivate: ['127.0.0.0/8'],
  })
  const { id: projectId } = await postrider.projects.create({ name: 'project' })
  await postrider.webhooks.create(projectId, { name: 'webhook', url: receiver.url })
  return { database, connectionString, postrider, projectId }
}

it('what a killed worker was sending is sent again by another, and recorded as interrupted', async () => {
  let answers = false
  await using receiver = await Receiver.start({
    answer: () => (answers ? { status: 200 } : new Promise(() => {})),
  })
  const { database, connectionString, postrider, projectId } = await journey(receiver)
  const { id } = await postrider.publish({ projectId, type: 'a', data: 1 })
  const first = await startWorker(connectionString)
  await receiver.waitFor(1)
  first.kill('SIGKILL')
  answers = true
  await startWorker(connectionString)
  await receiver.until(() => receiver.requests.length === 2, { timeoutMs: 15_000 })
  const deliveryId = await deliveryOf(database, id)
  await expect
    .poll(async () => (await storedDelivery(database, deliveryId))['status'], { timeout: 15_000 })
    .toBe('delivered')
  expect(await storedAttempts(database, deliveryId)).toMatchObject([
    { attempt: 1, outcome: 'interrupted' },
    { attempt: 2, outcome: 'delivered' },
  ])
  expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([id, id])
  await postrider.stop()
}, 60_000)

it('every event arrives although workers are killed again and again, and none that was recorded is sent again', async () => {
  await using receiver = await Receiver.start({ answer: () => ({ status: 200, delayMs: 5 }) })
  const { database, connectionString, postrider, projectId } = await journey(receiver)
  const events = 600
  await postrider.publishMany(Array.from({ length: events }, (_, data) => ({ projectId, type: 'a', data })))
  for (let kills = 0, seen = 0; kills < 3; kills += 1, seen += 100) {
    const worker = await startWorker(connectionString)
    await receiver.until(() => receiver.requests.length > seen, { timeoutMs: 15_000 })
    worker.kill('SIGKILL')
    await once(worker, 'exit')
  }
  await startWorker(connectionString)
  const unfinished = async (): Promise<number> => {
    const { rows } = await database.query<{ count: number }>(
      `SELECT COUNT(*)::integer AS count FROM postrider.webhook_deliveries WHERE status <> 'delivered'`,
    )
    return rows[0]!.count
  }
  await expect.poll(unfinished, { timeout: 30_000, interval: 200 }).toBe(0)
  expect(new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(events)
  // A second send is only ever one whose try was cut off.
  const { rows } = await database.query<{ interrupted: number }>(
    `SELECT COUNT(*)::integer AS interrupted FROM postrider.webhook_delivery_attempts WHERE outcome = 'interrupted'`,
  )
  expect(receiver.requests.length).toBeLessThanOrEqual(events + rows[0]!.interrupted)
  await postrider.stop()
}, 90_000)

it('SIGTERM lets what is in flight finish, and the process ends with 0', async () => {
  await using receiver = await Receiver.start({ answer: () => ({ status: 200, delayMs: 500 }) })
  const { database, connectionString, postrider, projectId } = await journey(receiver)
  await postrider.publishMany(Array.from({ length: 100 }, (_, data) => ({ projectId, type: 'a', data })))
  const worker = await startWorker(connectionString)
  await receiver.waitFor(5)
  worker.kill('SIGTERM')
  const [code] = (await once(worker, 'exit')) as [number]
  expect(code).toBe(0)
  const { rows } = await database.query<{ status: string }>(
    `SELECT DISTINCT status FROM postrider.webhook_deliveries ORDER BY status`,
  )
  expect(rows.map(({ status }) => status)).toEqual(['pending', 'delivered'])
  const { rows: delivered } = await database.query(
    `SELECT FROM postrider.webhook_deliveries WHERE status = 'delivered'`,
  )
  expect(delivered).toHaveLength(receiver.requests.length)
  await postrider.stop()
}, 60_000)
