import { expect, test } from 'vitest'
import { stepJob } from '../../src/deliver/job-steps.ts'
import { startApi } from '../support/api.ts'

const api = await startApi()
const { call, database } = api
const now = new Date()
const step = (stepSize = 1_000) => stepJob(database, { now, scheduleLength: 6, stepSize })

async function setUp() {
  const project = await api.createProject()
  const create = async (json: object = {}) =>
    (
      await call('POST', `${project.path}/webhooks`, {
        json: { name: 'w', url: 'https://example.com', ...json },
      })
    ).body
  const publish = async (type = 'a.b', count = 1) => {
    const events = Array.from({ length: count }, (_, data) => ({ type, data }))
    return (await call('POST', `${project.path}/events/batch`, { json: { events } })).body.events
  }
  const list = async (query = '') =>
    (await call('GET', `${project.path}/deliveries?limit=100&${query}`)).body.deliveries
  const fail = (code: number | null = 500) =>
    database.query(
      `WITH taken AS (
         DELETE FROM postrider.delivery_queue
         WHERE webhook_id IN (SELECT id FROM postrider.webhooks WHERE project_id = $1::uuid)
         RETURNING delivery_id
       )
       UPDATE postrider.deliveries
       SET status = 'failed',
           attempts = 1,
           last_response_status = $2::integer
       WHERE id IN (SELECT delivery_id FROM taken)`,
      [project.id, code],
    )
  /** Into the schedule, as after a try that failed. */
  const postpone = () =>
    database.query(
      `UPDATE postrider.webhook_deliveries
       SET scheduled_at = now() + interval '1 hour',
           attempts = 1
       WHERE project_id = $1::uuid
         AND status = 'pending'`,
      [project.id],
    )
  const start = (kind: string, filter?: object, dry_run?: boolean) =>
    call('POST', `${project.path}/jobs`, {
      json: { kind, ...(filter && { filter }), ...(dry_run && { dry_run }) },
    })
  const read = async (id: string) => (await call('GET', `${project.path}/jobs/${id}`)).body
  return { project, create, publish, list, fail, postpone, start, read }
}

/** Where deliveries of a project wait. */
async function places(projectId: string): Promise<Record<string, number>> {
  const { rows } = await database.query<Record<string, number>>(
    `WITH own AS (SELECT id FROM postrider.webhooks WHERE project_id = $1::uuid)
     SELECT
       (SELECT COUNT(*)::integer FROM postrider.delivery_queue JOIN own ON own.id = webhook_id) AS queue,
       (SELECT COUNT(*)::integer FROM postrider.delivery_schedule JOIN own ON own.id = webhook_id) AS schedule,
       (SELECT COUNT(*)::integer FROM postrider.delivery_line_waiting JOIN own ON own.id = webhook_id) AS line`,
    [projectId],
  )
  return rows[0]!
}

test('a retry is counted, stored, carried out step by step, and does each delivery once', async () => {
  const { project, create, publish, list, fail, start, read } = await setUp()
  await create()
  await publish('a.b', 25)
  await fail()
  expect((await start('retry', {}, true)).body).toEqual({ count: 25, count_is_exact: true, job: null })
  expect(await list('status=failed')).toHaveLength(25)
  const { job } = (await start('retry', { status: 'failed' })).body
  expect(job).toMatchObject({ kind: 'retry', status: 'running', count: 25, done: 0, finished_at: null })

  expect(await step(10)).toBe(true)
  expect(await read(job.id)).toMatchObject({ status: 'running', done: 10 })
  // They fail again meanwhile: that is not for this job any more.
  await fail()
  while (await step(10));
  expect(await read(job.id)).toMatchObject({ status: 'finished', done: 25, finished_at: expect.any(String) })
  expect(await list('status=pending')).toHaveLength(15)
  expect(await places(project.id)).toMatchObject({ queue: 15 })
  expect((await list('status=pending'))[0]).toMatchObject({ attempts: 1, max_attempts: 7 })
  expect((await call('GET', `${project.path}/jobs`)).body.jobs).toMatchObject([{ id: job.id, done: 25 }])
})

test('those that somebody chose are sent again, sent now or cancelled, and no others', async () => {
  const { create, publish, list, fail, postpone, start, read } = await setUp()
  await create()
  await publish('a.b', 4)
  await fail()
  const [one, two, ...rest] = await list()
  await database.query(
    `UPDATE postrider.deliveries
     SET status = 'delivered',
         delivered_at = now()
     WHERE id = $1`,
    [two.id],
  )
  const other = await setUp()
  await other.create()
  await other.publish()
  await other.fail()
  const [strange] = await other.list()
  const delivery_ids = [one.id, two.id, strange.id, one.id]
  expect((await start('retry', { delivery_ids, status: 'failed' }, true)).body.count).toBe(1)
  expect((await start('cancel', { delivery_ids }, true)).body.count).toBe(0)
  const { count, count_is_exact, job } = (await start('retry', { delivery_ids })).body
  expect([count, count_is_exact]).toEqual([2, true])
  while (await step());
  expect(await read(job.id)).toMatchObject({ status: 'finished', done: 2, filter: {} })
  expect((await list('status=failed')).map(({ id }: { id: string }) => id)).toEqual(
    rest.map(({ id }: { id: string }) => id),
  )
  expect(await other.list('status=failed')).toHaveLength(1)

  await postpone()
  const chosen = { delivery_ids: [one.id, rest[0].id] }
  expect((await start('send_waiting_now', chosen)).body.count).toBe(1)
  while (await step());
  expect((await start('send_waiting_now', chosen, true)).body.count).toBe(0)
  expect((await start('cancel', { delivery_ids: [two.id] })).body.count).toBe(1)
  while (await step());
  const status = async (id: string) => (await list()).find((row: { id: string }) => row.id === id).last_error
  expect([await status(one.id), await status(two.id)]).toEqual([null, 'cancelled'])
})

test('a filter narrows it by webhook, type, code and time', async () => {
  const { create, publish, fail, start } = await setUp()
  const [first] = [await create({ event_types: ['a.*'] }), await create({ event_types: ['b.*'] })]
  await publish('a.b', 2)
  await fail(500)
  await publish('b.c', 3)
  await fail(404)
  await publish('a.c', 4)
  await fail(null)
  const count = async (filter: object) => (await start('retry', filter, true)).body.count
  expect(await count({})).toBe(9)
  expect(await count({ webhook_id: first.id })).toBe(6)
  expect(await count({ event_type: 'b.c' })).toBe(3)
  expect(await count({ code: '5xx' })).toBe(2)
  expect(await count({ code: 'none', webhook_id: first.id })).toBe(4)
  expect(await count({ status: 'delivered' })).toBe(0)
  expect(await count({ until: '2020-01-01T00:00:00Z' })).toBe(0)
  expect(await count({ since: '2020-01-01T00:00:00Z', code: '4xx' })).toBe(3)
})

test('what waits is cancelled wherever it waits', async () => {
  const { project, create, publish, list, postpone, start, read } = await setUp()
  await create()
  await publish('a.b', 3)
  await postpone()
  await publish('a.b', 2)
  await create({ policy: { ordered: true }, event_types: ['in.line'] })
  await publish('in.line', 2)
  expect(await places(project.id)).toEqual({ queue: 4, schedule: 3, line: 2 })
  const { count, job } = (await start('cancel')).body
  expect(count).toBe(9)
  while (await step(4));
  expect(await read(job.id)).toMatchObject({ status: 'finished', done: 9 })
  expect(await places(project.id)).toEqual({ queue: 0, schedule: 0, line: 0 })
  const failed = await list('status=failed')
  expect(failed).toHaveLength(9)
  expect(new Set(failed.map((row: { last_error: string }) => row.last_error))).toEqual(new Set(['cancelled']))
})

test('what waits for its next try goes now', async () => {
  const { project, create, publish, list, postpone, start } = await setUp()
  const webhook = await create()
  await publish('a.b', 3)
  await postpone()
  await publish('a.b')
  expect((await start('send_waiting_now', { webhook_id: webhook.id })).body.count).toBe(3)
  while (await step());
  expect(await places(project.id)).toEqual({ queue: 4, schedule: 0, line: 0 })
  const [, ...sent] = await list()
  for (const row of sent) {
    expect(row).toMatchObject({ status: 'pending', attempts: 1, max_attempts: 6 })
    expect(new Date(row.scheduled_at) <= now).toBe(true)
  }
})

test('a backfill makes the deliveries that a webhook has missed, in order, and none twice', async () => {
  const { project, create, publish, list, start, read } = await setUp()
  const missed = await publish('a.b', 5)
  await publish('other', 5)
  const webhook = await create({ event_types: ['a.*'], policy: { ordered: true } })
  const had = await publish('a.b', 1)
  expect((await start('backfill', { webhook_id: webhook.id }, true)).body).toMatchObject({
    count: 5,
    count_is_exact: true,
  })
  const [one, two] = [
    (await start('backfill', { webhook_id: webhook.id })).body.job,
    (await start('backfill', { webhook_id: webhook.id })).body.job,
  ]
  while (await step(4));
  const done = [await read(one.id), await read(two.id)]
  expect(done.map(({ status }) => status)).toEqual(['finished', 'finished'])
  expect(done[0].done + done[1].done).toBe(5)
  expect(await list()).toHaveLength(6)
  const { rows } = await database.query<{ event_id: string }>(
    `SELECT delivery.event_id
     FROM postrider.delivery_line_waiting AS waiting
     JOIN postrider.deliveries AS delivery
       ON delivery.id = waiting.delivery_id
     WHERE waiting.webhook_id = $1::uuid
     ORDER BY waiting.position`,
    [webhook.id],
  )
  expect(rows.map(({ event_id }) => event_id)).toEqual([...had, ...missed].map(({ id }) => id))
  expect((await call('GET', `${project.path}/events/${missed[0].id}`)).body.deliveries).toHaveLength(1)
})

test('a job is stopped once, and what it did stays', async () => {
  const { project, create, publish, list, fail, start, read } = await setUp()
  await create()
  await publish('a.b', 4)
  await fail()
  const { job } = (await start('retry')).body
  await step(2)
  const path = `${project.path}/jobs/${job.id}`
  expect((await call('DELETE', path)).status).toBe(204)
  expect(await step(2)).toBe(false)
  expect(await read(job.id)).toMatchObject({ status: 'stopped', done: 2 })
  expect(await list('status=pending')).toHaveLength(2)
  expect(await call('DELETE', path)).toMatchObject({ status: 409, body: { code: 'conflict' } })
  const { audit_log } = (await call('GET', `${project.path}/audit-log?resource_id=${job.id}`)).body
  expect(audit_log.map(({ action }: { action: string }) => action)).toEqual(['job.stopped', 'job.created'])
})

test('steps of many processes at once do each delivery once', async () => {
  const { project, create, publish, fail, start, read } = await setUp()
  await create()
  await publish('a.b', 60)
  await fail()
  const { job } = (await start('retry')).body
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      while ((await read(job.id)).status === 'running') await step(7)
    }),
  )
  expect(await read(job.id)).toMatchObject({ status: 'finished', done: 60 })
  expect(await places(project.id)).toMatchObject({ queue: 60 })
})

test('a job that makes no sense is refused', async () => {
  const { create, start } = await setUp()
  const inactive = await create({ is_active: false })
  for (const [kind, filter, path] of [
    ['retry', { status: 'pending' }, 'filter.status'],
    ['cancel', { status: 'failed' }, 'filter.status'],
    ['backfill', {}, 'filter.webhook_id'],
    ['backfill', { webhook_id: inactive.id, code: '5xx' }, 'filter.code'],
    ['backfill', { webhook_id: inactive.id, status: 'failed' }, 'filter.status'],
    ['backfill', { webhook_id: inactive.id, delivery_ids: [inactive.id] }, 'filter.delivery_ids'],
    ['retry', { delivery_ids: [] }, 'filter.delivery_ids'],
    ['retry', { delivery_ids: Array(1_001).fill(inactive.id) }, 'filter.delivery_ids'],
    ['cancel', { delivery_ids: ['1'] }, 'filter.delivery_ids[0]'],
    ['retry', { webhook_id: inactive.project_id }, 'filter.webhook_id'],
    ['retry', { since: '2026-01-02T00:00:00Z', until: '2026-01-01T00:00:00Z' }, 'filter.until'],
    ['explode', {}, 'kind'],
  ] as const) {
    expect(await start(kind, filter)).toMatchObject({ status: 422, body: { errors: [{ path }] } })
  }
  expect((await start('backfill', { webhook_id: inactive.id })).status).toBe(409)
})
