import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { errorCodes } from '../../src/contract/errors.ts'
import { type Route, routes } from '../../src/contract/routes.ts'
import { badEvents } from '../corpora/bad-events.ts'
import { badFields, badPathIds } from '../corpora/bad-fields.ts'
import {
  badDeliveryQueries,
  badHeaders,
  badNames,
  badPeriods,
  badQueries,
  oddCursors,
  oddNames,
} from '../corpora/bad-input.ts'
import { oddEvents } from '../corpora/odd-events.ts'
import { type ApiAnswer, type CallOptions, startApi } from '../support/api.ts'
import { countRows } from '../support/rows.ts'

const api = await startApi()
const project = await api.createProject()
const events = `${project.path}/events`
const webhooks = `${project.path}/webhooks`
const webhook = await api.call('POST', webhooks, { json: { name: 'a', url: 'https://example.com' } })
const validation = { status: 422, body: { code: 'validation_failed', status: 422 } }

/** A call that is refused: it leaves nothing, and tells nothing of how we are made. */
async function refused(method: string, path: string, options: CallOptions = {}): Promise<ApiAnswer> {
  const before = await countRows(api.database)
  const answer = await api.call(method, path, options)
  expect(await countRows(api.database)).toEqual(before)
  expect(answer.status).toBeGreaterThanOrEqual(400)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.text).not.toMatch(/SELECT|INSERT|postrider\.|pg_|relation|constraint|    at |\.ts:\d/)
  expect(answer.text.length).toBeLessThan(20_000)
  return answer
}

describe('an event is refused with', () => {
  test.each(badEvents)('$title', async ({ body, headers, code, path, message }) => {
    const answer = await refused('POST', events, { raw: body, ...(headers && { headers }) })
    expect(answer).toMatchObject({ status: errorCodes[code].status, body: { code } })
    if (path !== undefined) expect(answer.body.errors[0].path).toBe(path)
    if (message) expect(answer.body.errors?.[0]?.message ?? answer.body.detail).toMatch(message)
  })
})

describe('an event is taken, and kept to the digit, with', () => {
  test.each(oddEvents)('$title', async ({ body, headers, stored }) => {
    const answer = await api.call('POST', events, { raw: body, ...(headers && { headers }) })
    expect(answer).toMatchObject({ status: 202, body: { duplicate: false } })
    const { text } = await api.call('GET', `${events}/${answer.body.id}`)
    if (stored !== undefined) expect(text).toContain(`"data":${stored}`)
  })
})

test('one bad event of a batch is told under its index, and none of the others is published', async () => {
  const before = await countRows(api.database)
  for (const { body, code, path, headers } of badEvents) {
    const isEvent = typeof body === 'string' && path !== '' && code !== 'bad_json' && !headers
    if (!isEvent || (code === 'too_large' && path === undefined)) continue
    const answer = await api.call('POST', `${events}/batch`, {
      raw: `{"events":[{"type":"a","data":1},${body}]}`,
    })
    expect(answer).toMatchObject({ status: errorCodes[code].status, body: { code } })
    if (path !== undefined) expect(answer.body.errors[0].path).toBe(`events[1].${path}`)
  }
  expect(await countRows(api.database)).toEqual(before)
})

test('a batch is 1 to 1,000 events of at most 8 MiB, with its numbers written out too', async () => {
  const batch = (json: unknown) => refused('POST', `${events}/batch`, { json })
  expect(await batch({ events: [] })).toMatchObject({ status: 422, body: { errors: [{ path: 'events' }] } })
  const small = Array.from({ length: 1_001 }, () => ({ type: 'a', data: 1 }))
  expect(await batch({ events: small })).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'events' }] },
  })
  expect(await batch([{ type: 'a', data: 1 }])).toMatchObject({ status: 422 })
  expect(await batch({})).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'events', message: 'is missing' }] },
  })
  const large = Array.from({ length: 40 }, () => ({ type: 'a', data: 'x'.repeat(250_000) }))
  expect(await batch({ events: large })).toMatchObject({ status: 413, body: { code: 'too_large' } })
  const numbers = Array.from(
    { length: 40 },
    () => `{"type":"a","data":[${Array<string>(250).fill('1e999').join()}]}`,
  )
  expect(await refused('POST', `${events}/batch`, { raw: `{"events":[${numbers.join()}]}` })).toMatchObject({
    status: 413,
    body: { errors: [{ path: 'events', message: expect.stringContaining('1e999 written out') }] },
  })
  expect(await api.call('POST', `${events}/batch`, { json: { events: large.slice(0, 32) } })).toMatchObject({
    status: 202,
  })
})

describe('a body that takes long to read, in the worst order, takes no more than seconds of a processor:', () => {
  const withTime = (time: string) => `{"type":"a","data":1,"timestamp":"${time}"}`
  const many = (count: number, text: string) => Array(count).fill(text).join(',')
  test.each([
    ['long runs of digits', `{"type":"a","data":[${many(4_000, '1'.repeat(1_000))}]}`],
    ['an exponent in every number', `{"type":"a","data":[${many(600_000, '1e999')}]}`],
    ['a type of millions of segments', `{"type":"${'a.'.repeat(2e6)}a","data":1}`],
    ['a time of millions of digits', withTime(`2026-11-24T09:30:00.${'1'.repeat(4e6)}Z`)],
    ['a time with a suffix without end', withTime(`2026-11-24T09:30:00Z[u=${'a-'.repeat(2e6)}`)],
    ['a time of nothing but T', withTime('T'.repeat(4e6))],
    ['millions of levels', `{"type":"a","data":${'['.repeat(2e6)}${']'.repeat(2e6)}}`],
    [
      'hidden depth and a long number',
      `{"x":${'['.repeat(2e6)}${']'.repeat(2e6)},"x":1,"type":"a","data":1e9999}`,
    ],
    ['unknown fields', `{${Array.from({ length: 250_000 }, (_, index) => `"k${index}":0`).join()}}`],
    ['empty events', many(1_300_000, '{}')],
  ])('%s', async (_title, event) => {
    const before = process.cpuUsage()
    const answer = await api.call('POST', `${events}/batch`, { raw: `{"events":[${event}]}` })
    expect(answer.body.code).toMatch(/^(validation_failed|too_large)$/)
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1e6).toBeLessThan(3)
  })
})

describe.each(Object.entries(badFields))('%s refuses', (call, { right, wrong }) => {
  const { method, path } = routes[call as keyof typeof routes] as Route
  const url = path.replace('{project_id}', project.id).replace('{webhook_id}', webhook.body.id)
  test.each(Object.entries(wrong))('any other %s', async (field, values) => {
    for (const value of values) {
      const rest = Object.entries(right).filter(([name]) => name !== field)
      const members = rest.map(([name, given]) => `${JSON.stringify(name)}:${JSON.stringify(given)}`)
      const raw = `{${[...members, `${JSON.stringify(field)}:${value}`].join()}}`
      const answer = await refused(method, url, { raw })
      expect({ raw, ...answer }).toMatchObject({ raw, ...validation })
      expect(answer.body.errors[0].path.slice(0, field.length)).toBe(field)
    }
  })
})

test('what is no UUID names nothing, whatever it looks like', async () => {
  for (const id of badPathIds) {
    for (const path of [`/api/projects/${id}`, `${webhooks}/${id}`, `${events}/${id}`]) {
      expect({ path, ...(await refused('GET', path)) }).toMatchObject({
        path,
        status: 404,
        body: { code: 'not_found' },
      })
    }
    expect(await refused('DELETE', `${project.path}/api-keys/${id}`)).toMatchObject({ status: 404 })
    expect(await refused('POST', `${webhooks}/${webhook.body.id}/deliveries/${id}/retry`)).toMatchObject({
      status: 404,
    })
  }
})

test('an id in upper case is the same id', async () => {
  const path = `/api/projects/${project.id.toUpperCase()}/webhooks/${webhook.body.id.toUpperCase()}`
  expect((await api.call('GET', path, { key: project.view })).body).toEqual(
    (await api.call('GET', `${webhooks}/${webhook.body.id}`)).body,
  )
})

test.each(badNames)('the name %j is refused everywhere', async (name) => {
  const refusal = { status: 422, body: { code: 'validation_failed', errors: [{ path: 'name' }] } }
  for (const [method, path, rest] of [
    ['POST', '/api/projects', {}],
    ['PATCH', project.path, {}],
    ['POST', `${project.path}/applications`, {}],
    ['POST', `${project.path}/api-keys`, { role: 'view' }],
    ['POST', webhooks, { url: 'https://example.com' }],
    ['PATCH', `${webhooks}/${webhook.body.id}`, {}],
  ] as const) {
    expect(await refused(method, path, { json: { name, ...rest } })).toMatchObject(refusal)
  }
})

test.each(oddNames)('the name %j is kept as it is', async (name) => {
  expect((await api.call('POST', '/api/projects', { json: { name } })).body.name).toBe(name)
  const json = { name, url: 'https://example.com', environment_name: name, description: name }
  const created = await api.call('POST', webhooks, { json })
  expect(created).toMatchObject({ status: 201, body: { name, environment_name: name, description: name } })
})

test.each(badQueries)('the query $query is refused', async ({ query, path, message }) => {
  const answer = await refused('GET', `${events}?${query}`)
  expect(answer).toMatchObject(validation)
  expect(answer.body.errors[0].path).toBe(path)
  expect(answer.body.errors.length).toBeLessThanOrEqual(8)
  if (message) expect(answer.body.errors[0].message).toMatch(message)
})

test.each(badDeliveryQueries)('the query %s of deliveries is refused', async (query) => {
  const answer = await refused('GET', `${project.path}/deliveries?${query}`)
  expect(answer).toMatchObject({ ...validation, body: { errors: [{ path: query.replace(/=.*/s, '') }] } })
})

test.each(badPeriods)('the period %j is refused', async (time) => {
  for (const name of ['since', 'until']) {
    for (const list of [events, `${project.path}/deliveries`]) {
      const answer = await refused('GET', `${list}?${name}=${encodeURIComponent(time)}`)
      expect(answer).toMatchObject({ ...validation, body: { errors: [{ path: name }] } })
    }
  }
})

test('a replay that names more event types than an index holds is refused in words', async () => {
  const text = createHash('shake256', { outputLength: 12_000 }).update('types').digest('hex')
  const json = { since: '2026-01-01T00:00:00Z', event_types: text.match(/.{40}/g) }
  const answer = await refused('POST', `${webhooks}/${webhook.body.id}/replay`, { json })
  expect(answer).toMatchObject({ ...validation, body: { errors: [{ path: 'event_types' }] } })
})

test('a cursor that was made by hand is a place like any other', async () => {
  for (const cursor of oddCursors) {
    for (const list of ['/api/projects', events, webhooks, `${project.path}/deliveries`]) {
      expect(await api.call('GET', `${list}?cursor=${cursor}`)).toMatchObject({ status: 200 })
    }
  }
})

test('an offset in a query may have its + unescaped', async () => {
  expect((await api.call('GET', `${events}?since=2026-11-24T09:30:00+01:00`)).status).toBe(200)
})

test.each(badHeaders)('the headers $headers are refused', async ({ headers, path }) => {
  const answer = await refused('POST', webhooks, {
    json: { name: 'a', url: 'https://example.com', headers },
  })
  expect(answer).toMatchObject(validation)
  expect(answer.body.errors[0].path).toBe(path)
})

test('__proto__ is refused as the name of a header, and a name like any other in data', async () => {
  const raw = '{"name":"a","url":"https://example.com","headers":{"__proto__":"x"}}'
  expect((await api.call('POST', webhooks, { raw })).status).toBe(422)
  const data = '{"__proto__":{"isAdmin":true}}'
  const { id } = (await api.call('POST', events, { raw: `{"type":"a","data":${data}}` })).body
  expect((await api.call('GET', `${events}/${id}`)).text.replaceAll(' ', '')).toContain(data)
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

test('an answer repeats a name of the caller only so far, and never half a character of it', async () => {
  const name = `${'x'.repeat(99)}😀${'y'.repeat(50_000)}`
  const answer = await refused('POST', webhooks, {
    json: { name: 'a', url: 'https://example.com', [name]: 1 },
  })
  expect(answer).toMatchObject(validation)
  expect(answer.body.detail.isWellFormed()).toBe(true)
  expect(answer.text.length).toBeLessThan(1_000)
  const half = await refused('POST', events, { raw: '{"type":"a","data":1,"\\ud83d":1}' })
  expect(half.body.detail.isWellFormed()).toBe(true)
  expect(half.body.errors[0].path).toBe('\ufffd')
})

test('a key may publish as an application of its own project only', async () => {
  const other = await api.createProject()
  const { id } = (await api.call('POST', `${other.path}/applications`, { json: { name: 'a' } })).body
  const json = { type: 'a', data: 1, application_id: id }
  expect(await refused('POST', events, { json })).toMatchObject({
    ...validation,
    body: { errors: [{ path: 'application_id' }] },
  })
  expect(await refused('POST', `${events}/batch`, { json: { events: [json] } })).toMatchObject({
    ...validation,
    body: { errors: [{ path: 'events[0].application_id' }] },
  })
})
