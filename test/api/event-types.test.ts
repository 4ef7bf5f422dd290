import { beforeEach, describe, expect, test } from 'vitest'
import { startApi, type TestProject } from '../support/api.ts'
import { Receiver } from '../support/receiver.ts'
import { endlessChecks, refusedSchemas } from '../corpora/schemas.ts'

const api = await startApi()
let project: TestProject
let types: string
beforeEach(async () => {
  project = await api.createProject()
  types = `${project.path}/event-types`
})

const schema = {
  type: 'object',
  properties: { config: { type: 'object', properties: { id: { type: 'integer' } }, required: ['id'] } },
  required: ['config'],
}
const fits = { config: { id: 1 } }

function create(json: object) {
  return api.call('POST', types, { key: project.manage, json })
}

function publish(json: object) {
  return api.call('POST', `${project.path}/events`, { key: project.publish, json })
}

describe('an event type', () => {
  test('is created, read, changed and deleted', async () => {
    const created = await create({
      name: 'config.deployed',
      description: 'It went live.',
      schema,
      example: fits,
    })
    expect(created).toMatchObject({
      status: 201,
      body: {
        name: 'config.deployed',
        description: 'It went live.',
        schema,
        example: fits,
        deprecated: false,
        version: 1,
      },
    })
    const one = `${types}/config.deployed`
    expect(await api.call('GET', one, { key: project.view })).toMatchObject({
      status: 200,
      body: created.body,
    })
    const changed = await api.call('PATCH', one, {
      key: project.manage,
      json: { deprecated: true, description: null },
    })
    expect(changed).toMatchObject({
      status: 200,
      body: { description: null, deprecated: true, schema, example: fits, version: 1 },
    })
    const untouched = await api.call('PATCH', one, { key: project.manage, json: {} })
    expect(untouched.body).toEqual(changed.body)
    const renamed = await api.call('PATCH', one, { key: project.manage, json: { name: 'config.live' } })
    expect(renamed).toMatchObject({ status: 200, body: { name: 'config.live' } })
    expect(await api.call('GET', one)).toMatchObject({ status: 404, body: { code: 'not_found' } })
    expect((await api.call('DELETE', `${types}/config.live`, { key: project.manage })).status).toBe(204)
    expect((await api.call('DELETE', `${types}/config.live`, { key: project.manage })).status).toBe(404)
  })

  test('has defaults for all but its name', async () => {
    expect(await create({ name: 'a' })).toMatchObject({
      status: 201,
      body: { name: 'a', description: null, schema: null, example: null, deprecated: false, version: 1 },
    })
  })

  test('is 409 where the name is taken, and free in another project', async () => {
    await create({ name: 'a' })
    expect(await create({ name: 'a' })).toMatchObject({
      status: 409,
      body: { code: 'already_exists', errors: [{ path: 'name', message: 'is taken' }] },
    })
    await create({ name: 'b' })
    expect(await api.call('PATCH', `${types}/b`, { json: { name: 'a' } })).toMatchObject({ status: 409 })
    const other = await api.createProject()
    expect((await api.call('POST', `${other.path}/event-types`, { json: { name: 'a' } })).status).toBe(201)
  })

  test.each(['', 'a b', 'a..b', '.a', 'a.*', 'ä', 'x'.repeat(256)])(
    'is 422 with the name %j',
    async (name) => {
      expect(await create({ name })).toMatchObject({ status: 422, body: { errors: [{ path: 'name' }] } })
    },
  )

  test.each(['a%20b', '%00', '..a', 'x'.repeat(256), '%ff'])('is 404 as %s in a path', async (name) => {
    expect((await api.call('GET', `${types}/${name}`)).status).toBe(404)
  })

  test('keeps the digits of its schema and example, and says so', async () => {
    const raw =
      '{"name": "a", "schema": {"type": "object", "properties": {"n": {"maximum": 12345678901234567890123}}}, "example": {"n": 9007199254740993, "m": 1.10}}'
    const created = await api.call('POST', types, { raw })
    expect(created.status).toBe(201)
    for (const { text } of [created, await api.call('GET', `${types}/a`)]) {
      expect(text).toContain('"maximum":12345678901234567890123')
      expect(text).toContain('9007199254740993')
    }
    const changed = await api.call('PATCH', `${types}/a`, { raw: '{"example": {"n": 9007199254740995}}' })
    expect(changed.text).toContain('9007199254740995')
    expect(await api.call('PATCH', `${types}/a`, { raw: `{"example": 1e${'9'.repeat(5)}}` })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'example' }] },
    })
  })
})

describe('an example', () => {
  test('that does not fit the schema is 422, with the place', async () => {
    expect(await create({ name: 'a', schema, example: { config: { id: 'x' } } })).toMatchObject({
      status: 422,
      body: {
        code: 'validation_failed',
        errors: [{ path: 'example.config.id', message: 'must be a whole number' }],
      },
    })
  })

  test('must fit a schema that comes later, too', async () => {
    await create({ name: 'a', example: { old: true } })
    expect(await api.call('PATCH', `${types}/a`, { json: { schema } })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'example.config', message: 'is missing' }] },
    })
    expect((await api.call('PATCH', `${types}/a`, { json: { schema, example: fits } })).status).toBe(200)
    expect((await api.call('PATCH', `${types}/a`, { json: { example: null } })).status).toBe(200)
  })

  test('has at most 64 KiB', async () => {
    expect(await create({ name: 'a', example: 'x'.repeat(70_000) })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'example' }] },
    })
  })
})

describe('a schema is 422, with its place,', () => {
  test.each(Object.entries(refusedSchemas))('with %s', async (_name, [refused, path]) => {
    const answer = await create({ name: 'a', schema: refused })
    expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed' } })
    const paths = answer.body.errors.map((error: { path: string }) => error.path)
    expect(paths).toContain(path === '' ? 'schema' : `schema.${path}`)
    expect((await api.call('GET', `${types}/a`)).status).toBe(404)
  })

  test.each([1, 'string', [{}]])('that is %j', async (wrong) => {
    expect(await create({ name: 'a', schema: wrong })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'schema' }] },
    })
  })
})

test('the list is paged, newest first', async () => {
  for (const name of ['a', 'b', 'c']) await create({ name, ...(name === 'b' && { schema }) })
  const first = await api.call('GET', `${types}?limit=2`, { key: project.view })
  expect(first.body.event_types.map(({ name }: { name: string }) => name)).toEqual(['c', 'b'])
  expect(first.body.event_types[1]).toMatchObject({ schema })
  const second = await api.call('GET', `${types}?limit=2&cursor=${first.body.next_cursor}`)
  expect(second.body).toMatchObject({ event_types: [{ name: 'a' }], next_cursor: null })
})

test('versions are listed, newest first', async () => {
  await create({ name: 'a', schema })
  await api.call('PATCH', `${types}/a`, { json: { schema: true } })
  expect(await api.call('GET', `${types}/a/versions`, { key: project.view })).toMatchObject({
    status: 200,
    body: {
      versions: [
        { version: 2, schema: true },
        { version: 1, schema },
      ],
    },
  })
  expect((await api.call('GET', `${types}/b/versions`)).status).toBe(404)
})

test('who may not manage changes nothing', async () => {
  for (const key of [project.view, project.publish]) {
    expect((await api.call('POST', types, { key, json: { name: 'a' } })).status).toBe(403)
  }
})

test('the audit log tells of them by their names', async () => {
  await create({ name: 'a', schema })
  await api.call('PATCH', `${types}/a`, { key: project.manage, json: { schema: true } })
  const log = await api.call('GET', `${project.path}/audit-log?resource_id=a`)
  expect(log.body.audit_log).toMatchObject([
    { action: 'event_type.updated', before: { schema, version: 1 }, after: { schema: true, version: 2 } },
    { action: 'event_type.created', after: { schema } },
  ])
})

test('data that takes too long to check is 422, alone and in a batch', async () => {
  const [hostile, data] = endlessChecks['a schema in itself, with two ways at each level of the data']!
  expect((await create({ name: 'hostile', schema: hostile })).status).toBe(201)
  const problem = { message: 'takes too long to be checked against the schema of its type' }
  expect(await publish({ type: 'hostile', data })).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'data', ...problem }] },
  })
  const events = Array.from({ length: 200 }, (_, index) => ({
    type: 'hostile',
    data: index < 199 ? 1 : data,
  }))
  expect(
    await api.call('POST', `${project.path}/events/batch`, { key: project.publish, json: { events } }),
  ).toMatchObject({ status: 422, body: { errors: [{ path: 'events[199].data', ...problem }] } })
  expect((await publish({ type: 'hostile', data: { next: 1 } })).status).toBe(202)
})

describe('data that does not fit the schema of its type', () => {
  beforeEach(async () => {
    await create({ name: 'config.deployed', schema, example: fits })
  })

  test('is 422 with the place in it, and nothing is published', async () => {
    expect(await publish({ type: 'config.deployed', data: { config: { id: 'x' } } })).toMatchObject({
      status: 422,
      body: {
        code: 'validation_failed',
        detail: 'data.config.id must be a whole number',
        errors: [{ path: 'data.config.id', message: 'must be a whole number' }],
      },
    })
    expect((await publish({ type: 'config.deployed', data: fits })).status).toBe(202)
    expect((await publish({ type: 'config.committed', data: 'anything' })).status).toBe(202)
    const { body } = await api.call('GET', `${project.path}/events`)
    expect(body.events.map(({ type }: { type: string }) => type)).toEqual([
      'config.committed',
      'config.deployed',
    ])
  })

  test('is 422 in a batch under its index, all or nothing', async () => {
    const events = [
      { type: 'config.deployed', data: fits },
      { type: 'other', data: null },
      { type: 'config.deployed', data: { config: {} } },
    ]
    const batch = (json: object) =>
      api.call('POST', `${project.path}/events/batch`, { key: project.publish, json })
    expect(await batch({ events })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'events[2].data.config.id', message: 'is missing' }] },
    })
    expect((await api.call('GET', `${project.path}/events`)).body.events).toEqual([])
    expect((await batch({ events: events.slice(0, 2) })).status).toBe(202)
  })

  test('is that of the last of several members with one name, as what is stored', async () => {
    const twice = (first: string, last: string) =>
      api.call('POST', `${project.path}/events`, {
        raw: `{"type": "config.deployed", "data": ${first}, "data": ${last}}`,
      })
    expect((await twice('{"config": {"id": 1}}', '{}')).status).toBe(422)
    expect((await twice('{}', '{"config": {"id": 1}}')).status).toBe(202)
  })

  test('keeps every digit where it fits', async () => {
    const data = '{"config": {"id": 9007199254740993}}'
    const { body } = await api.call('POST', `${project.path}/events`, {
      raw: `{"type": "config.deployed", "data": ${data}}`,
    })
    const { text } = await api.call('GET', `${project.path}/events/${body.id}`)
    expect(text).toContain('9007199254740993')
  })

  test('is 422 in a test send, which sends the example if there is no data', async () => {
    await using receiver = await Receiver.start()
    const { body: webhook } = await api.call('POST', `${project.path}/webhooks`, {
      json: { name: 'a', url: receiver.url },
    })
    const send = (json: object) => api.call('POST', `${project.path}/webhooks/${webhook.id}/test`, { json })
    expect(await send({ type: 'config.deployed', data: {} })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'data.config', message: 'is missing' }] },
    })
    const draft = { url: receiver.url, type: 'config.deployed', data: 1 }
    expect(await api.call('POST', `${project.path}/webhooks/test`, { json: draft })).toMatchObject({
      status: 422,
    })
    expect(receiver.requests).toHaveLength(0)
    expect(await send({ type: 'config.deployed' })).toMatchObject({ status: 200, body: { success: true } })
    expect(await send({})).toMatchObject({ status: 200, body: { success: true } })
    expect(receiver.requests.map(({ body }) => JSON.parse(body).data)).toEqual([
      fits,
      { message: 'A test from Postrider' },
    ])
  })

  test('is published again as before once the type is gone', async () => {
    await api.call('DELETE', `${types}/config.deployed`, { key: project.manage })
    expect((await publish({ type: 'config.deployed', data: {} })).status).toBe(202)
  })
})
