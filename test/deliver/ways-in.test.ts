import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Sender } from '../../src/deliver/send.ts'
import { publish } from '../../src/publish/publish.ts'
import { blockedTargets } from '../corpora/urls.ts'
import { startApi, type TestApi, type TestProject } from '../support/api.ts'
import { MovedClock } from '../support/clock.ts'
import { TestWorker } from '../support/engine.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'
import { ConnectionAttempts, Tripwire } from '../support/sockets.ts'

/**
 * Every address and URL of the corpus through every way by which one gets in: saved, changed, tested as a draft, and,
 * written into the database past those checks, tested and delivered. Nothing is connected to. (Redirects, which are not
 * followed, are in guard.test.ts.)
 */

let api: TestApi
let project: TestProject
let tripwire: Tripwire
let targets: string[]
let attempts: ConnectionAttempts

beforeAll(async () => {
  api = await startApi({ engine: { allowHttp: true, allowPrivate: [] } })
  project = await api.createProject()
  tripwire = await Tripwire.start()
  targets = [...new Set(blockedTargets(tripwire.port))]
})
afterAll(() => tripwire[Symbol.asyncDispose]())

beforeEach(() => {
  attempts = new ConnectionAttempts()
})
afterEach(() => {
  attempts[Symbol.dispose]()
  const ours = [api.url, api.connectionString].map((url) => Number(new URL(url).port))
  attempts.assertNone({ exceptTo: ours })
  tripwire.assertUntouched()
})

test('the corpus is there', () => {
  expect(targets.length).toBeGreaterThan(400)
})

test('saved', async () => {
  await everyTarget(async (url) => {
    const { status, body } = await api.call('POST', `${project.path}/webhooks`, { json: { name: 'w', url } })
    return { status, path: body.errors?.[0]?.path }
  }, refused)
})

test('changed to', async () => {
  const id = await createWebhook()
  await everyTarget(async (url) => {
    const { status, body } = await api.call('PATCH', `${project.path}/webhooks/${id}`, { json: { url } })
    return { status, path: body.errors?.[0]?.path }
  }, refused)
  const { body } = await api.call('GET', `${project.path}/webhooks/${id}`)
  expect(body.url).toBe('https://example.com/')
})

test('tested as a draft', async () => {
  await everyTarget(async (url) => {
    const { status, body } = await api.call('POST', `${project.path}/webhooks/test`, { json: { url } })
    return { status, path: body.errors?.[0]?.path }
  }, refused)
})

test('tested where it stands in the database', async () => {
  const id = await createWebhook()
  for (const url of storable()) {
    await api.database.query('UPDATE postrider.webhooks SET url = $2::text WHERE id = $1::uuid', [id, url])
    expect({ url, ...(await api.postrider.webhookTests.send(project.id, id)) }).toEqual({
      url,
      success: false,
      response_status: null,
      response_time_ms: expect.any(Number),
      error: 'blocked: the address is not one that webhooks may be sent to',
    })
  }
})

test('delivered to where it stands in the database', async () => {
  const { database } = api
  const projectId = await insertProject(database)
  const urls = storable()
  for (const url of urls) await insertWebhook(database, { projectId, url })
  await publish(database, { projectId, type: 'config.deployed', data: {} })
  const sender = new Sender({ policy: { allowHttp: true, allowPrivate: [] } })
  await using worker = new TestWorker({ database, clock: new MovedClock(), sender, concurrency: 64 })
  await worker.start()
  await worker.ended(urls.length)
  await sender.close()
  const { rows } = await database.query<{
    url: string
    attempts: number
    status: string
    last_error: string
  }>(
    `SELECT webhook.url, delivery.attempts, delivery.status, delivery.last_error
     FROM postrider.deliveries AS delivery
     JOIN postrider.webhooks AS webhook
       ON webhook.id = delivery.webhook_id
     WHERE webhook.project_id = $1::uuid`,
    [projectId],
  )
  expect(rows).toHaveLength(urls.length)
  const words = /^blocked (address|host|url|scheme|port)( \S+)?$/
  const others = rows.filter(
    ({ attempts: made, status, last_error }) => made !== 1 || status !== 'pending' || !words.test(last_error),
  )
  expect(others).toEqual([])
})

const refused = { status: 422, path: 'url' }

async function everyTarget(send: (url: string) => Promise<object>, expected: object): Promise<void> {
  for (const url of targets) expect({ url, ...(await send(url)) }).toEqual({ url, ...expected })
}

async function createWebhook(): Promise<string> {
  const json = { name: 'w', url: 'https://example.com/', event_types: ['never.published'] }
  return (await api.call('POST', `${project.path}/webhooks`, { json })).body.id
}

/** What the table's own checks let in, and PostgreSQL holds as text. */
function storable(): string[] {
  return targets.filter((url) => /^https?:\/\/[^/?#\s]+/.test(url) && !url.includes('\0'))
}
