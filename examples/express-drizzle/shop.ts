/** A shop whose customers hear of each paid order. What webhooks add to it is marked. */
import { drizzle } from 'drizzle-orm/node-postgres'
import { bigint, numeric, pgTable } from 'drizzle-orm/pg-core'
import express from 'express'
import { Pool } from 'pg'
import { Postrider } from 'postrider'

const { DATABASE_URL, ENCRYPTION_KEY = '', PORT = '3000' } = process.env
const pool = new Pool({ connectionString: DATABASE_URL })
const db = drizzle({ client: pool })
const orders = pgTable('orders', {
  id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  amount: numeric().notNull(),
})
await pool.query(
  'CREATE TABLE IF NOT EXISTS orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, amount numeric NOT NULL)',
)

// Webhooks: the engine, in this process and on this database.
const postrider = new Postrider({
  pool,
  encryptionKeys: [{ id: 'k1', key: Buffer.from(ENCRYPTION_KEY, 'base64') }],
  // Only to try it with a receiver on this machine.
  ...(process.env['NODE_ENV'] !== 'production' && { allowHttp: true, allowPrivate: ['127.0.0.0/8'] }),
})
await postrider.migrate()
await postrider.start()
const [project = await postrider.projects.create({ name: 'shop' })] = (await postrider.projects.list()).rows

const app = express().use(express.json())

app.post('/orders', async ({ body }, response) => {
  const order = await db.transaction(async (tx) => {
    const [order] = await tx.insert(orders).values({ amount: body.amount }).returning()
    // Webhooks: the event is there if the order is.
    await postrider.publish({ projectId: project.id, type: 'order.paid', data: order }, { transaction: tx })
    charge(body.amount)
    return order
  })
  response.status(201).json(order)
})

// Webhooks: customers say where they want to hear of it, and get the secret to verify it with.
app.post('/webhooks', async ({ body }, response) => {
  const { id, secret } = await postrider.webhooks.create(project.id, {
    name: body.name,
    url: body.url,
    event_types: ['order.*'],
  })
  response.status(201).json({ id, secret })
})

/** Stands for whatever may still fail. */
function charge(amount: string): void {
  if (Number(amount) > 1_000) throw Object.assign(new Error('The card was declined.'), { status: 402 })
}

const server = app.listen(Number(PORT), '127.0.0.1', () => {
  const address = server.address()
  console.log(`listening on http://127.0.0.1:${typeof address === 'object' ? address?.port : PORT}`)
})
process.once('SIGTERM', () => {
  server.close()
  void postrider.stop().then(() => pool.end())
})
