import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { idFromKey } from '../../src/ids.ts'
import { conflicts, type EventFields, published, repetitions } from '../corpora/event-conflicts.ts'
import { startApi } from '../support/api.ts'
import { countRows } from '../support/rows.ts'

/** The same event id again, by each way of publishing: with other content it is refused, with the same it is known. */

const api = await startApi()
const project = await api.createProject()
const events = `${project.path}/events`
const application = await createApplication()
const other = await createApplication()
await api.call('POST', `${project.path}/webhooks`, { json: { name: 'a', url: 'https://example.com' } })

async function createApplication(): Promise<string> {
  return (await api.call('POST', `${project.path}/applications`, { json: { name: 'a' } })).body.id
}

function applicationId(name: EventFields['application_id']): string | null {
  return name === 'application' ? application : name === 'other' ? other : null
}

/** An event as the API takes it, with `data` as it is written. */
function jsonOf({ data, application_id, ...fields }: EventFields, id?: string): string {
  const rest = JSON.stringify({ ...fields, application_id: applicationId(application_id), ...(id && { id }) })
  return `${rest.slice(0, -1)},"data":${data}}`
}

type Answer = 'conflict' | 'duplicate' | 'new'

async function answerOf(call: ReturnType<typeof api.call>, path: string): Promise<Answer> {
  const { status, body } = await call
  if (status === 202) return (body.events?.[0] ?? body).duplicate ? 'duplicate' : 'new'
  expect(body).toMatchObject({ status: 409, code: 'event_conflict', errors: [{ path }] })
  return 'conflict'
}

async function answerOfSql(text: string, values: unknown[], path: string): Promise<Answer> {
  try {
    const { rows } = await api.database.query<{ duplicate: boolean }>(text, values)
    return rows[0]!.duplicate ? 'duplicate' : 'new'
  } catch (error) {
    expect(error).toMatchObject({ code: '23505', column: path, message: expect.stringContaining(`${path} `) })
    return 'conflict'
  }
}

/** Each publishes an event under an id or a key. */
const ways: Record<string, (id: string, event: EventFields) => Promise<Answer>> = {
  'one by one': (id, event) => answerOf(api.call('POST', events, { raw: jsonOf(event, id) }), 'id'),
  'in a batch': (id, event) =>
    answerOf(
      api.call('POST', `${events}/batch`, { raw: `{"events":[${jsonOf(event, id)}]}` }),
      'events[0].id',
    ),
  'by an Idempotency-Key': (key, event) =>
    answerOf(api.call('POST', events, { raw: jsonOf(event), headers: { 'idempotency-key': key } }), 'id'),
  'by postrider.publish': (id, { type, data, application_id, environment_name, timestamp }) =>
    answerOfSql(
      `SELECT *
       FROM postrider.publish($1::uuid, $2::text, $3::jsonb, $4::uuid, $5::uuid, $6::text, $7::timestamptz)`,
      [project.id, type, data, id, applicationId(application_id), environment_name, timestamp],
      'id',
    ),
  'by postrider.publish_many': (id, event) =>
    answerOfSql(
      'SELECT * FROM postrider.publish_many($1::uuid, $2::jsonb)',
      [project.id, `[${jsonOf(event, id)}]`],
      'events[0].id',
    ),
}

describe.each(Object.entries(ways))('published %s, and again', (_way, publish) => {
  test.each(Object.entries(conflicts))('with %s: a conflict', async (_what, change) => {
    const id = randomUUID()
    expect(await publish(id, published)).toBe('new')
    const before = await countRows(api.database)
    expect(await publish(id, { ...published, ...change })).toBe('conflict')
    expect(await countRows(api.database)).toEqual(before)
  })

  test.each(Object.entries(repetitions))('with %s: a duplicate', async (_what, change) => {
    const id = randomUUID()
    expect(await publish(id, published)).toBe('new')
    const before = await countRows(api.database)
    expect(await publish(id, { ...published, ...change })).toBe('duplicate')
    expect(await countRows(api.database)).toEqual(before)
  })
})

test('each way knows what the others published', async () => {
  const id = randomUUID()
  for (const [index, way] of ['one by one', 'in a batch', 'by postrider.publish'].entries()) {
    expect(await ways[way]!(id, published)).toBe(index === 0 ? 'new' : 'duplicate')
  }
  const key = randomUUID()
  expect(await ways['by an Idempotency-Key']!(key, published)).toBe('new')
  const sameId = idFromKey(project.id, key)
  expect(await ways['by postrider.publish_many']!(sameId, published)).toBe('duplicate')
  expect(await ways['one by one']!(sameId, { ...published, data: '2' })).toBe('conflict')
})

test('one conflict in a batch is told under its index, and nothing of the batch is published', async () => {
  const id = randomUUID()
  await ways['one by one']!(id, published)
  const before = await countRows(api.database)
  for (const batch of [
    [jsonOf(published), jsonOf({ ...published, data: '2' }, id)],
    [jsonOf(published), jsonOf({ ...published, type: 'b' }, id), jsonOf(published)],
  ]) {
    const answer = await api.call('POST', `${events}/batch`, { raw: `{"events":[${batch.join()}]}` })
    expect(answer).toMatchObject({ status: 409, body: { errors: [{ path: 'events[1].id' }] } })
  }
  const twice = randomUUID()
  const raw = `{"events":[${jsonOf(published, twice)},${jsonOf({ ...published, data: '2' }, twice)}]}`
  expect(await api.call('POST', `${events}/batch`, { raw })).toMatchObject({
    status: 409,
    body: { errors: [{ path: 'events[1].id' }] },
  })
  expect(await countRows(api.database)).toEqual(before)
})

test('the same id in another project is another event', async () => {
  const id = randomUUID()
  await ways['one by one']!(id, published)
  const elsewhere = await api.createProject()
  const answer = await api.call('POST', `${elsewhere.path}/events`, { json: { type: 'b', data: 2, id } })
  expect(answer).toMatchObject({ status: 202, body: { id, duplicate: false } })
})
