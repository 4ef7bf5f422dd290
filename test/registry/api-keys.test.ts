import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ApiKey } from '../../src/contract/projects.ts'
import type { Database } from '../../src/database/database.ts'
import { newId } from '../../src/ids.ts'
import { generateKey, idOfKey } from '../../src/registry/api-key.ts'
import { ApiKeys } from '../../src/registry/api-keys.ts'
import { Projects } from '../../src/registry/projects.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'

const { database } = await createTestDatabase()
const clock = new MovedClock()
const apiKeys = new ApiKeys({ database, clock })
const project = await new Projects({ database }).create({ name: 'p' })

test('a key tells its id, and a mistyped one is found without asking the database', () => {
  const id = newId()
  const key = generateKey(id)
  expect(idOfKey(key)).toBe(id)
  const characters = fc.stringMatching(/^[A-Za-z0-9_-]$/)
  fc.assert(
    fc.property(fc.nat(key.length - 1), characters, (at, character) => {
      fc.pre(key[at] !== character)
      expect(idOfKey(key.slice(0, at) + character + key.slice(at + 1))).toBeUndefined()
    }),
  )
  for (const wrong of ['', 'prk_', key.slice(0, -1), `${key}x`, ` ${key}`, `${key}\n`]) {
    expect(idOfKey(wrong)).toBeUndefined()
  }
})

test('a key opens its project with its role, until it is deleted', async () => {
  const { id, key } = await apiKeys.create(project.id, { name: 'k', role: 'publish' })
  expect(await apiKeys.authenticate(key)).toEqual({ id, project_id: project.id, name: 'k', role: 'publish' })
  await apiKeys.delete(project.id, id)
  expect(await apiKeys.authenticate(key)).toBeUndefined()
})

test('the right id with another secret opens nothing', async () => {
  const { id } = await apiKeys.create(project.id, { name: 'k', role: 'manage' })
  expect(await apiKeys.authenticate(generateKey(id))).toBeUndefined()
})

test('a wrong secret and an unknown id take the same path; what is mistyped asks nothing at all', async () => {
  const { id, key } = await apiKeys.create(project.id, { name: 'k', role: 'manage' })
  const asking = new Recorded(database)
  const recorded = new ApiKeys({ database: asking as unknown as Database, clock })
  const asked = async (text: string) => {
    asking.statements.length = 0
    expect(await recorded.authenticate(text)).toBeUndefined()
    return [...asking.statements]
  }
  const unknown = await asked(generateKey(newId()))
  expect(unknown).toHaveLength(1)
  expect(await asked(generateKey(id))).toEqual(unknown)
  expect(await asked(key.slice(0, -1) + (key.endsWith('A') ? 'B' : 'A'))).toEqual([])
  expect(await asked('nonsense')).toEqual([])
})

test('a key with an end opens its project up to that moment', async () => {
  const inAnHour = new Date(clock.now().getTime() + 3_600_000)
  const { id, key, expires_at } = await apiKeys.create(project.id, {
    name: 'k',
    role: 'view',
    expires_at: inAnHour.toISOString(),
  })
  expect(expires_at).toEqual(inAnHour)
  expect(await listed(id)).toMatchObject({ expires_at: inAnHour })
  clock.advance(3_599.999)
  expect(await apiKeys.authenticate(key)).toMatchObject({ id })
  clock.advance(0.001)
  expect(await apiKeys.authenticate(key)).toBeUndefined()
  expect(await listed(id)).toMatchObject({ expires_at: inAnHour })
})

test('an end is in the future, and one that can be told', async () => {
  const create = (expires_at: string | null) =>
    apiKeys.create(project.id, { name: 'k', role: 'view', expires_at })
  for (const [expires_at, message] of [
    [clock.now().toISOString(), 'must be in the future'],
    ['2020-01-01T00:00:00Z', 'must be in the future'],
    ['0001-01-01T00:00:00+23:59', 'must be in the future'],
    ['9999-12-31T23:59:59-01:00', 'must lie in the years up to 9999'],
    ['2999-02-29T00:00:00Z', 'must be a time such as 2026-11-24T09:30:00.000Z'],
    ['infinity', 'must be a time such as 2026-11-24T09:30:00.000Z'],
  ] as const) {
    await expect(create(expires_at)).rejects.toMatchObject({
      code: 'validation_failed',
      errors: [{ path: 'expires_at', message }],
    })
  }
  expect(await create('2999-01-01T01:00:00+01:00')).toMatchObject({
    expires_at: new Date('2999-01-01T00:00:00Z'),
  })
  expect(await create(null)).toMatchObject({ expires_at: null, last_used_at: null })
})

test('uses are noted beside the calls: one statement for many, and none within a minute', async () => {
  const created = [
    await apiKeys.create(project.id, { name: 'a', role: 'view' }),
    await apiKeys.create(project.id, { name: 'b', role: 'view' }),
  ]
  const recording = new Recorded(database)
  const recorded = new ApiKeys({ database: recording as unknown as Database, clock })
  const useAll = async () => {
    recording.statements.length = 0
    for (let count = 0; count < 20; count += 1) {
      for (const { key } of created) await recorded.authenticate(key)
    }
    await recorded.writeUses()
    await recorded.writeUses()
    return recording.statements.filter((text) => text.startsWith('UPDATE')).length
  }
  const firstUse = clock.now()
  expect(await useAll()).toBe(1)
  expect(recording.statements).toHaveLength(41)
  clock.advance(59)
  expect(await useAll()).toBe(0)
  for (const { id } of created) expect(await listed(id)).toMatchObject({ last_used_at: firstUse })
  clock.advance(1)
  expect(await useAll()).toBe(1)
  for (const { id } of created) expect(await listed(id)).toMatchObject({ last_used_at: clock.now() })
})

test('of processes that see the same use, one writes it', async () => {
  const { id, key } = await apiKeys.create(project.id, { name: 'k', role: 'view' })
  const processes = Array.from({ length: 4 }, () => {
    const recording = new Recorded(database)
    return { recording, keys: new ApiKeys({ database: recording as unknown as Database, clock }) }
  })
  for (const { keys } of processes) expect(await keys.authenticate(key)).toMatchObject({ id })
  await Promise.all(processes.map(({ keys }) => keys.writeUses()))
  expect(processes.reduce((sum, { recording }) => sum + recording.written, 0)).toBe(1)
})

test('a key whose row somebody holds, or whose use cannot be written, opens its project all the same', async () => {
  const { id, key } = await apiKeys.create(project.id, { name: 'k', role: 'view' })
  await database.transaction(async (transaction) => {
    await transaction.query('SELECT FROM postrider.api_keys WHERE id = $1::uuid FOR UPDATE', [id])
    expect(await apiKeys.authenticate(key)).toMatchObject({ id })
    await apiKeys.writeUses()
    expect(await listed(id)).toMatchObject({ last_used_at: null })
  })
  const failing = new ApiKeys({ database: new Recorded(database, /^UPDATE/) as unknown as Database, clock })
  expect(await failing.authenticate(key)).toMatchObject({ id })
  await failing.writeUses()
  expect(await failing.authenticate(key)).toMatchObject({ id })
  expect(await listed(id)).toMatchObject({ last_used_at: null })
})

test('a wrong key is no use of the one it names', async () => {
  const { id } = await apiKeys.create(project.id, { name: 'k', role: 'view' })
  await apiKeys.authenticate(generateKey(id))
  await apiKeys.writeUses()
  expect(await listed(id)).toMatchObject({ last_used_at: null })
})

test('the key itself is not stored', async () => {
  const { key } = await apiKeys.create(project.id, { name: 'k', role: 'view' })
  const { rows } = await database.query<{ text: string }>(
    'SELECT row::text AS text FROM postrider.api_keys AS row',
  )
  for (const { text } of rows) expect(text).not.toContain(key.slice(40, 60))
})

test('input is checked here too, for applications that call without the API', async () => {
  await expect(apiKeys.create(project.id, { name: '', role: 'view' })).rejects.toMatchObject({
    code: 'validation_failed',
  })
  await expect(apiKeys.create(project.id, { name: 'k', role: 'root' as 'view' })).rejects.toMatchObject({
    errors: [{ path: 'role', message: 'must be "view", "publish" or "manage"' }],
  })
  await expect(apiKeys.create(newId(), { name: 'k', role: 'view' })).rejects.toMatchObject({
    code: 'not_found',
  })
})

/** A database that tells what it was asked and how many rows were changed, and fails what matches `failing`. */
class Recorded {
  readonly statements: string[] = []
  written = 0
  readonly #database: Database
  readonly #failing: RegExp | undefined

  constructor(inner: Database, failing?: RegExp) {
    this.#database = inner
    this.#failing = failing
  }

  async query(text: string, values?: unknown[]) {
    this.statements.push(text)
    if (this.#failing?.test(text)) throw new Error('refused by the test')
    const result = await this.#database.query(text, values)
    if (text.startsWith('UPDATE')) this.written += result.rowCount ?? 0
    return result
  }
}

async function listed(id: string): Promise<ApiKey | undefined> {
  const { rows } = await apiKeys.list(project.id, { limit: 100 })
  return rows.find((row) => row.id === id)
}
