import { beforeAll, describe, expect, it } from 'vitest'
import { publish } from '../../src/publish/publish.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertApplication, insertProject, insertWebhook, type WebhookSeed } from '../support/seed.ts'

const { database } = await createTestDatabase()
let projectId: string
let application: string
let otherApplication: string

beforeAll(async () => {
  projectId = await insertProject(database)
  application = await insertApplication(database, projectId)
  otherApplication = await insertApplication(database, projectId)
})

/** How many of one webhook's deliveries an event makes: 1 when it matches. */
async function matches(
  webhook: Omit<WebhookSeed, 'projectId'>,
  event: { type: string; applicationId?: string; environmentName?: string },
): Promise<boolean> {
  const project = await insertProject(database)
  for (const id of [application, otherApplication]) await insertApplication(database, project, id)
  await insertWebhook(database, { projectId: project, ...webhook })
  const { deliveries } = await publish(database, { projectId: project, data: {}, ...event })
  return deliveries === 1
}

describe('an event type', () => {
  const table: [eventTypes: string[], type: string, expected: boolean][] = [
    [['*'], 'config.deployed', true],
    [['*'], 'x', true],
    [['config.deployed'], 'config.deployed', true],
    [['config.deployed'], 'config.deployed.again', false],
    [['config.deployed'], 'config', false],
    [['config.deployed'], 'Config.Deployed', false],
    [['config.*'], 'config.deployed', true],
    [['config.*'], 'config.a.b', true],
    [['config.*'], 'config', false],
    [['config.*'], 'configuration.deployed', false],
    [['config.a.*'], 'config.a.b', true],
    [['config.a.*'], 'config.a', false],
    [['config.a.*'], 'config.b.a', false],
    [['order.paid', 'config.*'], 'config.deployed', true],
    [['order.paid', 'config.*'], 'order.paid', true],
    [['order.paid', 'config.*'], 'order.refunded', false],
    [['a_b-c.D9'], 'a_b-c.D9', true],
    [['config.*', 'config.deployed', '*'], 'config.deployed', true],
  ]
  it.each(table)('subscribed as %j, published as %s: matches %s', async (eventTypes, type, expected) => {
    expect(await matches({ eventTypes }, { type })).toBe(expected)
  })
})

describe('a filter', () => {
  it('by application lets through only events that carry the same one', async () => {
    const webhook = { applicationId: application }
    expect(await matches(webhook, { type: 'a', applicationId: application })).toBe(true)
    expect(await matches(webhook, { type: 'a', applicationId: otherApplication })).toBe(false)
    expect(await matches(webhook, { type: 'a' })).toBe(false)
  })

  it('by environment lets through only events that carry the same one', async () => {
    const webhook = { environmentName: 'production' }
    expect(await matches(webhook, { type: 'a', environmentName: 'production' })).toBe(true)
    expect(await matches(webhook, { type: 'a', environmentName: 'Production' })).toBe(false)
    expect(await matches(webhook, { type: 'a', environmentName: 'staging' })).toBe(false)
    expect(await matches(webhook, { type: 'a' })).toBe(false)
  })

  it('by both must be met by both, and by the type', async () => {
    const webhook = { applicationId: application, environmentName: 'production', eventTypes: ['config.*'] }
    const event = { type: 'config.deployed', applicationId: application, environmentName: 'production' }
    expect(await matches(webhook, event)).toBe(true)
    expect(await matches(webhook, { ...event, environmentName: 'staging' })).toBe(false)
    expect(await matches(webhook, { ...event, applicationId: otherApplication })).toBe(false)
    expect(await matches(webhook, { ...event, type: 'order.paid' })).toBe(false)
  })

  it('that is not set lets through events with and without application and environment', async () => {
    expect(await matches({}, { type: 'a', applicationId: application, environmentName: 'production' })).toBe(
      true,
    )
    expect(await matches({}, { type: 'a' })).toBe(true)
  })
})

it('an inactive webhook gets nothing', async () => {
  expect(await matches({ isActive: false }, { type: 'a' })).toBe(false)
})

it('webhooks of another project get nothing', async () => {
  const publisher = await insertProject(database)
  await insertWebhook(database, { projectId: await insertProject(database) })
  expect(await publish(database, { projectId: publisher, type: 'a', data: {} })).toMatchObject({
    deliveries: 0,
  })
})

it('each webhook that matches gets one delivery with the envelope as its payload', async () => {
  const project = await insertProject(database)
  const ids = [
    await insertWebhook(database, { projectId: project }),
    await insertWebhook(database, { projectId: project, eventTypes: ['config.*'] }),
  ]
  await insertWebhook(database, { projectId: project, eventTypes: ['order.*'] })
  const published = await publish(database, {
    projectId: project,
    type: 'config.deployed',
    data: { variant: 'blue' },
    timestamp: '2026-01-02T03:04:05.678Z',
    environmentName: 'production',
  })
  expect(published.deliveries).toBe(2)
  const { rows } = await database.query(
    `SELECT webhook_id, project_id, event_id, event_type, payload, status, attempts, max_attempts
     FROM postrider.webhook_deliveries
     WHERE event_id = $1::uuid
     ORDER BY webhook_id`,
    [published.id],
  )
  expect(rows).toEqual(
    ids.map((webhook_id) => ({
      webhook_id,
      project_id: project,
      event_id: published.id,
      event_type: 'config.deployed',
      payload: {
        id: published.id,
        timestamp: '2026-01-02T03:04:05.678Z',
        type: 'config.deployed',
        api_version: 'v1',
        project_id: project,
        data: { variant: 'blue' },
        environment_name: 'production',
      },
      status: 'pending',
      attempts: 0,
      max_attempts: 6,
    })),
  )
})
