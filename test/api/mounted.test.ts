import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { createApi } from '../../src/api/api.ts'
import { startApi } from '../support/api.ts'

const { postrider, adminKey } = await startApi()
const authorization = `Bearer ${adminKey}`

test('it answers under a base path that requests still have in front', async () => {
  const api = createApi({ engine: postrider, adminKey, basePath: '/webhooks' })
  const of = (path: string) =>
    api.fetch(new Request(`http://localhost${path}`, { headers: { authorization } }))
  expect((await of('/webhooks/healthz')).status).toBe(200)
  expect((await of('/webhooks/api/projects')).status).toBe(200)
  expect((await of('/healthz')).status).toBe(404)
  const wrong = await api.fetch(new Request('http://localhost/webhooks/healthz', { method: 'POST' }))
  expect(wrong.status).toBe(405)
  const document = (await (await of('/webhooks/openapi.json')).json()) as { servers: unknown }
  expect(document.servers).toEqual([{ url: '/webhooks' }])
  expect((await of('/webhooks')).headers.get('content-type')).toContain('text/html')
})

test('it answers inside another application that takes the base path away', async () => {
  const api = createApi({ engine: postrider, adminKey })
  const application = new Hono().mount('/hooks', api.fetch)
  const created = await application.request('/hooks/api/projects', {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: '{"name":"mounted"}',
  })
  expect(created.status).toBe(201)
  expect(await created.json()).toMatchObject({ name: 'mounted' })
})

test('without an admin key there is nobody who may do everything', async () => {
  const api = createApi({ engine: postrider })
  for (const key of ['', 'null', 'undefined', adminKey]) {
    const headers = { authorization: `Bearer ${key}` }
    expect((await api.fetch(new Request('http://localhost/api/projects', { headers }))).status).toBe(401)
  }
})
