import { describe, expect, test } from 'vitest'
import { type Access, type Route, routes } from '../../src/contract/routes.ts'
import { startApi } from '../support/api.ts'

const api = await startApi()
const [own, other] = [await api.createProject(), await api.createProject()]
const noId = '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7'

/** Everything that may be done with which key; `null` is none. Written out, so that a change of the table is seen here. */
const allowed: Record<Access, string[]> = {
  anyone: ['none', 'view', 'publish', 'manage', 'admin'],
  view: ['view', 'publish', 'manage', 'admin'],
  publish: ['publish', 'manage', 'admin'],
  manage: ['manage', 'admin'],
  admin: ['admin'],
}

const needed: Record<string, Access> = {
  createProject: 'admin',
  listProjects: 'admin',
  getProject: 'view',
  updateProject: 'admin',
  deleteProject: 'admin',
  createApiKey: 'manage',
  listApiKeys: 'view',
  deleteApiKey: 'manage',
  createApplication: 'manage',
  listApplications: 'view',
  getApplication: 'view',
  deleteApplication: 'manage',
  createWebhook: 'manage',
  listWebhooks: 'view',
  testWebhookDraft: 'manage',
  getWebhook: 'view',
  updateWebhook: 'manage',
  deleteWebhook: 'manage',
  regenerateSecret: 'manage',
  testWebhook: 'manage',
  replayWebhook: 'manage',
  publishEvent: 'publish',
  publishEvents: 'publish',
  listEvents: 'view',
  getEvent: 'view',
  listDeliveries: 'view',
  getDelivery: 'view',
  listAttempts: 'view',
  retryDelivery: 'manage',
  cancelDelivery: 'manage',
  listDeliveriesOfWebhook: 'view',
  getDeliveryOfWebhook: 'view',
  listAttemptsOfWebhook: 'view',
  retryDeliveryOfWebhook: 'manage',
  cancelDeliveryOfWebhook: 'manage',
  cleanUp: 'admin',
  retryStuck: 'admin',
  health: 'anyone',
  readiness: 'anyone',
  metrics: 'anyone',
  openapi: 'anyone',
  docs: 'anyone',
  home: 'anyone',
}

const keys: Record<string, string | null> = {
  none: null,
  view: own.view,
  publish: own.publish,
  manage: own.manage,
  admin: api.adminKey,
}

const table = Object.entries<Route>(routes).map(([name, route]) => ({ name, ...route }))

test('each call is in the matrix', () => {
  expect(Object.keys(needed)).toEqual(Object.keys(routes))
})

describe.each(Object.entries(keys))('with the key %s', (keyName, key) => {
  test.each(table)('$name ($method $path)', async ({ name, method, path }) => {
    // With ids that name nothing and a body that is no JSON, a call that may be made fails for that, and changes nothing.
    const url = path.replace('{project_id}', own.id).replaceAll(/\{\w+\}/g, noId)
    const mayChange = method === 'DELETE' && !path.includes('_id}/')
    const isAllowed = allowed[needed[name]!].includes(keyName)
    if (mayChange && isAllowed) return
    const { status, body } = await api.call(method, url, { key, ...(method !== 'GET' && { raw: '{' }) })
    if (isAllowed) expect([200, 400, 404]).toContain(status)
    else
      expect({ status, code: body.code }).toEqual(
        keyName === 'none' ? { status: 401, code: 'unauthorized' } : { status: 403, code: 'forbidden' },
      )
  })
})

const inProject = table.filter(({ path }) => path.includes('{project_id}'))

test.each(inProject)(
  '$name of another project answers as for one that does not exist',
  async ({ method, path }) => {
    const call = (projectId: string, key: string) =>
      api.call(method, path.replace('{project_id}', projectId).replaceAll(/\{\w+\}/g, noId), {
        key,
        ...(method !== 'GET' && { raw: '{' }),
      })
    const unknown = await call(noId, api.adminKey)
    for (const key of [own.view, own.publish, own.manage]) {
      for (const answer of [await call(other.id, key), await call(noId, key)]) {
        expect(answer.status).toBe(404)
        expect(answer.text).toBe(unknown.text)
        expect(withoutChanging(answer.headers)).toEqual(withoutChanging(unknown.headers))
      }
    }
  },
)

function withoutChanging(headers: Headers): object {
  const { date: _, 'x-request-id': __, ...rest } = Object.fromEntries(headers)
  return rest
}

test('what is no key opens nothing', async () => {
  const mistyped = own.manage.slice(0, -8) + (own.manage.at(-8) === 'A' ? 'B' : 'A') + own.manage.slice(-7)
  for (const authorization of [
    '',
    'Bearer',
    'Bearer ',
    own.manage,
    `Basic ${Buffer.from(`x:${own.manage}`).toString('base64')}`,
    `Bearer ${mistyped}`,
    `Bearer ${own.manage}x`,
    `Bearer ${own.manage.toUpperCase()}`,
    `Bearer ${api.adminKey}x`,
    `Bearer ${api.adminKey.slice(1)}`,
    `Bearer prk_${'0'.repeat(32)}_${'A'.repeat(49)}`,
    `Bearer ${own.manage}, Bearer ${api.adminKey}`,
    "Bearer ' OR 1=1 --",
  ]) {
    const answer = await api.call('GET', own.path, { key: null, headers: { authorization } })
    expect({ authorization, ...answer }).toMatchObject({
      authorization,
      status: 401,
      body: { code: 'unauthorized' },
    })
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="postrider"')
  }
  expect(
    (await api.call('GET', own.path, { key: null, headers: { authorization: `bearer  ${own.view}` } }))
      .status,
  ).toBe(200)
})

test('ids of another project name nothing in this one, and its lists show nothing of it', async () => {
  const post = async (path: string, json: object) =>
    (await api.call('POST', other.path + path, { json })).body
  const webhook = await post('/webhooks', { name: 'w', url: 'https://example.com' })
  const application = await post('/applications', { name: 'a' })
  const apiKey = await post('/api-keys', { name: 'k', role: 'view' })
  const event = await post('/events', { type: 'a', data: 1 })
  const [delivery] = (await api.call('GET', `${other.path}/deliveries`)).body.deliveries
  const ids: Record<string, string> = {
    webhook_id: webhook.id,
    application_id: application.id,
    api_key_id: apiKey.id,
    event_id: event.id,
    delivery_id: delivery.id,
  }
  const bodies: Record<string, object> = { replayWebhook: { since: '2020-01-01T00:00:00Z' } }
  for (const { name, method, path } of inProject) {
    const url = path.replace('{project_id}', own.id).replaceAll(/\{(\w+)\}/g, (_, id: string) => ids[id]!)
    if (!/_id\}.*_id\}/.test(path)) continue
    const json = method === 'GET' ? undefined : (bodies[name] ?? {})
    for (const key of [own.manage, api.adminKey]) {
      const { status, body } = await api.call(method, url, { key, json })
      expect({ name, status, code: body.code }).toEqual({ name, status: 404, code: 'not_found' })
    }
  }
  for (const list of ['webhooks', 'applications', 'events', 'deliveries']) {
    expect((await api.call('GET', `${own.path}/${list}`)).body[list]).toEqual([])
  }
  expect((await api.call('GET', `${other.path}/webhooks/${webhook.id}`)).status).toBe(200)
  expect((await api.call('GET', other.path, { key: apiKey.key })).status).toBe(200)
})
