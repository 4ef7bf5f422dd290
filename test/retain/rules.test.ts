import { expect, it } from 'vitest'
import { EventTypes } from '../../src/registry/event-types.ts'
import { Projects } from '../../src/registry/projects.ts'
import { expire } from '../../src/retain/expire.ts'
import { Pace } from '../../src/retain/pace.ts'
import { expireByRules, type PassStep, stepRetention } from '../../src/retain/retention.ts'
import { readRules } from '../../src/retain/rules.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertPast, type Past, remaining } from '../support/history.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

const { database } = await createTestDatabase()
const projects = new Projects({ database })
const eventTypes = new EventTypes({ database })
const now = new Date()
const days = 30
const cutoff = new Date(now.getTime() - days * 86_400_000)

async function setUp() {
  const projectId = await insertProject(database)
  const webhookId = await insertWebhook(database, { projectId })
  const past = (age: number, more: Partial<Past> = {}) =>
    insertPast(database, { projectId, webhookId, days: age, now, ...more })
  return { projectId, past }
}

/** When all that was changed in this file is due. */
const soon = new Date(now.getTime() + 600_000)

/** Until nothing is due, as the upkeep does; answers the steps. */
async function carryOut(at = soon, size = 100): Promise<PassStep[]> {
  const steps: PassStep[] = []
  for (;;) {
    const step = await stepRetention(database, { now: at, days, size })
    if (!step) return steps
    steps.push(step)
  }
}

const all = { events: 1, deliveries: 1, attempts: 1 }
const nothing = { events: 0, deliveries: 0, attempts: 0 }

it('a project keeps its history for longer or shorter than the deployment, and others as long as that', async () => {
  const [long, short, usual] = [await setUp(), await setUp(), await setUp()]
  await projects.update(long.projectId, { retention_days: 90 })
  await projects.update(short.projectId, { retention_days: 7 })
  const kept = [...(await long.past(60)), ...(await short.past(5)), ...(await usual.past(20))]
  const gone = [...(await long.past(91)), ...(await short.past(8)), ...(await usual.past(31))]

  await expire(database, cutoff)
  await carryOut()
  expect(await remaining(database, kept)).toEqual({ events: 3, deliveries: 3, attempts: 3 })
  expect(await remaining(database, gone)).toEqual(nothing)
  const rules = await readRules(database, days)
  expect(rules.longestDays).toBe(90)
  expect(rules.usualProjectIds).toContain(usual.projectId)
  expect(rules.usualProjectIds).not.toContain(long.projectId)
})

it('what a project left that is gone expires at the usual age where others have rules', async () => {
  const { projectId } = await setUp()
  await projects.update(projectId, { retention_days: 90 })
  // As by somebody who published while the project was deleted, and committed long after.
  const { rows } = await database.query<{ id: string }>(
    `INSERT INTO postrider.events (project_id, id, type, "timestamp", created_at, deliveries)
     VALUES (gen_random_uuid(), gen_random_uuid(), 'a', now(), now() - interval '31 days', 0)
     RETURNING id`,
  )
  await expire(database, cutoff)
  const left = await database.query('SELECT FROM postrider.events WHERE id = $1::uuid', [rows[0]!.id])
  expect(left.rowCount).toBe(0)
})

it('the rule of an event type goes before that of its project', async () => {
  const { projectId, past } = await setUp()
  await projects.update(projectId, { retention_days: 7 })
  await eventTypes.create(projectId, { name: 'invoice.paid', retention_days: 365 })
  await eventTypes.create(projectId, { name: 'page.viewed', retention_days: 1 })
  const kept = [...(await past(300, { type: 'invoice.paid' })), ...(await past(6, { type: 'other' }))]
  const gone = [
    ...(await past(366, { type: 'invoice.paid' })),
    ...(await past(2, { type: 'page.viewed' })),
    ...(await past(8, { type: 'other' })),
  ]
  await expire(database, cutoff)
  await carryOut()
  expect(await remaining(database, kept)).toEqual({ events: 2, deliveries: 2, attempts: 2 })
  expect(await remaining(database, gone)).toEqual(nothing)
})

it('a type alone has a rule: the rest of its project goes at the age of the deployment', async () => {
  const { projectId, past } = await setUp()
  await eventTypes.create(projectId, { name: 'invoice.paid', retention_days: 365 })
  const kept = [...(await past(300, { type: 'invoice.paid' })), ...(await past(29))]
  const gone = await past(31)
  await expire(database, cutoff)
  await carryOut()
  expect(await remaining(database, kept)).toEqual({ events: 2, deliveries: 2, attempts: 2 })
  expect(await remaining(database, gone)).toEqual(nothing)
})

it('only what is delivered or failed goes', async () => {
  const { projectId, past } = await setUp()
  await projects.update(projectId, { retention_days: 7 })
  const waiting = await past(100, { status: 'pending' })
  const failed = await past(100, { status: 'failed' })
  await carryOut()
  expect(await remaining(database, waiting)).toEqual(all)
  expect(await remaining(database, failed)).toEqual(nothing)
})

it('goes on where a step ended, tells how far it is, and begins anew a day later', async () => {
  const { projectId, past } = await setUp()
  const ids = await past(10, { count: 250 })
  await projects.update(projectId, { retention_days: 7 })
  const [first, ...rest] = await carryOut()
  expect(first).toEqual({ project_id: projectId, deliveries: 100, events: 0, payloads: 0, is_over: false })
  expect(rest.at(-1)).toMatchObject({ deliveries: 250, events: 250, is_over: true })
  expect(await remaining(database, ids)).toEqual(nothing)

  const later = await past(6)
  expect(await carryOut()).toEqual([])
  const tomorrow = new Date(soon.getTime() + 86_400_000)
  expect((await carryOut(tomorrow)).find(({ project_id }) => project_id === projectId)).toMatchObject({
    deliveries: 1,
  })
  expect(await remaining(database, later)).toEqual(nothing)
})

it('a rule that is changed is carried out at the next turn, one that is taken away leaves it to the deployment', async () => {
  const { projectId, past } = await setUp()
  await projects.update(projectId, { retention_days: 90 })
  const ids = await past(40)
  await carryOut()
  expect(await remaining(database, ids)).toEqual(all)
  await projects.update(projectId, { retention_days: null })
  await carryOut()
  expect(await remaining(database, ids)).toEqual(all)
  expect((await readRules(database, days)).usualProjectIds).toContain(projectId)
  await expire(database, cutoff)
  expect(await remaining(database, ids)).toEqual(nothing)
})

it('what an administrator cleans up keeps to the rules', async () => {
  const { projectId, past } = await setUp()
  await projects.update(projectId, { retention_days: 90 })
  await eventTypes.create(projectId, { name: 'page.viewed', retention_days: 1 })
  const kept = await past(80)
  const gone = [...(await past(91)), ...(await past(2, { type: 'page.viewed' }))]
  const { deliveries } = await expireByRules(database, { now, days: 1, pace: new Pace() })
  expect(deliveries).toBeGreaterThanOrEqual(2)
  expect(await remaining(database, kept)).toEqual(all)
  expect(await remaining(database, gone)).toEqual(nothing)
})

it('takes more rows at a time while that is quick, and fewer after it was slow', async () => {
  const pace = new Pace()
  const begun = pace.size
  await pace.measured(async () => {})
  expect(pace.size).toBe(begun * 2)
  for (let turn = 0; turn < 10; turn += 1) await pace.measured(async () => {})
  expect(pace.size).toBe(1_000)
  await pace.measured(() => database.query('SELECT pg_sleep(0.25)'))
  expect(pace.size).toBeLessThan(500)
})
