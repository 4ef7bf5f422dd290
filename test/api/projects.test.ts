import { expect, test } from 'vitest'
import { startApi } from '../support/api.ts'

const api = await startApi()

test('a project is created, read, listed, renamed and deleted', async () => {
  const created = await api.call('POST', '/api/projects', { json: { name: 'Shop' } })
  expect(created.status).toBe(201)
  expect(created.body).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
    name: 'Shop',
    retention_days: null,
    payload_retention_days: null,
    backlog_limit: null,
    created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    updated_at: expect.any(String),
  })
  const path = `/api/projects/${created.body.id}`

  expect((await api.call('GET', path)).body).toEqual(created.body)
  expect((await api.call('GET', '/api/projects')).body).toEqual({
    projects: [created.body],
    next_cursor: null,
  })

  const renamed = await api.call('PATCH', path, { json: { name: 'Shop, Europe' } })
  expect(renamed.body).toMatchObject({ id: created.body.id, name: 'Shop, Europe' })
  expect(Date.parse(renamed.body.updated_at)).toBeGreaterThan(Date.parse(created.body.updated_at))

  const deleted = await api.call('DELETE', path)
  expect(deleted).toMatchObject({ status: 204, text: '' })
  expect(await api.call('GET', path)).toMatchObject({ status: 404, body: { code: 'not_found' } })
  expect(await api.call('DELETE', path)).toMatchObject({ status: 404 })
})

test('a project is deleted with everything in it', async () => {
  const project = await api.createProject()
  const application = await api.call('POST', `${project.path}/applications`, { json: { name: 'checkout' } })
  await api.call('POST', `${project.path}/webhooks`, {
    json: { name: 'w', url: 'https://example.com', application_id: application.body.id },
  })
  await api.call('POST', `${project.path}/events`, {
    json: { type: 'a', data: 1, application_id: application.body.id },
  })
  expect((await api.call('DELETE', project.path)).status).toBe(204)
  expect(await api.call('GET', project.path, { key: project.view })).toMatchObject({ status: 401 })
  const { rows } = await api.database.query(
    `SELECT
       (SELECT COUNT(*) FROM postrider.webhooks) + (SELECT COUNT(*) FROM postrider.webhook_deliveries)
       + (SELECT COUNT(*) FROM postrider.events) + (SELECT COUNT(*) FROM postrider.applications)
       + (SELECT COUNT(*) FROM postrider.api_keys) AS left`,
  )
  expect(rows).toEqual([{ left: '0' }])
})

test('an API key shows itself once, opens its project, and nothing once revoked', async () => {
  const project = await api.createProject()
  const created = await api.call('POST', `${project.path}/api-keys`, { json: { name: 'shop', role: 'view' } })
  expect(created.status).toBe(201)
  expect(created.body).toEqual({
    id: expect.any(String),
    name: 'shop',
    role: 'view',
    key: expect.stringMatching(/^prk_[0-9a-f]{32}_[A-Za-z0-9_-]{49}$/),
    expires_at: null,
    last_used_at: null,
    created_at: expect.any(String),
  })
  const listed = await api.call('GET', `${project.path}/api-keys`)
  expect(listed.body.api_keys).toHaveLength(4)
  expect(listed.body.api_keys[0]).toEqual({ ...created.body, key: undefined })
  expect(listed.text).not.toContain(created.body.key.slice(40))

  const { key } = created.body
  expect((await api.call('GET', project.path, { key })).status).toBe(200)
  expect((await api.call('DELETE', `${project.path}/api-keys/${created.body.id}`)).status).toBe(204)
  expect(await api.call('GET', project.path, { key })).toMatchObject({
    status: 401,
    body: { code: 'unauthorized' },
  })
  expect((await api.call('DELETE', `${project.path}/api-keys/${created.body.id}`)).status).toBe(404)
})

test("an application has an id of ours or the caller's own, which is taken within its project only", async () => {
  const [one, other] = [await api.createProject(), await api.createProject()]
  const id = '00000000-0000-0000-0000-000000000001'
  const created = await api.call('POST', `${one.path}/applications`, { json: { name: 'checkout', id } })
  expect(created).toMatchObject({ status: 201, body: { id, name: 'checkout' } })
  expect(await api.call('POST', `${one.path}/applications`, { json: { name: 'again', id } })).toMatchObject({
    status: 409,
    body: { code: 'already_exists', errors: [{ path: 'id', message: 'is taken' }] },
  })
  expect((await api.call('POST', `${other.path}/applications`, { json: { name: 'there', id } })).status).toBe(
    201,
  )

  const ours = await api.call('POST', `${one.path}/applications`, { json: { name: 'second' } })
  expect((await api.call('GET', `${one.path}/applications/${ours.body.id}`)).body).toEqual(ours.body)
  const { applications } = (await api.call('GET', `${one.path}/applications`)).body
  expect(applications.map(({ name }: { name: string }) => name)).toEqual(['second', 'checkout'])
  expect((await api.call('DELETE', `${one.path}/applications/${id}`)).status).toBe(204)
  expect((await api.call('GET', `${one.path}/applications/${id}`)).status).toBe(404)
  expect((await api.call('GET', `${other.path}/applications/${id}`)).status).toBe(200)
})

test('calls on a project that does not exist are 404, whatever they ask', async () => {
  for (const id of ['019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7', 'nonsense', "x' OR 1=1 --", '%00', '..%2f..']) {
    const path = `/api/projects/${id}`
    for (const [method, rest, json] of [
      ['GET', ''],
      ['PATCH', '', { name: 'a' }],
      ['DELETE', ''],
      ['GET', '/webhooks'],
      ['POST', '/webhooks', { name: 'a', url: 'https://example.com' }],
      ['POST', '/applications', { name: 'a' }],
      ['POST', '/api-keys', { name: 'a', role: 'view' }],
      ['POST', '/events', { type: 'a', data: 1 }],
      ['GET', '/events'],
      ['GET', '/deliveries'],
    ] as const) {
      expect(await api.call(method, path + rest, { json })).toMatchObject({
        status: 404,
        body: { code: 'not_found', detail: 'There is no such project.' },
      })
    }
  }
})
