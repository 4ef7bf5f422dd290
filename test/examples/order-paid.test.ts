import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client, escapeIdentifier, escapeLiteral } from 'pg'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { Receiver } from '../support/receiver.ts'
import { type Running, startPostrider } from '../support/running.ts'

const role = `shop_${randomBytes(4).toString('hex')}`

let running: Running
let receiver: Receiver
let owner: Database
let shop: Client
let secret: string
let projectId: string

beforeAll(async () => {
  running = await startPostrider()
  receiver = await Receiver.start()
  owner = new Database({ connectionString: running.connectionString, maxConnections: 1 })
  projectId = (await running.postrider.projects.create({ name: 'shop' })).id
  secret = (await running.postrider.webhooks.create(projectId, { name: 'shop', url: receiver.url })).secret!
  await owner.query(`CREATE ROLE ${role}`)
  const example = readFileSync(
    join(import.meta.dirname, '../../examples/publishers/sql/order-paid.sql'),
    'utf8',
  )
  // As psql puts its variables in.
  const statements = example
    .replaceAll(`:'project'`, escapeLiteral(projectId))
    .replaceAll(`:"role"`, escapeIdentifier(role))
  await owner.query(statements)
  shop = new Client({ connectionString: running.connectionString })
  await shop.connect()
  await shop.query(`SET SESSION AUTHORIZATION ${role}`)
})
afterAll(async () => {
  await shop.end()
  await owner.query(`DROP OWNED BY ${role}`)
  await owner.query(`DROP ROLE ${role}`)
  await owner.close()
  await receiver.close()
  await running[Symbol.asyncDispose]()
})

async function published(): Promise<object[]> {
  const { rows } = await owner.query<{ event: object }>(
    `SELECT payload::jsonb - '{id,timestamp,api_version,project_id}'::text[] AS event
     FROM postrider.events
     ORDER BY id`,
  )
  return rows.map(({ event }) => event)
}

const paid = (order: number, amount: number) => ({
  type: 'order.paid',
  data: { order, customer: 'Zoë', amount, paid_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) },
})

it('an order that is paid is an event, once, whatever else happens to it', async () => {
  await shop.query(`INSERT INTO orders (customer, amount) VALUES ('Zoë', 25.00)`)
  expect(await published()).toEqual([])
  await shop.query('BEGIN')
  await shop.query('UPDATE orders SET paid_at = now() WHERE id = 1')
  await shop.query('ROLLBACK')
  expect(await published()).toEqual([])
  await shop.query('UPDATE orders SET paid_at = now() WHERE id = 1')
  await shop.query(`UPDATE orders SET amount = 26, paid_at = now() WHERE id = 1`)
  expect(await published()).toEqual([paid(1, 25)])
  await shop.query(`INSERT INTO orders (customer, amount, paid_at) VALUES ('Zoë', 30, now())`)
  expect(await published()).toEqual([paid(1, 25), paid(2, 30)])
  for (const { body, headers } of await receiver.waitFor(2)) {
    new Webhook(secret).verify(body, headers as Record<string, string>)
  }
  expect(receiver.requests.map(({ body }) => JSON.parse(body) as unknown)).toEqual(
    expect.arrayContaining([expect.objectContaining(paid(1, 25)), expect.objectContaining(paid(2, 30))]),
  )
  expect(receiver.requests[0]!.body).toMatch(/"amount": (25|30)\.00/)
})

it('a thousand orders paid by one statement are a thousand events, or none', async () => {
  const before = (await published()).length
  await shop.query(`INSERT INTO orders (customer, amount) SELECT 'Zoë', n FROM generate_series(1, 1000) AS n`)
  await shop.query('BEGIN')
  await shop.query(`UPDATE orders SET paid_at = now() WHERE paid_at IS NULL`)
  await shop.query('ROLLBACK')
  expect((await published()).length).toBe(before)
  await shop.query(`UPDATE orders SET paid_at = now() WHERE paid_at IS NULL`)
  expect((await published()).length).toBe(before + 1_000)
})

it('the role can do this, and nothing else with Postrider', async () => {
  for (const statement of [
    'SELECT * FROM postrider.events',
    'SELECT secret FROM postrider.webhooks',
    `SELECT postrider.publish_many('${projectId}', '[]')`,
    'TRUNCATE orders',
  ]) {
    await expect(shop.query(statement)).rejects.toMatchObject({ code: '42501' })
  }
})
