import { afterAll, describe, expect, test } from 'vitest'
import { startApi } from '../support/api.ts'
import { Receiver } from '../support/receiver.ts'

const api = await startApi()
const project = await api.createProject()
const webhooks = `${project.path}/webhooks`
// Nothing goes anywhere else, whatever is sent.
const sink = await Receiver.start()
afterAll(() => sink.close())
const { url } = sink
const template = { event_type: '$.type', client_payload: '$.data' }
const filter = 'event.data.version > 5'

const create = (json: object) => api.call('POST', webhooks, { json: { name: 'w', url, ...json } })

describe('a webhook', () => {
  test('has a template and a filter where it was given them, and every call shows them', async () => {
    expect((await create({})).body).toMatchObject({ payload_template: null, filter: null })
    const { status, body } = await create({ payload_template: template, filter })
    expect(status).toBe(201)
    const path = `${webhooks}/${body.id}`
    const shape = { payload_template: template, filter }
    expect(body).toMatchObject(shape)
    expect((await api.call('GET', path)).body).toMatchObject(shape)
    expect((await api.call('GET', webhooks)).body.webhooks[0]).toMatchObject(shape)
    expect((await api.call('PATCH', path, { json: { name: 'x' } })).body).toMatchObject(shape)
    expect((await api.call('PATCH', path, { json: { filter: null } })).body).toMatchObject({
      ...shape,
      filter: null,
    })
    const literal = { payload_template: [1, { b: 1, a: 2 }, false] }
    expect((await api.call('PATCH', path, { json: literal })).body.payload_template).toEqual(
      literal.payload_template,
    )
    expect((await api.call('PATCH', path, { json: { payload_template: null } })).body).toMatchObject({
      payload_template: null,
    })
  })

  test('is refused with what is wrong and where', async () => {
    const { status, body } = await create({
      payload_template: { a: '$.data.*', b: ['$.data['] },
      filter: 'event.data.version >',
    })
    expect(status).toBe(422)
    expect(body.errors).toEqual([
      { path: 'payload_template.a', message: expect.stringMatching(/may name one value alone/) },
      { path: 'payload_template.b[0]', message: expect.stringMatching(/is no JSONPath/) },
      { path: 'filter', message: 'line 1, column 20: cannot be read as CEL from ">" on' },
    ])
    for (const [wrong, path] of [
      [{ filter: '' }, 'filter'],
      [{ filter: 5 }, 'filter'],
      [{ filter: 'x'.repeat(2_001) }, 'filter'],
      [{ payload_template: 'x'.repeat(17_000) }, 'payload_template'],
    ] as const) {
      expect(await create(wrong)).toMatchObject({ status: 422, body: { errors: [{ path }] } })
    }
  })

  test('that is changed leaves who did it, and what, in the audit log', async () => {
    const { id } = (await create({ filter })).body
    await api.call('PATCH', `${webhooks}/${id}`, {
      json: { filter: 'true', payload_template: template },
      key: project.manage,
    })
    const { audit_log } = (await api.call('GET', `${project.path}/audit-log?resource_id=${id}`)).body
    expect(audit_log).toMatchObject([
      {
        action: 'webhook.updated',
        actor: { kind: 'api_key', name: 'manage' },
        before: { filter, payload_template: null },
        after: { filter: 'true', payload_template: template },
      },
      { action: 'webhook.created', after: { filter } },
    ])
  })

  test('is tested with both', async () => {
    await using receiver = await Receiver.start()
    const { id } = (await create({ url: receiver.url, payload_template: template, filter })).body
    const tested = (json: object) => api.call('POST', `${webhooks}/${id}/test`, { json })
    expect((await tested({ type: 'config.deployed', data: { version: 5 } })).body).toEqual({
      success: false,
      response_status: null,
      response_time_ms: null,
      error: 'not sent: the filter does not match',
    })
    expect((await tested({})).body.error).toBe(
      'not sent: the filter cannot be evaluated: field not found: version',
    )
    expect(receiver.requests).toEqual([])
    expect((await tested({ type: 'config.deployed', data: { version: 6 } })).body).toMatchObject({
      success: true,
    })
    expect(JSON.parse(receiver.requests[0]!.body)).toEqual({
      event_type: 'config.deployed',
      client_payload: { version: 6 },
    })

    const draft = {
      url: receiver.url,
      payload_template: { n: '$.data.n' },
      filter: 'event.data.n == 1',
      data: { n: 1 },
    }
    expect((await api.call('POST', `${webhooks}/test`, { json: draft })).body).toMatchObject({
      success: true,
    })
    expect(receiver.requests[1]!.body).toBe('{"n":1}')
    const wrong = await api.call('POST', `${webhooks}/test`, { json: { ...draft, filter: 'nonsense' } })
    expect(wrong).toMatchObject({ status: 422, body: { errors: [{ path: 'filter' }] } })
  })
})

describe('a preview', () => {
  const preview = (json: object, key = project.manage) =>
    api.call('POST', `${webhooks}/preview`, { json, key })
  const event = { type: 'config.deployed', data: { version: 7 } }

  test('says whether a sample would be sent, and as what', async () => {
    const shape = { payload_template: template, filter }
    expect(await preview({ ...shape, event })).toMatchObject({
      status: 200,
      body: {
        matches: true,
        reason: null,
        body: { event_type: 'config.deployed', client_payload: { version: 7 } },
      },
    })
    expect((await preview({ ...shape, event: { ...event, data: { version: 1 } } })).body).toEqual({
      matches: false,
      reason: 'the filter does not match',
      body: { event_type: 'config.deployed', client_payload: { version: 1 } },
    })
    expect((await preview({ ...shape, event: { type: 'a' } })).body).toEqual({
      matches: false,
      reason: expect.stringMatching(/^the filter cannot be evaluated: /),
      body: { event_type: 'a', client_payload: null },
    })
    const whole = {
      ...event,
      id: '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7',
      timestamp: '2026-11-24T09:30:00Z',
      environment_name: 'e',
    }
    expect((await preview({ event: whole })).body).toEqual({
      matches: true,
      reason: null,
      body: { ...whole, timestamp: '2026-11-24T09:30:00.000Z', api_version: 'v1', project_id: project.id },
    })
  })

  test('keeps numbers to the digit, of a sample and of a published event', async () => {
    const data = '{"n":12345678901234567890.10}'
    const raw = `{"payload_template":"$.data.n","event":{"type":"a","data":${data}}}`
    const sample = await api.call('POST', `${webhooks}/preview`, { raw })
    expect(sample.text).toContain('"body":12345678901234567890.10')
    const { id } = (await api.call('POST', `${project.path}/events`, { raw: `{"type":"a","data":${data}}` }))
      .body
    const published = await preview({ payload_template: ['$.data.n', '$.id'], event_id: id })
    expect(published.text).toContain(`"body":[12345678901234567890.10,"${id}"]`)
  })

  test('of too much has no body, and says so', async () => {
    const { body } = await preview({
      payload_template: ['$.data', '$.data', '$.data'],
      event: { type: 'a', data: 'x'.repeat(200_000) },
    })
    expect(body).toEqual({
      matches: true,
      reason: null,
      error: 'the template makes a body of more than 512 KiB',
      body: null,
    })
  })

  test('is refused for what is wrong with either, or without an event', async () => {
    const other = await api.createProject()
    const { id } = (await api.call('POST', `${other.path}/events`, { json: event })).body
    for (const [wrong, path] of [
      [{ filter: 'event.data.version >', event }, 'filter'],
      [{ payload_template: { a: '$..b' }, event }, 'payload_template.a'],
      [{ filter }, 'event'],
      [{ filter, event: { data: 1 } }, 'event.type'],
      [{ filter, event_id: id }, 'event_id'],
    ] as const) {
      expect(await preview(wrong)).toMatchObject({ status: 422, body: { errors: [{ path }] } })
    }
  })

  test('can be asked of the library', async () => {
    const { shaping } = api.postrider
    expect(
      await shaping.preview(project.id, { payload_template: '$.data', event: { type: 'a', data: [1] } }),
    ).toEqual({
      matches: true,
      reason: null,
      body: '[1]',
    })
  })
})

test('an event tells which filters kept it back, the webhook too, and a metric counts them', async () => {
  const { id: webhookId } = (await create({ filter, event_types: ['kept.back'] })).body
  const json = { type: 'kept.back', data: { version: 1 } }
  const { id, deliveries } = (await api.call('POST', `${project.path}/events`, { json })).body
  expect(deliveries).toBeGreaterThan(0)
  const waiting = (await api.call('GET', `${project.path}/events/${id}`)).body
  expect(waiting.filtered).toEqual([])
  const delivery = waiting.deliveries.find(
    ({ webhook_id }: { webhook_id: string }) => webhook_id === webhookId,
  )
  await api.postrider.start()
  const path = `${webhooks}/${webhookId}/filtered-deliveries`
  let listed = await api.call('GET', path, { key: project.view })
  while (listed.body.filtered_deliveries.length === 0)
    listed = await api.call('GET', path, { key: project.view })
  const told = {
    id: delivery.id,
    webhook_id: webhookId,
    event_id: id,
    event_type: 'kept.back',
    filter,
    reason: 'the filter does not match',
    created_at: expect.any(String),
  }
  expect(listed.body).toEqual({ filtered_deliveries: [told], next_cursor: null })
  const event = (await api.call('GET', `${project.path}/events/${id}`)).body
  expect(event.filtered).toContainEqual(told)
  expect(event.deliveries.map(({ webhook_id }: { webhook_id: string }) => webhook_id)).not.toContain(
    webhookId,
  )
  expect(await api.call('GET', `${project.path}/deliveries/${delivery.id}`)).toMatchObject({ status: 404 })
  expect((await api.call('GET', '/metrics')).text).toMatch(/^postrider_deliveries_filtered_total [1-9]/m)
})
