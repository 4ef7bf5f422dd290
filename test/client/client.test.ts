import { expect, test } from 'vitest'
import { PostriderApiError, PostriderClient } from '../../src/client/client.ts'
import { newId } from '../../src/client/new-id.ts'
import { startApi } from '../support/api.ts'

const api = await startApi()
const admin = new PostriderClient({ baseUrl: `${api.url}/`, key: api.adminKey })

async function setUp() {
  const { id, manage, view, publish } = await api.createProject()
  const keyed = (key: string) => new PostriderClient({ baseUrl: api.url, key }).project(id)
  return { id, project: keyed(manage), viewer: keyed(view), publisher: keyed(publish), manage }
}

async function refusal(call: PromiseLike<unknown>): Promise<PostriderApiError> {
  const error = await Promise.resolve(call).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(PostriderApiError)
  return error as PostriderApiError
}

test('calls answer what the API answers, with the id of the project first or given once', async () => {
  const created = await admin.createProject({ name: 'Shop' })
  expect(await admin.getProject(created.id)).toEqual(created)
  const project = admin.project(created.id)
  expect(project.id).toBe(created.id)
  expect(await project.updateProject({ name: 'Store' })).toMatchObject({ id: created.id, name: 'Store' })
  const webhook = await project.createWebhook({
    name: 'w',
    url: 'https://example.com',
    event_types: ['order.*'],
  })
  expect(webhook.secret).toMatch(/^whsec_/)
  expect(await admin.getWebhook(created.id, webhook.id)).toMatchObject({ id: webhook.id, name: 'w' })
  const { id, deliveries } = await project.publishEvent({ type: 'order.paid', data: { total: 12 } })
  expect(deliveries).toBe(1)
  const event = await project.getEvent(id)
  expect(event.payload.data).toEqual({ total: 12 })
  const [delivery] = event.deliveries
  expect(await project.cancelDelivery(delivery!.id)).toMatchObject({ status: 'failed' })
  expect(await project.retryDelivery(delivery!.id)).toMatchObject({ status: 'pending' })
  expect(await project.listAttempts(delivery!.id)).toEqual({ attempts: [] })
  expect(await project.regenerateSecret(webhook.id)).toMatchObject({
    secret: expect.stringMatching(/^whsec_/),
  })
  expect(await project.deleteWebhook(webhook.id)).toBeUndefined()
  expect(await admin.retryStuck()).toEqual({ recovered: 0 })
  expect(await admin.cleanUp({ days: 3_650 })).toEqual({ deleted: 0 })
})

test('an event that is published without an id gets one, a UUIDv7, and with an id or a key keeps it', async () => {
  const { publisher } = await setUp()
  const before = newId(Date.now())
  const { id } = await publisher.publishEvent({ type: 'a.b', data: 1 })
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(id.slice(0, 13) >= before.slice(0, 13)).toBe(true)
  const own = newId()
  expect(await publisher.publishEvent({ type: 'a.b', data: 1, id: own })).toMatchObject({
    id: own,
    duplicate: false,
  })
  expect(await publisher.publishEvent({ type: 'a.b', data: 1, id: own })).toMatchObject({
    id: own,
    duplicate: true,
  })
  const keyed = () => publisher.publishEvent({ type: 'a.b', data: 1 }, { idempotencyKey: 'order 7' })
  const first = await keyed()
  expect(await keyed()).toEqual({ ...first, duplicate: true })
  const { events } = await publisher.publishEvents({
    events: [
      { type: 'a.b', data: 1 },
      { type: 'a.c', data: 2, id: newId() },
    ],
  })
  expect(new Set(events.map((event) => event.id)).size).toBe(2)
})

test('an idempotency key is any text, of which no other one is the same', async () => {
  const { publisher } = await setUp()
  const keyed = (idempotencyKey: string) =>
    publisher.publishEvent({ type: 'a.b', data: 1 }, { idempotencyKey })
  const ids: string[] = []
  for (const key of ['заказ 7', 'заказ 8', '訂單 🎉', 'é', 'Ã©', 'x'.repeat(255)]) {
    const { id, duplicate } = await keyed(key)
    expect(duplicate).toBe(false)
    expect(await keyed(key)).toMatchObject({ id, duplicate: true })
    ids.push(id)
  }
  expect(new Set(ids).size).toBe(6)
})

test('what cannot be sent is thrown before anything is, and no key stands in an error', async () => {
  let asked = 0
  const options = {
    baseUrl: api.url,
    key: api.adminKey,
    fetch: (...given: Parameters<typeof fetch>) => {
      asked += 1
      return fetch(...given)
    },
  }
  const project = new PostriderClient(options).project(newId())
  await expect(project.publishEvent({ type: 'a.b', data: 1n })).rejects.toBeInstanceOf(TypeError)
  await expect(
    project.publishEvent({ type: 'a.b', data: 1 }, { idempotencyKey: 'a\nb' }),
  ).rejects.toBeInstanceOf(TypeError)
  expect(asked).toBe(0)
  for (const key of ['pk_geheim\nnext', 'pk_geheim…', 'pk geheim']) {
    expect(() => new PostriderClient({ ...options, key })).toThrow(
      /^The key must be one word of visible ASCII characters\.$/,
    )
  }
})

test('an id has the time in front', () => {
  const ms = Date.UTC(2026, 10, 24, 9, 30)
  expect(Number.parseInt(newId(ms).replaceAll('-', '').slice(0, 12), 16)).toBe(ms)
  expect(new Set(Array.from({ length: 1_000 }, () => newId(ms))).size).toBe(1_000)
})

test('a list is one page when awaited, and all of it when iterated', async () => {
  const { project } = await setUp()
  const events = Array.from({ length: 7 }, (_, index) => ({ type: 'a.b', data: index }))
  await project.publishEvents({ events })
  const page = await project.listEvents({ limit: 3 })
  expect(page.events).toHaveLength(3)
  expect(page.next_cursor).toEqual(expect.any(String))
  const next = await project.listEvents({ limit: 3, cursor: page.next_cursor! })
  const all: string[] = []
  for await (const event of project.listEvents({ limit: 3 })) all.push(event.id)
  expect(all).toHaveLength(7)
  expect(all.slice(0, 6)).toEqual([...page.events, ...next.events].map(({ id }) => id))
  for await (const event of project.listEvents()) {
    expect(event.id).toBe(all[0])
    break
  }
})

test('a list asks nothing before it is awaited or iterated, and once however often it is awaited', async () => {
  let asked = 0
  const counting = new PostriderClient({
    baseUrl: api.url,
    key: api.adminKey,
    fetch: (...given) => {
      asked += 1
      return fetch(...given)
    },
  })
  const list = counting.listProjects({ limit: 1 })
  expect(asked).toBe(0)
  expect(await list).toBe(await list)
  expect(asked).toBe(1)
})

test('what is refused is an error with its code, fields and request id', async () => {
  const { project, viewer, id } = await setUp()
  const invalid = await refusal(
    project.createWebhook({ name: '', url: 'https://example.com', event_types: [] }),
  )
  expect(invalid).toMatchObject({ name: 'PostriderApiError', code: 'validation_failed', status: 422 })
  expect(invalid.errors.map(({ path }) => path).toSorted()).toEqual(['event_types', 'name'])
  expect(invalid.message).toBe(invalid.detail)
  expect(invalid.requestId).toEqual(expect.any(String))
  expect(await refusal(viewer.publishEvent({ type: 'a.b', data: 1 }))).toMatchObject({
    code: 'forbidden',
    status: 403,
  })
  expect(await refusal(project.getWebhook(newId()))).toMatchObject({
    code: 'not_found',
    status: 404,
    errors: [],
  })
  const stranger = new PostriderClient({ baseUrl: api.url, key: 'wrong' })
  expect(await refusal(stranger.listWebhooks(id))).toMatchObject({ code: 'unauthorized', status: 401 })
  const eventId = newId()
  await project.publishEvent({ type: 'a.b', data: 1, id: eventId })
  const conflict = project.publishEvent({ type: 'a.b', data: 2, id: eventId })
  expect(await refusal(conflict)).toMatchObject({ code: 'event_conflict', status: 409 })
})

test('ids are escaped: none becomes another path', async () => {
  const { project } = await setUp()
  expect(await refusal(project.getWebhook('../../api-keys'))).toMatchObject({ status: 404 })
  expect(await refusal(project.getWebhook('?limit=1'))).toMatchObject({ status: 404 })
  for (const none of ['..', '.', '', undefined as unknown as string]) {
    expect(() => project.deleteWebhook(none)).toThrow('This is no id')
  }
})

test('events are typed by their name', async () => {
  interface Events {
    'order.paid': { total: number }
    'user.created': { name: string }
  }
  const { id, manage } = await setUp()
  const project = new PostriderClient<Events>({ baseUrl: api.url, key: manage }).project(id)
  await project.publishEvent({ type: 'order.paid', data: { total: 1 } })
  await project.publishEvents({
    events: [
      { type: 'order.paid', data: { total: 1 } },
      { type: 'user.created', data: { name: 'Ada' } },
    ],
  })
  const wrong = async (): Promise<void> => {
    // @ts-expect-error -- the data of another type
    await project.publishEvent({ type: 'order.paid', data: { name: 'Ada' } })
    // @ts-expect-error -- no such type
    await project.publishEvent({ type: 'order.lost', data: { total: 1 } })
    // @ts-expect-error -- the data of another type
    await project.publishEvents({ events: [{ type: 'user.created', data: { total: 1 } }] })
    // @ts-expect-error -- no such status
    await project.listDeliveries({ status: 'lost' })
    // @ts-expect-error -- no such field
    await project.createWebhook({ name: 'w', uri: 'https://example.com' })
    for await (const message of project.streamEvents()) {
      if (message.event === 'gap') continue
      // Narrowed by its type.
      if (message.data.type === 'user.created') message.data.data.name satisfies string
      // @ts-expect-error -- it is of either type
      message.data.data.name satisfies string
    }
  }
  expect(wrong).toBeTypeOf('function')
})
