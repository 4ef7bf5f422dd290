import fc from 'fast-check'
import { expect, test } from 'vitest'
import { v5 } from 'uuid'
import { startApi } from '../support/api.ts'

const api = await startApi()
const project = await api.createProject()
const events = `${project.path}/events`
const publish = (json: unknown, headers?: Record<string, string>) =>
  api.call('POST', events, { json, key: project.publish, ...(headers && { headers }) })

test('an event is published, counted and read back with its deliveries', async () => {
  const own = await api.createProject()
  const path = `${own.path}/events`
  const webhook = (
    await api.call('POST', `${own.path}/webhooks`, {
      json: { name: 'w', url: 'https://example.com', event_types: ['config.*'] },
    })
  ).body
  const json = {
    type: 'config.deployed',
    data: { version: 7 },
    id: '11111111-2222-3333-4444-555555555555',
    timestamp: '2026-11-24T10:30:00.123456+01:00',
    environment_name: 'production',
  }
  const published = await api.call('POST', path, { json })
  expect(published).toMatchObject({ status: 202, body: { id: json.id, deliveries: 1, duplicate: false } })
  expect((await api.call('POST', path, { json })).body).toEqual({
    id: json.id,
    deliveries: 1,
    duplicate: true,
  })
  const unmatched = (await api.call('POST', path, { json: { type: 'other', data: null } })).body
  expect(unmatched).toMatchObject({ deliveries: 0, duplicate: false })

  const list = (await api.call('GET', path)).body
  expect(list).toEqual({
    events: [
      expect.objectContaining({ id: unmatched.id, type: 'other', deliveries: 0 }),
      {
        id: json.id,
        type: 'config.deployed',
        timestamp: '2026-11-24T09:30:00.123Z',
        application_id: null,
        environment_name: 'production',
        created_at: expect.any(String),
        deliveries: 1,
      },
    ],
    next_cursor: null,
  })
  const event = (await api.call('GET', `${path}/${json.id}`)).body
  expect(event).toEqual({
    ...list.events[1],
    payload: {
      id: json.id,
      timestamp: '2026-11-24T09:30:00.123Z',
      type: 'config.deployed',
      api_version: 'v1',
      project_id: own.id,
      data: { version: 7 },
      environment_name: 'production',
    },
    payload_expired_at: null,
    deliveries: [expect.objectContaining({ webhook_id: webhook.id, event_id: json.id, status: 'pending' })],
    filtered: [],
  })
  expect((await api.call('GET', `${project.path}/events/${json.id}`)).status).toBe(404)
})

test('numbers are kept to the digit, in one event and in a batch, all the way into answers', async () => {
  const webhook = { name: 'w', url: 'https://example.com', event_types: ['number'] }
  await api.call('POST', `${project.path}/webhooks`, { json: webhook })
  const numbers =
    '[9007199254740993,-123456789012345678901234567890,0.1000000000000000055511151231257827,1e400,12345678901234567890.10]'
  const written = numbers.replace('1e400', `1${'0'.repeat(400)}`)
  const raw = `{"type":"number","data":{"list":${numbers}}}`
  const one = (await api.call('POST', events, { raw })).body
  const [two] = (await api.call('POST', `${events}/batch`, { raw: `{"events":[${raw}]}` })).body.events
  for (const { id } of [one, two]) {
    const event = await api.call('GET', `${events}/${id}`)
    expect(event.text.replaceAll(' ', '')).toContain(`"list":${written}`)
    const [delivery] = (await api.call('GET', `${project.path}/deliveries?event_id=${id}`)).body.deliveries
    const whole = await api.call('GET', `${project.path}/deliveries/${delivery.id}`)
    expect(whole.text.replaceAll(' ', '')).toContain(`"list":${written}`)
  }
})

test('the same id with other content is 409, in whatever it differs', async () => {
  const id = '00000000-0000-0000-0000-00000000000a'
  const event = { id, type: 'a', data: { n: 1 }, environment_name: 'e' }
  expect((await publish(event)).body.duplicate).toBe(false)
  expect((await publish({ ...event, data: { n: 1.0 } })).body.duplicate).toBe(true)
  for (const other of [
    { type: 'b' },
    { data: { n: 2 } },
    { environment_name: null },
    { timestamp: '2020-01-01T00:00:00Z' },
  ]) {
    expect(await publish({ ...event, ...other })).toMatchObject({
      status: 409,
      body: { code: 'event_conflict', errors: [{ path: 'id' }] },
    })
  }
})

test('an Idempotency-Key becomes an id by UUIDv5 in the namespace of the project', async () => {
  const one = await publish({ type: 'a', data: 1 }, { 'idempotency-key': 'order 42' })
  expect(one.body).toEqual({ id: v5('order 42', project.id), deliveries: 0, duplicate: false })
  expect((await publish({ type: 'a', data: 1 }, { 'idempotency-key': 'order 42' })).body.duplicate).toBe(true)
  expect((await publish({ type: 'a', data: 2 }, { 'idempotency-key': 'order 42' })).status).toBe(409)
  const bytes = Buffer.from('Größe').toString('latin1')
  expect((await publish({ type: 'a', data: 1 }, { 'idempotency-key': bytes })).body.id).toBe(
    v5('Größe', project.id),
  )
  const other = await api.createProject()
  const elsewhere = await api.call('POST', `${other.path}/events`, {
    json: { type: 'a', data: 1 },
    headers: { 'idempotency-key': 'order 42' },
  })
  expect(elsewhere.body).toEqual({ id: v5('order 42', other.id), deliveries: 0, duplicate: false })
})

test('a batch is answered in its order, all or none', async () => {
  const id = '00000000-0000-0000-0000-00000000000b'
  const batch = (list: unknown[]) => api.call('POST', `${events}/batch`, { json: { events: list } })
  const answer = await batch([
    { type: 'a', data: 1 },
    { type: 'b', data: 2, id },
    { type: 'b', data: 2, id },
  ])
  expect(answer).toMatchObject({
    status: 202,
    body: { events: [{ duplicate: false }, { id, duplicate: false }, { id, duplicate: true }] },
  })
  const count = async () => (await api.call('GET', `${events}?limit=100`)).body.events.length
  const before = await count()
  expect(
    await batch([
      { type: 'a', data: 1 },
      { type: 'b', data: 3, id },
    ]),
  ).toMatchObject({
    status: 409,
    body: { code: 'event_conflict', errors: [{ path: 'events[1].id' }] },
  })
  expect(await batch([{ type: 'a', data: 1 }, { type: 'b' }])).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'events[1].data' }] },
  })
  expect(await count()).toBe(before)
})

test('events are narrowed by type and period', async () => {
  const own = await api.createProject()
  const path = `${own.path}/events`
  for (const type of ['a', 'b', 'a']) await api.call('POST', path, { json: { type, data: 1 } })
  const of = async (query: string) => (await api.call('GET', path + query)).body.events.length
  expect(await of('?type=a')).toBe(2)
  expect(await of('?type=a&until=2020-01-01T00:00:00Z')).toBe(0)
  expect(await of('?since=2020-01-01T00:00:00Z')).toBe(3)
  expect(await of(`?since=${new Date(Date.now() + 60_000).toISOString()}`)).toBe(0)
  expect((await api.call('GET', `${path}?type=a.*`)).status).toBe(422)
})

test('any JSON comes back as the same JSON', async () => {
  const storable = fc
    .jsonValue({ maxDepth: 6 })
    .filter((value) => !/\\\\u(0000|d[89a-f])/i.test(JSON.stringify(value)))
  await fc.assert(
    fc.asyncProperty(storable, async (data) => {
      const { id } = (await publish({ type: 'any', data })).body
      const event = (await api.call('GET', `${events}/${id}`)).body
      expect(event.payload.data).toEqual(JSON.parse(JSON.stringify(data)))
    }),
    { numRuns: 50 },
  )
})
