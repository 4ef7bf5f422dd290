import { expect, test } from 'vitest'
import { startApi } from '../support/api.ts'
import { Receiver } from '../support/receiver.ts'

const api = await startApi()
const project = await api.createProject()
const webhooks = `${project.path}/webhooks`
const url = 'https://example.com/hook'

async function createWebhook(json: object = {}) {
  const answer = await api.call('POST', webhooks, { json: { name: 'w', url, ...json } })
  expect(answer.status).toBe(201)
  return answer.body
}

test('a webhook is created with defaults, and shows its secret this once', async () => {
  const created = await createWebhook()
  expect(created).toEqual({
    id: expect.any(String),
    project_id: project.id,
    name: 'w',
    url,
    event_types: ['*'],
    application_id: null,
    environment_name: null,
    is_active: true,
    disabled_reason: null,
    operational: false,
    failing_since: null,
    disables_at: null,
    down_since: null,
    next_probe_at: null,
    description: null,
    header_names: [],
    payload_template: null,
    filter: null,
    policy: {
      retry_seconds: [60, 300, 900, 3_600, 14_400],
      timeout_ms: 10_000,
      max_in_flight: expect.any(Number),
      rate_per_second: null,
      ordered: false,
    },
    signature_scheme: 'v1',
    public_keys: [],
    previous_secret_expires_at: null,
    created_at: expect.any(String),
    updated_at: expect.any(String),
    created_by_id: null,
    secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
  })
  const { secret, ...shown } = created
  const read = await api.call('GET', `${webhooks}/${created.id}`)
  expect(read.body).toEqual(shown)
  const list = await api.call('GET', webhooks)
  expect(list.body.webhooks[0]).toEqual(shown)
  expect(read.text + list.text).not.toContain(secret.slice(6))
})

test('every field is taken, the values of headers are never shown, and nothing secret is stored in the clear', async () => {
  const application = (await api.call('POST', `${project.path}/applications`, { json: { name: 'a' } })).body
  const given = {
    name: 'all',
    url: 'https://münchen.de:8443/hook?a=b#top',
    event_types: ['config.*', 'user.created'],
    application_id: application.id,
    environment_name: 'production',
    description: 'first line\nsecond line',
    headers: { 'X-B': 'token-b', 'x-a': 'token-a' },
    is_active: false,
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  }
  const created = await createWebhook(given)
  const { headers: _, ...shown } = given
  expect(created).toMatchObject({
    ...shown,
    url: 'https://xn--mnchen-3ya.de:8443/hook?a=b',
    header_names: ['X-B', 'x-a'],
    disabled_reason: null,
  })
  const { rows } = await api.database.query<{ text: string }>(
    `SELECT to_jsonb(webhooks)::text AS text FROM postrider.webhooks WHERE id = $1`,
    [created.id],
  )
  expect(rows[0]!.text).not.toMatch(/token-|whsec_|MfKQ/)
  expect(rows[0]!.text).toMatch(/v1\.k1\./)
})

test('a secret of the caller must be one of Standard Webhooks', async () => {
  for (const secret of ['', 'secret', 'whsec_', 'whsec_c2hvcnQ=', 'whsec_!!!!', `whsec_${'A'.repeat(88)}`]) {
    expect(await api.call('POST', webhooks, { json: { name: 'w', url, secret } })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'secret' }] },
    })
  }
})

test('everything that is wrong is told at once', async () => {
  const json = { name: 'w', url: 'ftp://example.com', headers: { Host: 'a', 'x-a': 'b\n' }, secret: 'x' }
  const answer = await api.call('POST', webhooks, { json })
  expect(answer.body.errors.map(({ path }: { path: string }) => path)).toEqual([
    'url',
    'headers.Host',
    'headers.x-a',
    'secret',
  ])
})

test('an application of another project is none', async () => {
  const other = await api.createProject()
  const { id } = (await api.call('POST', `${other.path}/applications`, { json: { name: 'a' } })).body
  const refused = { status: 422, body: { errors: [{ path: 'application_id' }] } }
  expect(await api.call('POST', webhooks, { json: { name: 'w', url, application_id: id } })).toMatchObject(
    refused,
  )
  const webhook = await createWebhook()
  expect(
    await api.call('PATCH', `${webhooks}/${webhook.id}`, { json: { application_id: id } }),
  ).toMatchObject(refused)
})

test('a change touches what it names and nothing else', async () => {
  const created = await createWebhook({ headers: { 'x-a': '1', 'x-b': '2' }, description: 'd' })
  const path = `${webhooks}/${created.id}`
  const { secret: _, ...before } = created
  expect((await api.call('PATCH', path, { json: {} })).body).toEqual({
    ...before,
    updated_at: expect.any(String),
  })
  const renamed = (await api.call('PATCH', path, { json: { name: 'new', description: null } })).body
  expect(renamed).toEqual({ ...before, name: 'new', description: null, updated_at: expect.any(String) })
  expect(Date.parse(renamed.updated_at)).toBeGreaterThan(Date.parse(before.updated_at))
  expect((await api.call('PATCH', path, { json: { headers: { 'x-c': '3' } } })).body.header_names).toEqual([
    'x-c',
  ])
  expect((await api.call('PATCH', path, { json: { headers: {} } })).body.header_names).toEqual([])
  for (const field of ['secret', 'id', 'project_id', 'disabled_reason', 'header_names', 'created_at']) {
    expect(await api.call('PATCH', path, { json: { [field]: null } })).toMatchObject({
      status: 422,
      body: { errors: [{ path: field }] },
    })
  }
  expect((await api.call('DELETE', path)).status).toBe(204)
  expect((await api.call('GET', path)).status).toBe(404)
  expect((await api.call('PATCH', path, { json: {} })).status).toBe(404)
})

test('a webhook whose application is deleted stays inactive until its filter is set anew', async () => {
  const application = (await api.call('POST', `${project.path}/applications`, { json: { name: 'a' } })).body
  const other = (await api.call('POST', `${project.path}/applications`, { json: { name: 'b' } })).body
  const [one, two, three] = [
    await createWebhook({ application_id: application.id }),
    await createWebhook({ application_id: application.id }),
    await createWebhook({ application_id: application.id }),
  ]
  await api.call('DELETE', `${project.path}/applications/${application.id}`)
  expect((await api.call('GET', `${webhooks}/${one.id}`)).body).toMatchObject({
    is_active: false,
    disabled_reason: 'application_deleted',
    application_id: null,
  })
  const patch = (webhook: { id: string }, json: object) =>
    api.call('PATCH', `${webhooks}/${webhook.id}`, { json })
  expect(await patch(one, { is_active: true })).toMatchObject({ status: 409, body: { code: 'conflict' } })
  expect(await patch(one, { is_active: true, application_id: null })).toMatchObject({
    status: 200,
    body: { is_active: true, disabled_reason: null, application_id: null },
  })
  expect(await patch(two, { application_id: other.id })).toMatchObject({
    body: { is_active: false, disabled_reason: null },
  })
  expect(await patch(two, { is_active: true })).toMatchObject({ status: 200, body: { is_active: true } })
  // Made inactive by a person, it is still without the filter that it had.
  expect(await patch(three, { name: 'other' })).toMatchObject({
    body: { disabled_reason: 'application_deleted' },
  })
})

test('a rotation keeps the secret before for a while; a second one during that time is refused, or ends it', async () => {
  const created = await createWebhook()
  const path = `${webhooks}/${created.id}/regenerate-secret`
  const first = await api.call('POST', path, { json: { overlap_seconds: 60 } })
  expect(first.body.secret).not.toBe(created.secret)
  expect(Date.parse(first.body.previous_expires_at) - Date.now()).toBeGreaterThan(50_000)
  const overlapEnd = async () =>
    (await api.call('GET', `${webhooks}/${created.id}`)).body.previous_secret_expires_at
  expect(await overlapEnd()).toBe(first.body.previous_expires_at)
  expect(await api.call('POST', path, { json: {} })).toMatchObject({
    status: 409,
    body: { code: 'conflict' },
  })
  expect(await api.call('POST', path, { json: { overlap_seconds: 0 } })).toMatchObject({
    status: 200,
    body: { previous_expires_at: null },
  })
  expect(await overlapEnd()).toBeNull()
  const day = await api.call('POST', path)
  expect(Date.parse(day.body.previous_expires_at) - Date.now()).toBeGreaterThan(86_000_000)
  await api.database.query(
    `UPDATE postrider.webhooks SET previous_secret_expires_at = now() - interval '1 s' WHERE id = $1`,
    [created.id],
  )
  expect(await overlapEnd()).toBeNull()
  await api.call('POST', path)
  for (const overlap_seconds of [-1, 604_801, 1.5, '60', null]) {
    expect((await api.call('POST', path, { json: { overlap_seconds } })).status).toBe(422)
  }
})

test('a test is sent now with the secrets and headers of the webhook, also when it is inactive', async () => {
  await using receiver = await Receiver.start()
  const created = await createWebhook({ url: receiver.url, headers: { 'x-token': 'abc' }, is_active: false })
  await api.call('POST', `${webhooks}/${created.id}/regenerate-secret`)
  const path = `${webhooks}/${created.id}/test`
  expect(await api.call('POST', path)).toMatchObject({
    status: 200,
    body: { success: true, response_status: 204, message: expect.any(String) },
  })
  const data = '{"big":123456789012345678901234567890.10,"list":[1,2]}'
  await api.call('POST', path, { raw: `{"type":"a.b","data":${data}}` })
  const [first, second] = await receiver.waitFor(2)
  expect(first!.headers).toMatchObject({ 'postrider-event': 'webhook.test', 'x-token': 'abc' })
  expect(first!.headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/)
  expect(second!.headers['postrider-event']).toBe('a.b')
  expect(second!.body).toContain('123456789012345678901234567890.10')

  receiver.answer = () => ({ status: 500 })
  expect((await api.call('POST', path)).body).toMatchObject({
    success: false,
    response_status: 500,
    error: 'http 500',
  })
  await receiver.close()
  expect((await api.call('POST', path)).body).toMatchObject({ success: false, response_status: null })
  expect((await api.call('POST', path, { json: { typ: 'a' } })).status).toBe(422)
})

test('a draft is tested with what would create it, and is not stored', async () => {
  await using receiver = await Receiver.start()
  const before = (await api.call('GET', `${webhooks}?limit=1`)).body.webhooks[0].id
  const json = {
    url: receiver.url,
    headers: { 'x-token': 'abc' },
    environment_name: 'test',
    type: 'a.b',
    data: { a: 1 },
  }
  expect((await api.call('POST', `${webhooks}/test`, { json })).body).toMatchObject({ success: true })
  const [request] = await receiver.waitFor(1)
  expect(request!.headers['x-token']).toBe('abc')
  expect(JSON.parse(request!.body)).toMatchObject({ type: 'a.b', data: { a: 1 }, environment_name: 'test' })
  expect((await api.call('GET', `${webhooks}?limit=1`)).body.webhooks[0].id).toBe(before)
  expect(await api.call('POST', `${webhooks}/test`, { json: { url: 'https://10.0.0.1' } })).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'url' }] },
  })
})

test('a webhook of another project does not exist', async () => {
  const other = await api.createProject()
  const created = await createWebhook()
  for (const [method, rest, json] of [
    ['GET', ''],
    ['PATCH', '', { name: 'x' }],
    ['DELETE', ''],
    ['POST', '/regenerate-secret'],
    ['POST', '/test'],
    ['POST', '/replay', { since: '2026-01-01T00:00:00Z' }],
    ['GET', '/deliveries'],
  ] as const) {
    const answer = await api.call(method, `${other.path}/webhooks/${created.id}${rest}`, {
      json,
      key: other.manage,
    })
    expect(answer).toMatchObject({ status: 404, body: { detail: 'There is no such webhook.' } })
  }
  expect((await api.call('GET', `${webhooks}/${created.id}`)).body.name).toBe('w')
})
