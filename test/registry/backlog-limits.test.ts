import { expect, it } from 'vitest'
import type { Queryable } from '../../src/database/database.ts'
import { publishMany } from '../../src/publish/publish.ts'
import { BacklogLimits } from '../../src/registry/backlog-limits.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

const { database } = await createTestDatabase()
const statements: string[] = []
const counting: Queryable = {
  query: (text, values) => {
    statements.push(text)
    return database.query(text, values)
  },
}
const counts = () => statements.filter((text) => text.includes('delivery_queue')).length

async function setUp(events: number) {
  const projectId = await insertProject(database)
  await insertWebhook(database, { projectId })
  const published = Array.from({ length: events }, (_, data) => ({ projectId, type: 'a', data }))
  if (events > 0) await publishMany(database, published)
  return projectId
}

it('counts nothing where there is no limit', async () => {
  const projectId = await setUp(5)
  await new BacklogLimits(counting, 0).check(projectId)
  expect(counts()).toBe(0)
})

it('the deployment has one for all that say nothing, and a project one of its own', async () => {
  const [usual, own] = [await setUp(5), await setUp(5)]
  await database.query(`UPDATE postrider.projects SET backlog_limit = 6 WHERE id = $1::uuid`, [own])
  const limits = new BacklogLimits(database, 5)
  await expect(limits.check(usual)).rejects.toMatchObject({ code: 'backlog_full', status: 429 })
  await limits.check(own)
  await new BacklogLimits(database, 6).check(usual)
})

it('remembers what it counted, and what was published since', async () => {
  const projectId = await setUp(2)
  const before = counts()
  const limits = new BacklogLimits(counting, 3)
  await limits.check(projectId)
  limits.published(projectId, [
    { deliveries: 7, duplicate: true },
    { deliveries: 1, duplicate: false },
  ])
  await expect(limits.check(projectId.toUpperCase())).rejects.toMatchObject({
    message: expect.stringMatching(/^At least 3 deliveries/),
  })
  expect(counts()).toBe(before + 1)
})

it('what is no project is left to whoever publishes', async () => {
  await new BacklogLimits(counting, 1).check('no id')
})
