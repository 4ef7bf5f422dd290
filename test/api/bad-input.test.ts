import { describe, expect, test } from 'vitest'
import {
  badEvents,
  badHeaders,
  badNames,
  badPeriods,
  badQueries,
  oddEvents,
  oddNames,
} from '../corpora/bad-input.ts'
import { startApi } from '../support/api.ts'

const api = await startApi()
const project = await api.createProject()
const events = `${project.path}/events`
const webhooks = `${project.path}/webhooks`

describe('an event is refused with', () => {
  test.each(badEvents)('$title', async ({ body, headers, status, code, path, message }) => {
    const answer = await api.call('POST', events, { raw: body, ...(headers && { headers }) })
    expect(answer).toMatchObject({ status, body: { code, status } })
    if (path !== undefined) expect(answer.body.errors[0].path).toBe(path)
    const told: string = answer.body.errors?.[0]?.message ?? answer.body.detail
    if (message) expect(told).toMatch(message)
    expect(answer.text).not.toMatch(/SELECT|postrider\.|pg_/)
  })
})

describe('an event is taken with', () => {
  test.each(oddEvents)('$title', async ({ body, headers }) => {
    const answer = await api.call('POST', events, { raw: body, ...(headers && { headers }) })
    expect(answer).toMatchObject({ status: 202, body: { duplicate: false } })
  })
})

test('one bad event of a batch is told under its index, and none of the others is published', async () => {
  const before = (await api.call('GET', `${events}?limit=1`)).body.events[0].id
  for (const { body, status, code, path, headers } of badEvents) {
    if (typeof body !== 'string' || status < 413 || headers || body.startsWith('[') || path === '') continue
    const raw = `{"events":[{"type":"a","data":1},${body}]}`
    const answer = await api.call('POST', `${events}/batch`, { raw })
    if (status === 413 && path === undefined) continue
    expect({ raw, ...answer }).toMatchObject({ raw, status, body: { code } })
    if (path !== undefined) expect(answer.body.errors[0].path).toBe(`events[1].${path}`)
  }
  expect((await api.call('GET', `${events}?limit=1`)).body.events[0].id).toBe(before)
})

test('a batch is 1 to 1,000 events of at most 8 MiB', async () => {
  const batch = (json: unknown) => api.call('POST', `${events}/batch`, { json })
  expect(await batch({ events: [] })).toMatchObject({ status: 422, body: { errors: [{ path: 'events' }] } })
  expect(
    await batch({ events: Array.from({ length: 1_001 }, () => ({ type: 'a', data: 1 })) }),
  ).toMatchObject({ status: 422 })
  expect(await batch([{ type: 'a', data: 1 }])).toMatchObject({ status: 422 })
  expect(await batch({})).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'events', message: 'is missing' }] },
  })
  const large = Array.from({ length: 40 }, () => ({ type: 'a', data: 'x'.repeat(250_000) }))
  expect(await batch({ events: large })).toMatchObject({ status: 413, body: { code: 'too_large' } })
  expect(await batch({ events: large.slice(0, 32) })).toMatchObject({ status: 202 })
})

test.each(badNames)('the name %j is refused everywhere', async (name) => {
  const refused = { status: 422, body: { code: 'validation_failed', errors: [{ path: 'name' }] } }
  expect(await api.call('POST', '/api/projects', { json: { name } })).toMatchObject(refused)
  expect(await api.call('PATCH', project.path, { json: { name } })).toMatchObject(refused)
  expect(await api.call('POST', `${project.path}/applications`, { json: { name } })).toMatchObject(refused)
  expect(await api.call('POST', `${project.path}/api-keys`, { json: { name, role: 'view' } })).toMatchObject(
    refused,
  )
  expect(await api.call('POST', webhooks, { json: { name, url: 'https://example.com' } })).toMatchObject(
    refused,
  )
})

test.each(oddNames)('the name %j is kept as it is', async (name) => {
  expect((await api.call('POST', '/api/projects', { json: { name } })).body.name).toBe(name)
  const json = { name, url: 'https://example.com', environment_name: name, description: name }
  const webhook = await api.call('POST', webhooks, { json })
  expect(webhook).toMatchObject({ status: 201, body: { name, environment_name: name, description: name } })
})

test.each(badQueries)('the query $query is refused', async ({ query, path, message }) => {
  const answer = await api.call('GET', `${events}?${query}`)
  expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed', errors: [{ path }] } })
  if (message) expect(answer.body.errors[0].message).toMatch(message)
})

test.each(badPeriods)('the period %j is refused', async (time) => {
  for (const name of ['since', 'until']) {
    for (const list of [events, `${project.path}/deliveries`]) {
      expect(await api.call('GET', `${list}?${name}=${encodeURIComponent(time)}`)).toMatchObject({
        status: 422,
        body: { errors: [{ path: name }] },
      })
    }
  }
})

test('an offset in a query may have its + unescaped', async () => {
  expect((await api.call('GET', `${events}?since=2026-11-24T09:30:00+01:00`)).status).toBe(200)
})

test.each(badHeaders)('the headers $headers are refused', async ({ headers, path }) => {
  const answer = await api.call('POST', webhooks, {
    json: { name: 'a', url: 'https://example.com', headers },
  })
  expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed' } })
  expect(answer.body.errors[0].path).toBe(path)
})

test('__proto__ as the name of a header or a field of data is a name like any other', async () => {
  const raw = '{"name":"a","url":"https://example.com","headers":{"__proto__":"x"}}'
  const webhook = await api.call('POST', webhooks, { raw })
  expect(webhook).toMatchObject({ status: 201, body: { header_names: ['__proto__'] } })
  expect(({} as Record<string, unknown>)['isAdmin']).toBeUndefined()
})

test('of a field that is given twice the last one counts, for the check and for what is stored', async () => {
  const raw = '{"type":"first","type":"second","data":1,"data":{"a":1,"a":2}}'
  const { id } = (await api.call('POST', events, { raw })).body
  const event = (await api.call('GET', `${events}/${id}`)).body
  expect(event).toMatchObject({ type: 'second', payload: { data: { a: 2 } } })
  const twice = '{"events":[{"type":"a","data":1}],"events":[{"type":"b","data":2},{"type":"c","data":3}]}'
  const batch = await api.call('POST', `${events}/batch`, { raw: twice })
  expect(batch.body.events).toHaveLength(2)
})

test('nothing is coerced', async () => {
  for (const [field, value] of [
    ['is_active', 'true'],
    ['is_active', 1],
    ['event_types', '*'],
    ['name', 5],
    ['description', 5],
    ['application_id', ''],
    ['environment_name', ''],
  ] as const) {
    const json = { name: 'a', url: 'https://example.com', [field]: value }
    expect(await api.call('POST', webhooks, { json })).toMatchObject({
      status: 422,
      body: { errors: [{ path: field }] },
    })
  }
})
