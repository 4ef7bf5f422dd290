import { randomBytes } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/database/database.ts'
import { ownHeaders, signingSecrets } from '../../src/registry/credentials.ts'
import { Projects } from '../../src/registry/projects.ts'
import { rotateKeys } from '../../src/registry/reencrypt.ts'
import { countByKey, requireKeys } from '../../src/registry/required-keys.ts'
import { Cipher } from '../../src/registry/secrets.ts'
import { Webhooks } from '../../src/registry/webhooks.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'

const { database } = await createTestDatabase()
const { id: projectId } = await new Projects({ database }).create({ name: 'p' })
const clock = new MovedClock()
const [k1, k2] = ['k1', 'k2'].map((id) => ({ id, key: randomBytes(32) }))
const old = new Cipher([k1!])
const both = new Cipher([k2!, k1!])
const onlyNew = new Cipher([k2!])

beforeEach(async () => {
  await database.query('DELETE FROM postrider.webhooks')
})

function webhooksWith(cipher: Cipher): Webhooks {
  const policy = { allowHttp: false, allowPrivate: [] } as never
  return new Webhooks({ database, cipher, policy, clock, onReactivate: async () => {} })
}

/** With a secret, one before it and two headers: four values. */
async function create(cipher = old): Promise<string> {
  const webhooks = webhooksWith(cipher)
  const headers = { 'x-token': randomBytes(9).toString('base64'), 'x-other': 'other' }
  const { id } = await webhooks.create(projectId, { name: 'w', url: 'https://example.com', headers })
  await webhooks.regenerateSecret(projectId, id)
  return id
}

async function stored(id: string) {
  const { rows } = await database.query<{
    webhook_id: string
    project_id: string
    secret: string
    previous_secret: string
    previous_secret_expires_at: Date
    headers: Record<string, string>
    updated_at: Date
  }>(
    `SELECT id AS webhook_id, project_id, secret, previous_secret, previous_secret_expires_at, headers, updated_at
     FROM postrider.webhooks WHERE id = $1::uuid`,
    [id],
  )
  return rows[0]!
}

async function opened(id: string, cipher: Cipher) {
  const row = await stored(id)
  return { secrets: signingSecrets(row, cipher, clock.now()), headers: ownHeaders(row, cipher) }
}

async function noted(): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    'SELECT COUNT(*)::integer AS count FROM postrider.audit_log',
  )
  return rows[0]!.count
}

/** The same database, where something happens before the first row is written. */
function disturbed(disturb: () => Promise<unknown>): Database {
  let done = false
  return new Proxy(database, {
    get(target, name) {
      if (name !== 'query') return Reflect.get(target, name).bind(target)
      return async (text: string, values?: unknown[]) => {
        if (!done && text.includes('UPDATE')) {
          done = true
          await disturb()
        }
        return target.query(text, values)
      }
    },
  })
}

test('everything is opened by the newest key alone afterwards, and says what it said; nobody sees a change', async () => {
  const ids = [await create(), await create(), await create()]
  const before = await Promise.all(ids.map((id) => opened(id, old)))
  const { updated_at } = await stored(ids[0]!)
  const notedBefore = await noted()
  expect(await countByKey(database)).toEqual(new Map([['k1', 12]]))

  expect(await rotateKeys(database, both)).toEqual({ webhooks: 3, values: 12, unopened: [] })

  expect(await countByKey(database)).toEqual(new Map([['k2', 12]]))
  expect(await Promise.all(ids.map((id) => opened(id, onlyNew)))).toEqual(before)
  expect((await stored(ids[0]!)).updated_at).toEqual(updated_at)
  expect(await noted()).toBe(notedBefore)
  expect(await rotateKeys(database, both)).toEqual({ webhooks: 0, values: 0, unopened: [] })
})

test('a change of the webhook moves updated_at all the same, of its secret too', async () => {
  const id = await create()
  const { updated_at: first } = await stored(id)
  await webhooksWith(old).regenerateSecret(projectId, id, { overlap_seconds: 0 })
  const { updated_at: second } = await stored(id)
  expect(second.getTime()).toBeGreaterThan(first.getTime())
})

test('interrupted, it goes on where it was', async () => {
  for (let count = 0; count < 101; count += 1) {
    await webhooksWith(old).create(projectId, { name: 'w', url: 'https://example.com' })
  }
  const interrupted = rotateKeys(database, both, ({ webhooks }) => {
    throw new Error(`interrupted after ${webhooks}`)
  })
  await expect(interrupted).rejects.toThrow('interrupted after 100')
  expect(await countByKey(database)).toEqual(
    new Map([
      ['k1', 1],
      ['k2', 100],
    ]),
  )
  expect(await rotateKeys(database, both)).toMatchObject({ webhooks: 1 })
})

test('what somebody changes between reading and writing stays changed, and is encrypted anew too', async () => {
  const id = await create()
  const sender = webhooksWith(old)
  let secret: string | null = null
  const result = await rotateKeys(
    disturbed(async () => {
      ;({ secret } = await sender.regenerateSecret(projectId, id, { overlap_seconds: 0 }))
      await sender.update(projectId, id, { headers: { 'x-new': 'changed' } })
    }),
    both,
  )
  expect(result).toEqual({ webhooks: 1, values: 2, unopened: [] })
  expect(await opened(id, onlyNew)).toEqual({ secrets: [secret], headers: { 'x-new': 'changed' } })
})

test('a webhook that is deleted meanwhile is none any more', async () => {
  const id = await create()
  const gone = disturbed(() => webhooksWith(old).delete(projectId, id))
  expect(await rotateKeys(gone, both)).toEqual({ webhooks: 0, values: 0, unopened: [] })
})

test('two rotations at once do each value once', async () => {
  for (let count = 0; count < 20; count += 1) await create()
  const results = await Promise.all([rotateKeys(database, both), rotateKeys(database, both)])
  expect(results.reduce((sum, { values }) => sum + values, 0)).toBe(80)
})

test('a value that no key opens stays as it is, is told without itself, and holds up no other', async () => {
  const [id, other] = [await create(), await create()]
  const { headers } = await stored(other)
  await database.query(`UPDATE postrider.webhooks SET headers = headers || $2::jsonb WHERE id = $1::uuid`, [
    id,
    JSON.stringify({ 'x-token': headers['x-token'] }),
  ])
  const { values, unopened } = await rotateKeys(database, both)
  expect(values).toBe(7)
  expect(unopened).toEqual([{ webhookId: id, place: 'headers.x-token', error: expect.any(Error) }])
  expect((await stored(id)).headers['x-token']).toBe(headers['x-token'])
  expect(String(unopened[0]!.error)).not.toContain(headers['x-token'])
})

test('numbers in headers from before encryption come through as they stand', async () => {
  const id = await create()
  await database.query(
    `UPDATE postrider.webhooks SET headers = '{"x-number": 12345678901234567890.10}' WHERE id = $1::uuid`,
    [id],
  )
  expect(await rotateKeys(database, both)).toMatchObject({ webhooks: 1, values: 3 })
  expect((await opened(id, onlyNew)).headers['x-number']).toMatch(/^1234567890123456/)
})

test('the keys that stored values need are told by their ids, and one damaged value is no missing key', async () => {
  const [id, other] = [await create(), await create()]
  await create(both)
  await expect(requireKeys(database, new Cipher([{ id: 'k3', key: randomBytes(32) }]))).rejects.toMatchObject(
    {
      code: 'internal',
      message: expect.stringContaining('"k1", "k2"'),
    },
  )
  await expect(requireKeys(database, onlyNew)).rejects.toThrow('need the encryption key "k1"')
  const namesake = new Cipher([k2!, { id: 'k1', key: randomBytes(32) }])
  await expect(requireKeys(database, namesake)).rejects.toThrow('it is not the key')

  await requireKeys(database, both)
  const { secret } = await stored(id)
  await database.query(`UPDATE postrider.webhooks SET secret = $2 WHERE id = $1::uuid`, [other, secret])
  await requireKeys(database, both)
})
