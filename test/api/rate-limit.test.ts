import { describe, expect, test } from 'vitest'
import { createApi } from '../../src/api/api.ts'
import { hashOfKey } from '../../src/registry/api-key.ts'
import { Buckets, createRateLimits, networkOf } from '../../src/api/rate-limit.ts'
import { newId } from '../../src/ids.ts'
import { generateKey } from '../../src/registry/api-key.ts'
import { startApi, type TestApi } from '../support/api.ts'

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

test('a login is limited for its account and for its address, each for itself', () => {
  let nowMs = 0
  const limits = createRateLimits(() => nowMs)
  const isLimited = (account: string | undefined, address: string): boolean => {
    try {
      limits.login(account, address)
      return false
    } catch (error) {
      expect(error).toMatchObject({ code: 'rate_limited' })
      return true
    }
  }
  for (let count = 0; count < 10; count += 1)
    expect(isLimited('Ada@example.com', `192.0.2.${count}`)).toBe(false)
  expect(isLimited('ada@EXAMPLE.com', '192.0.2.10')).toBe(true)
  expect(isLimited('grace@example.com', '192.0.2.10')).toBe(false)
  nowMs = 30_000
  expect(isLimited('ada@example.com', '192.0.2.11')).toBe(false)
  for (let count = 0; count < 30; count += 1) expect(isLimited(undefined, '192.0.2.99')).toBe(false)
  expect(isLimited('new@example.com', '192.0.2.99')).toBe(true)
})

test('of any number of names only so many are remembered, those that came last', () => {
  const buckets = new Buckets({ perSecond: 1, burst: 1, nowMs: () => 0 })
  for (const name of ['first', 'last']) expect(buckets.take(name)).toBe(0)
  for (let count = 0; count < 9_999; count += 1) buckets.take(`name ${count}`)
  expect(buckets.take('last')).toBe(1)
  expect(buckets.take('first')).toBe(0)
})

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2::1', '20010db800010002/64'],
  ['2001:DB8:1:2:ffff:ffff:ffff:ffff', '20010db800010002/64'],
  ['2001:db8:1:3::1', '20010db800010003/64'],
  ['fe80::1%eth0', 'fe80000000000000/64'],
  ['unknown', 'unknown'],
  ['x'.repeat(1_000), 'x'.repeat(64)],
])('%s counts as %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})

/** An API whose limits go by a clock that stands still, and whose callers say where they come from. */
async function startLimited() {
  const { postrider, adminKey, createProject } = await startApi()
  const clock = { nowMs: 0 }
  let lookUps = 0
  const authenticate = postrider.apiKeys.authenticate.bind(postrider.apiKeys)
  postrider.apiKeys.authenticate = (key) => {
    lookUps += 1
    return authenticate(key)
  }
  const limits = createRateLimits(() => clock.nowMs)
  const api = createApi({
    engine: postrider,
    adminKey,
    limits,
    addressOf: (env) => (env as { from: string }).from,
  })
  return {
    clock,
    limits,
    /** As if so many calls had been made with a key that is known. */
    useUp: (key: string, calls: number) => {
      for (let made = 0; made < calls; made += 1) limits.call(hashOfKey(key).toString('base64'), '192.0.2.1')
    },
    adminKey,
    project: await createProject(),
    lookUps: () => lookUps,
    call: (path: string, key: string | null, { method = 'GET', from = '192.0.2.1' } = {}) =>
      api.fetch(
        new Request(`http://localhost${path}`, {
          method,
          headers: key === null ? {} : { authorization: `Bearer ${key}` },
        }),
        { from },
      ),
  }
}

type Limited = Awaited<ReturnType<typeof startLimited>>

/** How many of so many calls at once got which status. */
async function count(calls: number, call: (index: number) => Promise<Response>) {
  const statuses: Record<number, number> = {}
  await Promise.all(
    Array.from({ length: calls }, async (_, index) => {
      const { status } = await call(index)
      statuses[status] = (statuses[status] ?? 0) + 1
    }),
  )
  return statuses
}

test('sending tests has a limit of its own, and a limit tells when to try again', async () => {
  const { call, project, adminKey, clock } = await startLimited()
  const test = `${project.path}/webhooks/019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7/test`
  expect(await count(30, () => call(test, project.manage, { method: 'POST' }))).toEqual({ 404: 30 })
  const limited = await call(test, adminKey, { method: 'POST', from: '198.51.100.1' })
  expect(limited.status).toBe(429)
  expect(limited.headers.get('retry-after')).toBe('2')
  expect(await limited.json()).toMatchObject({ code: 'rate_limited', status: 429 })
  clock.nowMs += 2_000
  expect((await call(test, project.manage, { method: 'POST' })).status).toBe(404)
})

test('calls are limited by key, the admin key too, and by address', async () => {
  const { call, project, adminKey, useUp } = await startLimited()
  for (const key of [project.view, project.manage, adminKey]) {
    expect((await call(project.path, key)).status).toBe(200)
  }
  for (const key of [project.view, adminKey]) {
    useUp(key, 1_990)
    const statuses = await count(20, () => call(project.path, key))
    expect(statuses[200]! + statuses[429]!).toBe(20)
    expect(statuses[429]).toBeGreaterThanOrEqual(9)
    const limited = await call(project.path, key, { from: '198.51.100.1' })
    expect({ status: limited.status, after: limited.headers.get('retry-after') }).toEqual({
      status: 429,
      after: '1',
    })
  }
  // One address has as much as two keys, whatever the number of its keys.
  expect((await call(project.path, project.manage)).status).toBe(429)
  expect((await call(project.path, project.manage, { from: '198.51.100.1' })).status).toBe(200)
})

describe('a flood without a right key', () => {
  const floods: [string, (project: Limited['project']) => string | null, number][] = [
    ['of no keys', () => null, 0],
    ['of words', () => 'nonsense', 0],
    ['of mistyped keys', ({ view }) => `${view.slice(0, -1)}!`, 0],
    ['of keys that look right', () => generateKey(newId()), 1_000],
  ]

  test.each(floods)('%s is soon 429, and holds up no right key', async (_, makeKey, mostLookUps) => {
    const { call, project, adminKey, lookUps, clock } = await startLimited()
    await call(project.path, project.view, { from: '198.51.100.1' })
    const before = lookUps()
    const statuses = await count(1_100, () => call(project.path, makeKey(project)))
    expect(statuses).toEqual({ 401: 60, 429: 1_040 })
    expect(lookUps() - before).toBe(mostLookUps)

    for (const key of [project.view, adminKey]) expect((await call(project.path, key)).status).toBe(200)
    // A right key that this process sees for the first time has to wait for its turn if all look right, not else.
    const first = await call(project.path, project.publish)
    expect(first.status).toBe(mostLookUps > 0 ? 429 : 200)
    const elsewhere = await call(project.path, project.manage, { from: '198.51.100.1' })
    expect(elsewhere.status).toBe(200)
    clock.nowMs += 1_000
    expect((await call(project.path, project.publish)).status).toBe(200)
    expect((await call(project.path, makeKey(project))).status).toBe(401)
  })

  test('from ever new addresses and with ever new keys drives out no key that is known', async () => {
    const { call, project, limits, lookUps } = await startLimited()
    await call(project.path, project.view)
    for (let index = 0; index < 60_000; index += 1) {
      const from = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`
      limits.call(`wrong ${index}`, from)
      limits.refused(`wrong ${index}`, from)
    }
    expect(await count(1_100, () => call(project.path, generateKey(newId())))).toEqual({
      401: 60,
      429: 1_040,
    })
    const before = lookUps()
    expect((await call(project.path, project.view)).status).toBe(200)
    expect(lookUps() - before).toBe(1)
  })

  test('of a key that was revoked counts as one of wrong keys', async () => {
    const { call, project, lookUps } = await startLimited()
    await call(project.path, project.view)
    const { api_keys } = (await (await call(`${project.path}/api-keys`, project.view)).json()) as {
      api_keys: { id: string; name: string }[]
    }
    const { id } = api_keys.find(({ name }) => name === 'view')!
    await call(`${project.path}/api-keys/${id}`, project.manage, { method: 'DELETE' })
    expect((await call(project.path, project.view)).status).toBe(401)
    const before = lookUps()
    await count(1_100, () => call(project.path, project.view))
    expect(lookUps() - before).toBeLessThanOrEqual(1_000)
    expect((await call(project.path, project.view)).status).toBe(429)
  })
})

describe('behind a proxy', () => {
  /** How many wrong keys pass before one is told that they are too many; the bucket refills meanwhile, at 1 a second. */
  async function passed(api: TestApi, forwardedFor: (index: number) => string): Promise<number> {
    for (let index = 0; index < 150; index += 1) {
      const headers = { 'x-forwarded-for': forwardedFor(index) }
      const { status } = await api.call('GET', '/api/projects', { key: 'wrong', headers })
      if (status === 429) return index
      expect(status).toBe(401)
    }
    return Infinity
  }

  test('that is not trusted, what it says of addresses is ignored', async () => {
    const api = await startApi({ rateLimit: true })
    expect(await passed(api, (index) => `192.0.2.${index % 250}`)).toBeLessThan(150)
  })

  test('that is trusted, each client counts for itself, and what clients say of themselves is ignored', async () => {
    const api = await startApi({ rateLimit: true, trustedProxies: ['loopback', '10.0.0.0/8'] })
    expect(await passed(api, (index) => `192.0.2.${index % 250}, 10.1.2.3`)).toBe(Infinity)
    expect(await passed(api, (index) => `198.51.100.${index % 250}, 203.0.113.1`)).toBeLessThan(150)
    const from = async (forwardedFor: string) =>
      (await api.call('GET', '/api/projects', { key: 'wrong', headers: { 'x-forwarded-for': forwardedFor } }))
        .status
    expect(await from('203.0.113.1:4711, 10.9.9.9')).toBe(429)
    expect(await from('::ffff:203.0.113.1')).toBe(429)
    expect(await from('203.0.113.2')).toBe(401)
  })

  test('the addresses of one IPv6 network count together, and so does what is no address', async () => {
    const api = await startApi({ rateLimit: true, trustedProxies: ['loopback'] })
    expect(await passed(api, (index) => `2001:db8:0:1::${index.toString(16)}`)).toBeLessThan(150)
    expect(await passed(api, (index) => `[2001:db8:0:2::${index.toString(16)}]:443`)).toBeLessThan(150)
    expect(await passed(api, (index) => `nonsense-${index}`)).toBeLessThan(150)
  })

  test('or not, there is no limit where they are off', async () => {
    const api = await startApi({ rateLimit: false })
    expect(await passed(api, () => '192.0.2.1')).toBe(Infinity)
  })
})
