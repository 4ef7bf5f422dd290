import { expect, test } from 'vitest'
import { createServer } from '../../src/api/server.ts'
import { Postrider } from '../../src/postrider.ts'
import { startApi } from '../support/api.ts'

/** What becomes of a key while several servers run on one database; `api` and `elsewhere` share nothing but that. */

const api = await startApi()

async function startElsewhere() {
  const postrider = new Postrider({ connectionString: api.connectionString })
  const server = createServer({ postrider, adminKey: api.adminKey, port: 0 })
  const { url } = await server.start()
  return {
    status: async (path: string, key: string): Promise<number> =>
      (await fetch(url + path, { headers: { authorization: `Bearer ${key}` } })).status,
    async [Symbol.asyncDispose]() {
      await server.stop()
      await postrider.stop()
    },
  }
}

async function createKey(path: string, json: object): Promise<{ id: string; key: string }> {
  return (await api.call('POST', `${path}/api-keys`, { json: { name: 'k', role: 'view', ...json } })).body
}

test('a revoked key opens nothing in any process, from the moment on that the revocation is answered', async () => {
  await using elsewhere = await startElsewhere()
  const { path } = await api.createProject()
  for (let count = 0; count < 10; count += 1) {
    const { id, key } = await createKey(path, {})
    expect(await elsewhere.status(path, key)).toBe(200)
    expect((await api.call('DELETE', `${path}/api-keys/${id}`)).status).toBe(204)
    expect(await elsewhere.status(path, key)).toBe(401)
  }
})

test('a key that is in constant use when it is revoked is refused from then on, in each process', async () => {
  await using elsewhere = await startElsewhere()
  const { path } = await api.createProject()
  const { id, key } = await createKey(path, {})
  let isRevoked = false
  const answers: { asked: 'before' | 'after'; status: number }[] = []
  const caller = async (call: () => Promise<number>): Promise<void> => {
    for (let left = 20; left > 0; left -= isRevoked ? 1 : 0) {
      const asked = isRevoked ? 'after' : 'before'
      answers.push({ asked, status: await call() })
    }
  }
  const callers = [
    () => elsewhere.status(path, key),
    async () => (await api.call('GET', path, { key })).status,
  ].flatMap((call) => [call, call, call].map(caller))
  while (answers.length < 30) await elsewhere.status('/healthz', key)
  await api.call('DELETE', `${path}/api-keys/${id}`)
  isRevoked = true
  await Promise.all(callers)
  expect(answers.filter(({ asked }) => asked === 'before').some(({ status }) => status === 200)).toBe(true)
  const after = answers.filter(({ asked }) => asked === 'after')
  expect(after.length).toBeGreaterThanOrEqual(100)
  expect(after.filter(({ status }) => status !== 401)).toEqual([])
})

test('the keys of a deleted project open nothing in any process', async () => {
  await using elsewhere = await startElsewhere()
  const project = await api.createProject()
  expect(await elsewhere.status(project.path, project.view)).toBe(200)
  await api.call('DELETE', project.path)
  expect(await elsewhere.status(project.path, project.view)).toBe(401)
})

test('a key tells in lists when it ends, and when it was last used', async () => {
  const { path, view } = await api.createProject()
  const expires_at = '2999-01-01T00:00:00.000Z'
  const { id, key } = await createKey(path, { expires_at: '2999-01-01T01:00:00+01:00' })
  const listed = async () => {
    const { body } = await api.call('GET', `${path}/api-keys`, { key: view })
    return body.api_keys.find((row: { id: string }) => row.id === id)
  }
  expect(await listed()).toMatchObject({ expires_at, last_used_at: null })
  {
    await using elsewhere = await startElsewhere()
    expect(await elsewhere.status(path, key)).toBe(200)
  }
  // What had gathered was written when that server stopped.
  const { last_used_at } = await listed()
  expect(Math.abs(Date.now() - Date.parse(last_used_at))).toBeLessThan(60_000)
})

test('an end in the past or of no form is refused', async () => {
  const { path } = await api.createProject()
  for (const expires_at of ['2020-01-01T00:00:00Z', 'tomorrow', 1_800_000_000, '']) {
    const json = { name: 'k', role: 'view', expires_at }
    expect(await api.call('POST', `${path}/api-keys`, { json })).toMatchObject({
      status: 422,
      body: { code: 'validation_failed', errors: [{ path: 'expires_at' }] },
    })
  }
})
