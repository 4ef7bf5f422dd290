import { expect, test } from 'vitest'
import { startApi } from '../support/api.ts'
import { Receiver } from '../support/receiver.ts'

const api = await startApi()

/** A project whose webhook gave `statuses` one after the other, all but the first recorded and not counted yet. */
async function setUp(statuses: number[]) {
  const sending = await startApi()
  let asked = 0
  await using receiver = await Receiver.start({ answer: () => ({ status: statuses[asked++]!, body: 'ok' }) })
  const project = await sending.createProject()
  const json = { name: 'Billing', url: receiver.url, policy: { retry_seconds: [] } }
  const webhook = (await sending.call('POST', `${project.path}/webhooks`, { json })).body
  await sending.postrider.start()
  for (const [data] of statuses.entries()) {
    const event = (await sending.call('POST', `${project.path}/events`, { json: { type: 'a.b', data } })).body
    const path = `${project.path}/deliveries?event_id=${event.id}`
    await expect
      .poll(async () => (await sending.call('GET', path)).body.deliveries[0].status, { timeout: 15_000 })
      .toMatch(/delivered|failed/)
  }
  return { ...sending, project, webhook }
}

test('what was published and sent shows at once, for the project and the webhook', async () => {
  const { call, project, webhook } = await setUp([200, 500, 200])
  const own = `${project.path}/webhooks/${webhook.id}`
  const whole = (await call('GET', `${project.path}/statistics`, { key: project.view })).body
  expect(whole).toMatchObject({
    bucket_seconds: 1_800,
    totals: { published: 3, delivered: 2, retry: 0, failed: 1, interrupted: 0, p95_ms: expect.any(Number) },
    backlog: { count: 0, is_exact: true, oldest_due_at: null },
  })
  expect(whole.totals.success_rate).toBeCloseTo(2 / 3)
  expect(whole.counted_until).toBe(whole.until)
  expect(whole.buckets.at(-1)).toMatchObject({ published: 3, delivered: 2, failed: 1 })
  const one = (await call('GET', `${own}/statistics?bucket=1h`)).body
  expect(one).toMatchObject({ bucket_seconds: 3_600, totals: { published: null, delivered: 2, failed: 1 } })

  const [summary] = (await call('GET', `${project.path}/statistics/webhooks`)).body.webhooks
  expect(summary).toMatchObject({ webhook_id: webhook.id, delivered: 2, failed: 1, last_error: 'http 500' })
  expect(summary.attempts.at(-1)).toBe(3)
  expect(summary.failures.at(-1)).toBe(1)

  const { event_types } = (await call('GET', `${project.path}/statistics/event-types`)).body
  expect(event_types).toMatchObject([{ name: 'a.b', published: 3, deliveries: 3 }])

  const { deliveries } = (await call('GET', `${project.path}/statistics/failures`)).body
  expect(deliveries).toMatchObject([{ status: 'failed', last_error: 'http 500', last_response_status: 500 }])
})

test('the webhooks that fail most are told out of the counts', async () => {
  const { call, createProject, database } = api
  const project = await createProject()
  const create = async (name: string) =>
    (await call('POST', `${project.path}/webhooks`, { json: { name, url: 'https://example.com' } })).body.id
  // Two minutes ago may have been another hour, or another day: those were not summed up yet.
  await database.query(
    `UPDATE postrider.statistics_progress
     SET hours_until = hours_until - interval '1 hour', days_until = days_until - interval '1 day'`,
  )
  const [good, bad, worse] = [await create('good'), await create('bad'), await create('worse')]
  for (const [id, delivered, failed] of [
    [good, 9, 0],
    [bad, 9, 1],
    [worse, 1, 3],
  ] as const) {
    await database.query(
      `INSERT INTO postrider.attempt_statistics (project_id, webhook_id, seconds, at, delivered, failed)
       VALUES ($1::uuid, $2::uuid, 60, now() - interval '2 minutes', $3::integer, $4::integer)`,
      [project.id, id, delivered, failed],
    )
  }
  const { webhooks } = (await call('GET', `${project.path}/statistics/failures`)).body
  expect(webhooks).toMatchObject([
    { webhook_id: worse, name: 'worse', delivered: 1, failed: 3, success_rate: 0.25 },
    { webhook_id: bad, name: 'bad', delivered: 9, failed: 1, success_rate: 0.9 },
  ])
})

test('a range that is empty, upside down or too fine is refused', async () => {
  const project = await api.createProject()
  for (const query of [
    'since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z',
    'bucket=2m',
    'since=1999-01-01T00:00:00Z',
    'since=yesterday',
  ]) {
    expect((await api.call('GET', `${project.path}/statistics?${query}`)).status).toBe(422)
  }
  const unknown = `${project.path}/webhooks/${project.id}/statistics`
  expect((await api.call('GET', unknown)).status).toBe(404)
})

test('deliveries are narrowed by the class of the code, together with the status', async () => {
  const { call, project } = await setUp([200, 404, 500])
  const codes = async (query: string) =>
    (await call('GET', `${project.path}/deliveries?${query}`)).body.deliveries.map(
      (row: { last_response_status: number }) => row.last_response_status,
    )
  expect(await codes('code=2xx')).toEqual([200])
  expect(await codes('code=3xx')).toEqual([])
  expect(await codes('code=4xx')).toEqual([404])
  expect(await codes('code=5xx')).toEqual([500])
  expect(await codes('code=none')).toEqual([])
  expect(await codes('status=failed')).toEqual([500, 404])
  expect(await codes('status=failed&code=4xx')).toEqual([404])
  expect(await codes('status=delivered')).toEqual([200])
  expect((await call('GET', `${project.path}/deliveries?code=6xx`)).status).toBe(422)
})

test('things are found by the beginning of their id and a part of their name, in their project alone', async () => {
  const { call } = api
  const [project, other] = [await api.createProject(), await api.createProject()]
  const webhook = (
    await call('POST', `${project.path}/webhooks`, {
      json: { name: '100% Billing', url: 'https://example.com' },
    })
  ).body
  const application = (await call('POST', `${project.path}/applications`, { json: { name: 'Shop' } })).body
  const event = (await call('POST', `${project.path}/events`, { json: { type: 'a.b', data: 1 } })).body
  const [delivery] = (await call('GET', `${project.path}/deliveries`)).body.deliveries
  const find = async (q: string, path = project.path) =>
    (await call('GET', `${path}/search?q=${encodeURIComponent(q)}`)).body
  const nothing = { webhooks: [], applications: [], events: [], deliveries: [] }

  expect(await find('billing')).toMatchObject({
    ...nothing,
    webhooks: [{ id: webhook.id, name: '100% Billing' }],
  })
  expect(await find('100%')).toMatchObject({ webhooks: [{ id: webhook.id }] })
  expect(await find('%%')).toEqual(nothing)
  expect(await find('sho')).toMatchObject({ ...nothing, applications: [{ id: application.id }] })
  for (const length of [36, 30, 25]) {
    expect(await find(event.id.slice(0, length))).toMatchObject({ events: [{ id: event.id, type: 'a.b' }] })
    expect(await find(delivery.id.slice(0, length).toUpperCase())).toMatchObject({
      deliveries: [{ id: delivery.id }],
    })
    expect(await find(delivery.id.slice(0, length), other.path)).toEqual(nothing)
  }
  expect((await find(webhook.id)).webhooks).toHaveLength(1)
  expect(await find('')).toMatchObject({
    ...nothing,
    webhooks: [{ id: webhook.id }],
    applications: [{ id: application.id }],
  })
})
