import { expect, it } from 'vitest'
import { verify } from '../../src/verify/verify.ts'
import { startApi } from '../support/api.ts'
import { Receiver } from '../support/receiver.ts'

const { call, postrider, createProject, database } = await startApi()

it('a webhook that becomes inactive is told, signed, to those who asked for it over the API', async () => {
  const { path, manage: key } = await createProject()
  await using receiver = await Receiver.start()
  await using gone = await Receiver.start({ answer: () => ({ status: 410 }) })
  await postrider.start()
  const operational = await call('POST', `${path}/webhooks`, {
    key,
    json: {
      name: 'ops',
      url: receiver.url,
      event_types: ['webhook.*', 'delivery.failed'],
      operational: true,
    },
  })
  expect(operational.body).toMatchObject({ operational: true, failing_since: null, down_since: null })
  const { body: billing } = await call('POST', `${path}/webhooks`, {
    key,
    json: { name: 'Billing', url: gone.url },
  })
  expect(billing.operational).toBe(false)
  await call('POST', `${path}/events`, { key, json: { type: 'a.b', data: 1 } })

  const requests = await receiver.waitFor(2)
  const events = requests.map(({ headers, body }) =>
    verify({ secret: operational.body.secret, headers, body }),
  )
  expect(new Map(events.map(({ type, data }) => [type, data]))).toMatchObject(
    new Map<string, unknown>([
      ['webhook.disabled', { webhook_id: billing.id, webhook_name: 'Billing', reason: 'gone' }],
      ['delivery.failed', { webhook_id: billing.id, event_type: 'a.b', attempts: 1, error: 'http 410' }],
    ]),
  )
  const { body: list } = await call('GET', `${path}/events?type=webhook.disabled`, { key })
  expect(list.events).toMatchObject([{ type: 'webhook.disabled', deliveries: 1 }])
})

it('a webhook shows since when it fails and its endpoint is down, until it starts anew', async () => {
  const { path, manage: key } = await createProject()
  const { body: webhook } = await call('POST', `${path}/webhooks`, {
    key,
    json: { name: 'Billing', url: 'http://127.0.0.1:4000/' },
  })
  const since = '2026-11-20T09:00:00.000Z'
  const later = new Date(Date.now() + 600_000)
  const makeSick = async () => {
    await database.query(
      `INSERT INTO postrider.failing_webhooks (webhook_id, project_id, since, last_failed_at)
       SELECT id, project_id, $2::timestamptz, $2::timestamptz
       FROM postrider.webhooks
       WHERE id = $1::uuid`,
      [webhook.id, since],
    )
    await database.query(
      `INSERT INTO postrider.webhook_breakers (webhook_id, project_id, opened_at, probe_at, ends_at)
       SELECT id, project_id, $2::timestamptz, $3::timestamptz, $3::timestamptz
       FROM postrider.webhooks
       WHERE id = $1::uuid`,
      [webhook.id, since, later],
    )
  }
  const sick = {
    failing_since: since,
    disables_at: '2026-11-25T09:00:00.000Z',
    down_since: since,
    next_probe_at: later.toISOString(),
  }
  const well = { failing_since: null, disables_at: null, down_since: null, next_probe_at: null }
  const at = `${path}/webhooks/${webhook.id}`

  await makeSick()
  expect((await call('GET', at, { key })).body).toMatchObject(sick)
  expect((await call('GET', `${path}/webhooks`, { key })).body.webhooks).toMatchObject([sick])
  expect((await call('PATCH', at, { key, json: { name: 'Bills' } })).body).toMatchObject(sick)
  for (const changes of [{ url: 'http://127.0.0.1:4001/' }, { is_active: false }]) {
    expect((await call('PATCH', at, { key, json: changes })).body).toMatchObject(well)
    expect((await call('GET', at, { key })).body).toMatchObject(well)
    await call('PATCH', at, { key, json: { is_active: true } })
    await makeSick()
  }
})

it('what was published before goes to a webhook of its kind alone', async () => {
  const { id: projectId, path, manage: key } = await createProject()
  const create = async (json: object): Promise<{ id: string }> =>
    (await call('POST', `${path}/webhooks`, { key, json: { url: 'http://127.0.0.1:4000/', ...json } })).body
  const first = await create({ name: 'first', operational: true })
  await call('POST', `${path}/events`, { key, json: { type: 'a.b', data: 1 } })
  await database.query(
    `SELECT published.id
     FROM postrider.publish_columns(
       $1::uuid, false, '{NULL}', '{webhook.disabled}', ARRAY['{}'::jsonb], '{NULL}', '{NULL}', '{NULL}', true
     ) AS published`,
    [projectId],
  )
  const backfill = async ({ id }: { id: string }) =>
    (
      await call('POST', `${path}/jobs`, {
        key,
        json: { kind: 'backfill', filter: { webhook_id: id }, dry_run: true },
      })
    ).body.count
  expect(await backfill(first)).toBe(0)
  expect(await backfill(await create({ name: 'ordinary' }))).toBe(1)
  const second = await create({ name: 'second', operational: false })
  await call('PATCH', `${path}/webhooks/${second.id}`, { key, json: { operational: true } })
  expect(await backfill(second)).toBe(1)
})
