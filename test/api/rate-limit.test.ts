import { expect, test } from 'vitest'
import { createApi } from '../../src/api/api.ts'
import { Buckets, createRateLimits } from '../../src/api/rate-limit.ts'
import { startApi } from '../support/api.ts'

test('a bucket gives its burst at once, then refills at its rate up to the brim', () => {
  let nowMs = 0
  const buckets = new Buckets({ perSecond: 2, burst: 3, nowMs: () => nowMs })
  expect([1, 2, 3].map(() => buckets.take('a'))).toEqual([0, 0, 0])
  expect(buckets.take('a')).toBe(0.5)
  expect(buckets.take('b')).toBe(0)
  nowMs = 500
  expect(buckets.take('a')).toBe(0)
  expect(buckets.take('a')).toBe(0.5)
  nowMs = 60_000
  expect([1, 2, 3, 4].map(() => buckets.take('a'))).toEqual([0, 0, 0, 0.5])
})

test('calls, tests and wrong keys have limits of their own, and a limit tells when to try again', async () => {
  const { postrider, adminKey, createProject } = await startApi()
  const project = await createProject()
  let nowMs = 0
  const api = createApi({
    engine: postrider,
    adminKey,
    limits: createRateLimits(() => nowMs),
    addressOf: () => '192.0.2.1',
  })
  const call = (path: string, key: string, method = 'GET') =>
    api.fetch(new Request(`http://localhost${path}`, { method, headers: { authorization: `Bearer ${key}` } }))

  const test = `${project.path}/webhooks/019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7/test`
  for (let count = 0; count < 30; count += 1)
    expect((await call(test, project.manage, 'POST')).status).toBe(404)
  const limited = await call(test, adminKey, 'POST')
  expect(limited.status).toBe(429)
  expect(limited.headers.get('retry-after')).toBe('2')
  expect(await limited.json()).toMatchObject({ code: 'rate_limited', status: 429 })
  nowMs += 2_000
  expect((await call(test, project.manage, 'POST')).status).toBe(404)

  for (let count = 0; count < 60; count += 1) expect((await call(project.path, 'wrong')).status).toBe(401)
  expect((await call(project.path, 'wrong')).status).toBe(429)
  expect((await call(project.path, project.view)).status).toBe(200)

  const statuses = await Promise.all(
    Array.from({ length: 2_000 }, async () => (await call('/api/projects', project.view)).status),
  )
  expect(statuses.filter((status) => status === 403)).toHaveLength(1_999)
  expect((await call(project.path, project.view)).status).toBe(429)
  expect((await call(project.path, project.manage)).status).toBe(200)
  expect((await call(project.path, adminKey)).status).toBe(200)
})
