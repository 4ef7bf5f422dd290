import { expect, test } from 'vitest'
import { startApi } from '../support/api.ts'
import { Receiver } from '../support/receiver.ts'

const api = await startApi()

async function setUp(receiverUrl: string, { call, createProject } = api) {
  const project = await createProject()
  const json = { name: 'w', url: receiverUrl, headers: { 'x-token': 'abc' } }
  const webhook = (await call('POST', `${project.path}/webhooks`, { json })).body
  const publish = async (data: unknown = 1) => {
    const event = (await call('POST', `${project.path}/events`, { json: { type: 'a.b', data } })).body
    const found = await call('GET', `${project.path}/deliveries?event_id=${event.id}`)
    return { event, delivery: found.body.deliveries[0] }
  }
  return { project, webhook, publish }
}

test('a delivery is listed, read, cancelled and retried, under its project and under its webhook', async () => {
  const { project, webhook, publish } = await setUp('https://example.com')
  const { event, delivery } = await publish({ a: 1 })
  expect(delivery).toEqual({
    id: expect.any(String),
    webhook_id: webhook.id,
    event_id: event.id,
    event_type: 'a.b',
    status: 'pending',
    attempts: 0,
    max_attempts: 6,
    scheduled_at: expect.any(String),
    created_at: expect.any(String),
    delivered_at: null,
    last_attempt_at: null,
    last_response_status: null,
    last_error: null,
  })
  for (const parent of [project.path, `${project.path}/webhooks/${webhook.id}`]) {
    const path = `${parent}/deliveries/${delivery.id}`
    expect((await api.call('GET', `${parent}/deliveries`)).body.deliveries).toHaveLength(1)
    expect((await api.call('GET', path)).body).toMatchObject({
      id: delivery.id,
      payload: { id: event.id, data: { a: 1 } },
      last_response_body: null,
    })
    expect((await api.call('GET', `${path}/attempts`)).body).toEqual({ attempts: [] })
    expect(await api.call('POST', `${path}/cancel`)).toMatchObject({
      status: 200,
      body: { status: 'failed', last_error: 'cancelled' },
    })
    expect(await api.call('POST', `${path}/cancel`)).toMatchObject({
      status: 409,
      body: { code: 'conflict' },
    })
    expect(await api.call('POST', `${path}/retry`, { json: {} })).toMatchObject({
      status: 200,
      body: { id: delivery.id, status: 'pending', scheduled_at: expect.any(String) },
    })
    expect((await api.call('POST', `${path}/retry`, { json: { now: true } })).status).toBe(422)
  }
  const other = `${project.path}/webhooks/${event.id}/deliveries`
  for (const path of [other, `${other}/${delivery.id}`, `${other}/${delivery.id}/attempts`]) {
    expect((await api.call('GET', path)).status).toBe(404)
  }
})

test('one that is not finished says where it stands', async () => {
  const { project, webhook, publish } = await setUp('https://example.com')
  const place = async (id: string) => (await api.call('GET', `${project.path}/deliveries/${id}`)).body.place
  const { id } = (await publish()).delivery
  expect(await place(id)).toBe('queue')
  await api.database.query(
    `UPDATE postrider.webhook_deliveries SET scheduled_at = now() + interval '1 hour', attempts = 1 WHERE id = $1`,
    [id],
  )
  expect(await place(id)).toBe('schedule')
  await api.database.query(`DELETE FROM postrider.delivery_schedule WHERE delivery_id = $1`, [id])
  expect(await place(id)).toBe('worker')
  await api.call('PATCH', `${project.path}/webhooks/${webhook.id}`, { json: { policy: { ordered: true } } })
  const lined = (await publish()).delivery
  expect(await place(lined.id)).toBe('line')
  await api.call('POST', `${project.path}/deliveries/${lined.id}/cancel`)
  expect(await place(lined.id)).toBeNull()
  // With the one that nobody holds.
  await api.call('DELETE', `${project.path}/webhooks/${webhook.id}`)
})

test('deliveries are narrowed by status, webhook, event, type and period', async () => {
  const { project, webhook, publish } = await setUp('https://example.com')
  const { event, delivery } = await publish()
  await publish()
  await api.call('POST', `${project.path}/deliveries/${delivery.id}/cancel`)
  const count = async (query: string) =>
    (await api.call('GET', `${project.path}/deliveries?${query}`)).body.deliveries.length
  expect(await count('')).toBe(2)
  expect(await count('status=failed')).toBe(1)
  expect(await count('status=pending')).toBe(1)
  expect(await count('status=delivered')).toBe(0)
  expect(await count(`webhook_id=${webhook.id}`)).toBe(2)
  expect(await count(`webhook_id=${event.id}`)).toBe(0)
  expect(await count(`event_id=${event.id}`)).toBe(1)
  expect(await count('event_type=a.b')).toBe(2)
  expect(await count('event_type=a')).toBe(0)
  expect(await count('since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z')).toBe(0)
  for (const query of ['status=lost', 'webhook_id=x', 'event_id=', 'statuses=failed']) {
    expect((await api.call('GET', `${project.path}/deliveries?${query}`)).status).toBe(422)
  }
  const own = `${project.path}/webhooks/${webhook.id}/deliveries`
  expect((await api.call('GET', `${own}?status=failed`)).body.deliveries).toHaveLength(1)
  expect((await api.call('GET', `${own}?webhook_id=${webhook.id}`)).status).toBe(422)
})

test('an attempt is shown with what was sent and answered, without the values of own headers', async () => {
  const sending = await startApi()
  await using receiver = await Receiver.start({
    answer: () => ({ status: 200, headers: { 'x-answer': 'yes' }, body: 'ok' }),
  })
  const { project, publish } = await setUp(receiver.url, sending)
  await sending.postrider.start()
  const { delivery } = await publish()
  const path = `${project.path}/deliveries/${delivery.id}`
  await expect
    .poll(async () => (await sending.call('GET', path)).body.status, { timeout: 10_000 })
    .toBe('delivered')
  expect((await sending.call('GET', path)).body).toMatchObject({
    attempts: 1,
    last_response_status: 200,
    last_response_body: 'ok',
  })
  const answer = await sending.call('GET', `${path}/attempts`)
  expect(answer.body.attempts).toEqual([
    {
      id: expect.any(String),
      attempt: 1,
      started_at: expect.any(String),
      duration_ms: expect.any(Number),
      request_headers: expect.objectContaining({ 'postrider-attempt': '1', 'x-token': '[redacted]' }),
      response_status: 200,
      response_headers: expect.objectContaining({ 'x-answer': 'yes' }),
      response_body: 'ok',
      error: null,
      outcome: 'delivered',
    },
  ])
  expect(answer.text).not.toContain('abc')
})

test('a replay counts what it would send again, and is the same one while it runs', async () => {
  const { project, webhook, publish } = await setUp('https://example.com')
  for (const data of [1, 2]) {
    const { delivery } = await publish(data)
    await api.call('POST', `${project.path}/deliveries/${delivery.id}/cancel`)
  }
  const path = `${project.path}/webhooks/${webhook.id}/replay`
  const since = '2020-01-01T00:00:00Z'
  expect(await api.call('POST', path, { json: { since, dry_run: true } })).toMatchObject({
    status: 200,
    body: { count: 2 },
  })
  expect(
    (await api.call('POST', path, { json: { since, event_types: ['b.*'], dry_run: true } })).body,
  ).toEqual({ count: 0 })
  expect(
    (await api.call('POST', path, { json: { since, status: 'delivered', dry_run: true } })).body,
  ).toEqual({ count: 0 })
  expect((await api.call('POST', path, { json: { since } })).body.count).toBe(2)
  for (const json of [
    {},
    { since: 'infinity' },
    { since, until: since },
    { since, status: 'pending' },
    { since, event_types: [] },
  ]) {
    expect((await api.call('POST', path, { json })).status).toBe(422)
  }
})

test('the operator deletes old deliveries and frees those of lost senders', async () => {
  const { project, publish } = await setUp('https://example.com')
  const { delivery } = await publish()
  await api.call('POST', `${project.path}/deliveries/${delivery.id}/cancel`)
  await api.database.query(
    `UPDATE postrider.webhook_deliveries SET created_at = now() - interval '31 days' WHERE id = $1`,
    [delivery.id],
  )
  const path = '/api/admin/webhooks'
  expect((await api.call('POST', `${path}/cleanup?days=32`)).body).toEqual({ deleted: 0 })
  expect((await api.call('POST', `${path}/cleanup`)).body).toEqual({ deleted: 1 })
  expect((await api.call('POST', `${path}/retry-stuck`, { json: {} })).body).toEqual({ recovered: 0 })
  for (const days of ['0', '-1', '1.5', 'all', '']) {
    expect((await api.call('POST', `${path}/cleanup?days=${days}`)).status).toBe(422)
  }
})
