import fc from 'fast-check'
import { expect, test } from 'vitest'
import { newId } from '../../src/ids.ts'
import { generateKey, idOfKey } from '../../src/registry/api-key.ts'
import { ApiKeys } from '../../src/registry/api-keys.ts'
import { Projects } from '../../src/registry/projects.ts'
import { createTestDatabase } from '../support/database.ts'

const { database } = await createTestDatabase()
const apiKeys = new ApiKeys({ database })
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
  expect(await apiKeys.authenticate(key)).toEqual({ id, project_id: project.id, role: 'publish' })
  await apiKeys.delete(project.id, id)
  expect(await apiKeys.authenticate(key)).toBeUndefined()
})

test('the right id with another secret opens nothing', async () => {
  const { id } = await apiKeys.create(project.id, { name: 'k', role: 'manage' })
  expect(await apiKeys.authenticate(generateKey(id))).toBeUndefined()
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
