import { Client } from 'pg'
import { afterEach, beforeEach, expect, inject, it } from 'vitest'
import { DatabaseProxy } from '../../chaos/proxy.ts'

const url = `${inject('serverUrl')}/postgres`
let proxy: DatabaseProxy
beforeEach(async () => {
  proxy = await DatabaseProxy.start(Number(new URL(url).port))
})
afterEach(() => proxy.close())

async function connect(connectionString: string): Promise<Client> {
  const client = new Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  return client
}

it('loses the reply to a commit, and not the commit', async () => {
  const direct = await connect(url)
  await direct.query('CREATE TABLE proxied (number integer)')
  const client = await connect(proxy.through(url))
  const lost = proxy.loseReply(({ statements }) => statements.some((text) => text.includes('proxied')))
  await client.query('BEGIN')
  await client.query('INSERT INTO proxied VALUES ($1::integer)', [1])
  await expect(client.query('COMMIT')).rejects.toThrow('Connection terminated')
  await lost
  const { rows } = await direct.query('SELECT number FROM proxied')
  expect(rows).toEqual([{ number: 1 }])
  await direct.query('DROP TABLE proxied')
  await direct.end()
})

it('holds what is sent until the network is back', async () => {
  const client = await connect(proxy.through(url))
  proxy.passage = 'holding'
  let answered = false
  const answer = client.query('SELECT 1').finally(() => {
    answered = true
  })
  const later = connect(proxy.through(url))
  // Long enough for an answer that is not held.
  const direct = await connect(url)
  await direct.query('SELECT pg_sleep(0.1)')
  await direct.end()
  expect(answered).toBe(false)
  proxy.passage = 'passing'
  await answer
  await client.end()
  await (await later).end()
})

it('swallows what is sent for good, and lets new connections pass afterwards', async () => {
  const client = await connect(proxy.through(url))
  proxy.passage = 'swallowing'
  let ended = false
  void client
    .query('SELECT 1')
    .finally(() => {
      ended = true
    })
    .catch(() => {})
  proxy.passage = 'passing'
  const other = await connect(proxy.through(url))
  await other.query('SELECT 1')
  await other.end()
  expect(ended).toBe(false)
})
