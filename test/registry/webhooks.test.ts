import { randomBytes } from 'node:crypto'
import { beforeEach, expect, test, vi } from 'vitest'
import type { Queryable } from '../../src/database/database.ts'
import { newId } from '../../src/ids.ts'
import { ownHeaders, signingSecrets } from '../../src/registry/credentials.ts'
import { Projects } from '../../src/registry/projects.ts'
import { sealPlainSecrets } from '../../src/registry/reencrypt.ts'
import { Cipher } from '../../src/registry/secrets.ts'
import { Webhooks } from '../../src/registry/webhooks.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'

const { database } = await createTestDatabase()
const projects = new Projects({ database })
const clock = new MovedClock()
const cipher = new Cipher([{ id: 'k1', key: randomBytes(32) }])
const onReactivate = vi.fn<(transaction: Queryable, webhookId: string) => Promise<void>>()
const webhooks = new Webhooks({
  database,
  cipher,
  policy: { allowHttp: false, allowPrivate: [] },
  clock,
  onReactivate,
})
const { id: projectId } = await projects.create({ name: 'p' })
const url = 'https://example.com/'

beforeEach(() => {
  onReactivate.mockReset()
  onReactivate.mockResolvedValue()
})

interface Stored {
  webhook_id: string
  project_id: string
  secret: string
  previous_secret: string | null
  previous_secret_expires_at: Date | null
  headers: Record<string, string> | null
}

async function stored(id: string): Promise<Stored> {
  const { rows } = await database.query<Stored>(
    `SELECT id AS webhook_id, project_id, secret, previous_secret, previous_secret_expires_at, headers
     FROM postrider.webhooks WHERE id = $1::uuid`,
    [id],
  )
  return rows[0]!
}

/** A row as another program wrote it, before there was encryption. */
async function insertPlain(columns: {
  secret?: string
  headers?: unknown
  is_active?: boolean
  url?: string
  disabled_reason?: string
}) {
  const { secret = 'plain', headers = {}, is_active = true, disabled_reason = null } = columns
  const { rows } = await database.query<{ id: string }>(
    `INSERT INTO postrider.webhooks (project_id, name, url, secret, headers, is_active, disabled_reason)
     VALUES ($1, 'old', $2, $3, $4, $5, $6) RETURNING id`,
    [
      projectId,
      columns.url ?? url,
      secret,
      headers === null ? null : JSON.stringify(headers),
      is_active,
      disabled_reason,
    ],
  )
  return rows[0]!.id
}

test('during an overlap both secrets sign, newest first; after it the new one alone', async () => {
  const { id, secret } = await webhooks.create(projectId, { name: 'w', url })
  expect(signingSecrets(await stored(id), cipher, clock.now())).toEqual([secret])
  const rotated = await webhooks.regenerateSecret(projectId, id, { overlap_seconds: 60 })
  expect(rotated.previous_expires_at).toEqual(new Date(clock.now().getTime() + 60_000))
  expect(signingSecrets(await stored(id), cipher, clock.now())).toEqual([rotated.secret, secret])
  await expect(webhooks.regenerateSecret(projectId, id)).rejects.toMatchObject({ code: 'conflict' })

  clock.advance(60)
  expect(signingSecrets(await stored(id), cipher, clock.now())).toEqual([rotated.secret])
  const third = await webhooks.regenerateSecret(projectId, id, { overlap_seconds: 60 })
  expect(signingSecrets(await stored(id), cipher, clock.now())).toEqual([third.secret, rotated.secret])

  const last = await webhooks.regenerateSecret(projectId, id, { overlap_seconds: 0 })
  expect(last.previous_expires_at).toBeNull()
  expect(signingSecrets(await stored(id), cipher, clock.now())).toEqual([last.secret])
  expect(await stored(id)).toMatchObject({ previous_secret: null, previous_secret_expires_at: null })
})

test('own headers keep their names and get their values back', async () => {
  const headers = { 'X-Token': 'abc', authorization: 'Bearer x', empty: '' }
  const { id, header_names } = await webhooks.create(projectId, { name: 'w', url, headers })
  expect(header_names).toEqual(['X-Token', 'authorization', 'empty'])
  expect(ownHeaders(await stored(id), cipher)).toEqual(headers)
  await webhooks.update(projectId, id, { name: 'other' })
  expect(ownHeaders(await stored(id), cipher)).toEqual(headers)
})

test('made active again it calls for what waited, in the same transaction', async () => {
  const { id } = await webhooks.create(projectId, { name: 'w', url, is_active: false })
  await webhooks.update(projectId, id, { name: 'still inactive' })
  expect(onReactivate).not.toHaveBeenCalled()
  onReactivate.mockImplementation(async (transaction, webhookId) => {
    const { rows } = await transaction.query(`SELECT is_active FROM postrider.webhooks WHERE id = $1::uuid`, [
      webhookId,
    ])
    expect(rows).toEqual([{ is_active: true }])
    expect((await webhooks.get(projectId, id)).is_active).toBe(false)
  })
  expect((await webhooks.update(projectId, id, { is_active: true })).is_active).toBe(true)
  expect(onReactivate).toHaveBeenCalledExactlyOnceWith(expect.anything(), id)
  await webhooks.update(projectId, id, { is_active: true })
  expect(onReactivate).toHaveBeenCalledTimes(1)

  await webhooks.update(projectId, id, { is_active: false })
  onReactivate.mockRejectedValue(new Error('failed'))
  await expect(webhooks.update(projectId, id, { is_active: true })).rejects.toThrow('failed')
  expect((await webhooks.get(projectId, id)).is_active).toBe(false)
})

test('what stopped a webhook is forgotten once a person says active or inactive', async () => {
  const gone = await insertPlain({ is_active: false, disabled_reason: 'gone' })
  expect((await webhooks.get(projectId, gone)).disabled_reason).toBe('gone')
  expect(await webhooks.update(projectId, gone, { is_active: false })).toMatchObject({
    disabled_reason: null,
  })
  const again = await insertPlain({ is_active: false, disabled_reason: 'gone' })
  expect(await webhooks.update(projectId, again, { is_active: true })).toMatchObject({
    is_active: true,
    disabled_reason: null,
  })
})

test('a row that the rules would refuse is not made active until it is changed', async () => {
  const id = await insertPlain({ is_active: false, url: 'https://', disabled_reason: 'invalid_url' })
  await expect(webhooks.update(projectId, id, { is_active: true })).rejects.toMatchObject({
    code: 'validation_failed',
    errors: [{ path: 'url' }],
  })
  expect(await webhooks.update(projectId, id, { is_active: true, url })).toMatchObject({
    is_active: true,
    url,
  })
  const empty = await insertPlain({ is_active: false })
  await database.query(`UPDATE postrider.webhooks SET event_types = '[]' WHERE id = $1`, [empty])
  await expect(webhooks.update(projectId, empty, { is_active: true })).rejects.toMatchObject({
    errors: [{ path: 'event_types' }],
  })
})

test('a change does not wait for publishers, nor they for it', async () => {
  const { id } = await webhooks.create(projectId, { name: 'w', url })
  await database.transaction(async (transaction) => {
    await transaction.query(`SELECT FROM postrider.publish($1::uuid, 'a', '1')`, [projectId])
    expect((await webhooks.update(projectId, id, { name: 'changed' })).name).toBe('changed')
  })
})

test('two rotations at once: one of them is refused', async () => {
  const { id } = await webhooks.create(projectId, { name: 'w', url })
  const results = await Promise.allSettled([1, 2, 3].map(() => webhooks.regenerateSecret(projectId, id)))
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('plain secrets and headers are encrypted once, keep what they say, and wait in the meantime', async () => {
  await database.query('DELETE FROM postrider.webhooks')
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const ids = [
    await insertPlain({ secret, headers: { 'x-a': 'token', 'x-number': 5, 'x-null': null } }),
    await insertPlain({ secret: 'no form at all', headers: null }),
    await insertPlain({ secret: 'v1.looks.like' }),
    await insertPlain({ secret: 'x'.repeat(255) }),
    (await webhooks.create(projectId, { name: 'new', url, headers: { 'x-b': 'b' } })).id,
  ]
  await database.query(
    `UPDATE postrider.webhooks SET previous_secret = 'before', previous_secret_expires_at = $2 WHERE id = $1`,
    [ids[0], new Date(clock.now().getTime() + 60_000)],
  )
  const read = async (id: string) => {
    const row = await stored(id)
    return { secrets: signingSecrets(row, cipher, clock.now()), headers: ownHeaders(row, cipher) }
  }
  const before = await Promise.all(ids.map(read))
  expect(before[0]).toEqual({
    secrets: [secret, 'before'],
    headers: { 'x-a': 'token', 'x-number': '5', 'x-null': 'null' },
  })

  expect(await sealPlainSecrets(database, cipher)).toBe(3)
  expect(await sealPlainSecrets(database, cipher)).toBe(0)
  expect(await Promise.all(ids.map(read))).toEqual(before)
  const rows = await Promise.all(ids.map(stored))
  for (const { secret: kept } of [rows[0]!, rows[1]!, rows[2]!, rows[4]!]) expect(kept).toMatch(/^v1\.k1\./)
  expect(JSON.stringify(rows[0])).not.toMatch(/whsec_|token|before/)
  expect(rows[3]!.secret).toBe('x'.repeat(255))
  const rotated = await webhooks.regenerateSecret(projectId, ids[3]!)
  expect((await read(ids[3]!)).secrets).toEqual([rotated.secret, 'x'.repeat(255)])
})

test('many plain rows are encrypted by several processes at once', async () => {
  await database.query('DELETE FROM postrider.webhooks')
  for (let count = 0; count < 250; count += 1) await insertPlain({ secret: `plain ${count}` })
  const counts = await Promise.all([1, 2, 3].map(() => sealPlainSecrets(database, cipher)))
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(250)
})

test('a target has what a test needs; a draft is checked like a webhook', async () => {
  const { id, secret } = await webhooks.create(projectId, {
    name: 'w',
    url,
    headers: { 'x-a': 'b' },
    is_active: false,
  })
  expect(await webhooks.target(projectId, id)).toEqual({
    projectId,
    url,
    secrets: [secret],
    headers: { 'x-a': 'b' },
    application_id: null,
    environment_name: null,
    timeout_ms: 10_000,
    shape: { payload_template: null, filter: null },
  })
  await expect(webhooks.target(newId(), id)).rejects.toMatchObject({ code: 'not_found' })
  expect(webhooks.draftTarget(projectId, { url })).toMatchObject({
    url,
    secrets: [expect.stringMatching(/^whsec_/)],
  })
  expect(() => webhooks.draftTarget(projectId, { url: 'http://example.com' })).toThrow(/url/)
})
