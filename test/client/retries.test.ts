import { expect, test } from 'vitest'
import { PostriderApiError, PostriderClient, type PostriderClientOptions } from '../../src/client/client.ts'
import { waitMs } from '../../src/client/connection.ts'
import { startApi } from '../support/api.ts'
import { answer, cut, FlakyServer, pass } from './flaky-server.ts'

const api = await startApi()
const problem = (code: string) => ({ type: 'about:blank', code, detail: `the detail of ${code}` })

async function projectAt(url: string, options: Partial<PostriderClientOptions> = {}) {
  const { id } = await api.createProject()
  return new PostriderClient({ baseUrl: url, key: api.adminKey, ...options }).project(id)
}

async function refusal(call: PromiseLike<unknown>): Promise<PostriderApiError> {
  const error = await Promise.resolve(call).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(PostriderApiError)
  return error as PostriderApiError
}

test('an event that found no server at first is published once, under the id it had from the beginning', async () => {
  await using flaky = await FlakyServer.start(cut, answer(503, problem('unavailable')), pass(api.url))
  const project = await projectAt(flaky.url)
  const { id, duplicate } = await project.publishEvent({ type: 'a.b', data: 1 })
  expect(duplicate).toBe(false)
  expect(flaky.seen).toHaveLength(3)
  expect(flaky.seen.map(({ body }) => (JSON.parse(body) as { id: string }).id)).toEqual([id, id, id])
})

test('an event whose answer was lost is published once', async () => {
  await using flaky = await FlakyServer.start(pass(api.url, { loseAnswer: true }), pass(api.url))
  const project = await projectAt(flaky.url)
  const { events } = await project.publishEvents({ events: [{ type: 'a.b', data: 1 }] })
  expect(events).toEqual([{ id: expect.any(String), deliveries: 0, duplicate: true }])
  const own = new PostriderClient({ baseUrl: api.url, key: api.adminKey }).project(project.id)
  expect((await own.listEvents()).events.map(({ id }) => id)).toEqual([events[0]!.id])
})

test('reading and changing are sent again, and so is deleting, where gone is what was wanted', async () => {
  await using flaky = await FlakyServer.start(
    answer(502, '<html>bad gateway</html>'),
    pass(api.url),
    pass(api.url, { loseAnswer: true }),
    pass(api.url),
  )
  const project = await projectAt(flaky.url)
  const { id } = await new PostriderClient({ baseUrl: api.url, key: api.adminKey }).createWebhook(
    project.id,
    {
      name: 'w',
      url: 'https://example.com',
    },
  )
  expect(await project.updateWebhook(id, { name: 'x' })).toMatchObject({ name: 'x' })
  expect(await project.deleteWebhook(id)).toBeUndefined()
  expect(flaky.seen.map(({ method }) => method)).toEqual(['PATCH', 'PATCH', 'DELETE', 'DELETE'])
  expect(await refusal(project.deleteWebhook(id))).toMatchObject({ status: 404 })
})

test('what would be done twice is sent once, unless it was refused before', async () => {
  await using flaky = await FlakyServer.start(
    answer(503, problem('unavailable')),
    cut,
    answer(429, problem('rate_limited'), { 'retry-after': '0' }),
    answer(201, { id: 'made' }),
  )
  const project = await projectAt(flaky.url)
  const create = () => project.createApplication({ name: 'a' })
  expect(await refusal(create())).toMatchObject({ code: 'unavailable', status: 503 })
  expect(await refusal(create())).toMatchObject({ code: 'unreachable', status: 0 })
  expect(flaky.seen).toHaveLength(2)
  expect(await create()).toEqual({ id: 'made' })
  expect(flaky.seen).toHaveLength(4)
})

test('Retry-After is kept to, and one that is long is the caller’s to decide', async () => {
  await using flaky = await FlakyServer.start(
    answer(429, problem('rate_limited'), { 'retry-after': '3600' }),
    answer(503, problem('unavailable'), { 'retry-after': new Date(Date.now() + 7_200_000).toUTCString() }),
  )
  const project = await projectAt(flaky.url)
  expect(await refusal(project.getProject())).toMatchObject({
    code: 'rate_limited',
    retryAfterSeconds: 3_600,
  })
  const later = await refusal(project.getProject())
  expect(later.retryAfterSeconds).toBeGreaterThan(7_000)
  expect(flaky.seen).toHaveLength(2)
  expect(waitMs(0, 2)).toBe(2_000)
  expect(waitMs(0)).toBeGreaterThanOrEqual(100)
  expect(waitMs(0)).toBeLessThanOrEqual(200)
  expect(waitMs(50)).toBeLessThanOrEqual(10_000)
})

test('it gives up with the last error after as many tries as it was told', async () => {
  await using flaky = await FlakyServer.start(cut, answer(504, problem('unavailable')))
  const project = await projectAt(flaky.url, { retries: 1 })
  expect(await refusal(project.getProject())).toMatchObject({
    status: 504,
    detail: 'the detail of unavailable',
  })
  expect(flaky.seen).toHaveLength(2)
})

test('a signal ends the call, also while it waits for its next try', async () => {
  const abort = new AbortController()
  const reason = new Error('enough')
  await using flaky = await FlakyServer.start((_request, response) => {
    response.writeHead(503, { 'retry-after': '20' })
    response.end()
    response.on('close', () => setImmediate(() => abort.abort(reason)))
  })
  const project = await projectAt(flaky.url)
  await expect(project.getProject({ signal: abort.signal })).rejects.toBe(reason)
  await expect(project.getProject({ signal: abort.signal })).rejects.toBe(reason)
  expect(flaky.seen).toHaveLength(1)
})

test('a server that does not answer in time, answers nonsense or is not there is told by its own code', async () => {
  await using silent = await FlakyServer.start(() => {})
  const waiting = await projectAt(silent.url, { timeoutMs: 50, retries: 0 })
  expect(await refusal(waiting.getProject())).toMatchObject({ code: 'timeout', status: 0 })
  await using strange = await FlakyServer.start(answer(200, '<html>'), answer(418, '<html>'))
  const misled = await projectAt(strange.url)
  expect(await refusal(misled.getProject())).toMatchObject({ code: 'bad_answer', status: 200 })
  expect(await refusal(misled.getProject())).toMatchObject({ code: 'bad_answer', status: 418 })
  const url = await (async () => {
    await using gone = await FlakyServer.start(cut)
    return gone.url
  })()
  const alone = await projectAt(url, { retries: 0 })
  const gone = await refusal(alone.getProject())
  expect(gone).toMatchObject({ code: 'unreachable' })
  expect(gone.detail).toContain(`No answer from ${url}: connect ECONNREFUSED`)
  expect(gone.detail + String(gone.stack)).not.toContain(api.adminKey)
})
