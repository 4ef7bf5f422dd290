import { expect, test } from 'vitest'
import { startApi } from '../support/api.ts'
import { insertPast } from '../support/history.ts'
import { insertWebhook } from '../support/seed.ts'

const api = await startApi()
const { call, database, postrider } = api

test('a project says how long it keeps what, and takes that back', async () => {
  const { path } = await api.createProject()
  expect((await call('GET', path)).body).toMatchObject({
    retention_days: null,
    payload_retention_days: null,
    backlog_limit: null,
  })
  const rules = { retention_days: 90, payload_retention_days: 7, backlog_limit: 5_000 }
  expect((await call('PATCH', path, { json: rules })).body).toMatchObject({ name: 'test', ...rules })
  expect((await call('PATCH', path, { json: { name: 'other' } })).body).toMatchObject({
    name: 'other',
    ...rules,
  })
  expect((await call('PATCH', path, { json: { retention_days: null } })).body).toMatchObject({
    ...rules,
    retention_days: null,
  })
  for (const wrong of [{ retention_days: 0 }, { payload_retention_days: 1.5 }, { backlog_limit: -1 }]) {
    const { status, body } = await call('PATCH', path, { json: wrong })
    expect([status, body.errors[0].path]).toEqual([422, Object.keys(wrong)[0]])
  }
  const made = await call('POST', '/api/projects', { json: { name: 'made', ...rules } })
  expect(made.body).toMatchObject(rules)
})

test('only an administrator may, and the audit log tells it', async () => {
  const { path, manage } = await api.createProject()
  const json = { retention_days: 3 }
  expect((await call('PATCH', path, { json, key: manage })).status).toBe(403)
  await call('PATCH', path, { json })
  expect((await call('GET', `${path}/audit-log?action=project.updated`)).body.audit_log[0]).toMatchObject({
    after: { retention_days: 3 },
    actor: { kind: 'admin' },
  })
})

test('an event type says so, too', async () => {
  const { path, manage } = await api.createProject()
  const created = await call('POST', `${path}/event-types`, {
    key: manage,
    json: { name: 'invoice.paid', retention_days: 365 },
  })
  expect(created.body).toMatchObject({ retention_days: 365 })
  const type = `${path}/event-types/invoice.paid`
  expect((await call('PATCH', type, { key: manage, json: { deprecated: true } })).body).toMatchObject({
    retention_days: 365,
  })
  expect((await call('PATCH', type, { key: manage, json: { retention_days: null } })).body).toMatchObject({
    retention_days: null,
  })
  expect((await call('POST', `${path}/event-types`, { json: { name: 'a' } })).body).toMatchObject({
    retention_days: null,
  })
})

test('an event is erased by whoever may manage the project, and by nobody else', async () => {
  const [project, other] = [await api.createProject(), await api.createProject()]
  const { id } = (await call('POST', `${project.path}/events`, { json: { type: 'a', data: 1 } })).body
  const event = `${project.path}/events/${id}`
  expect((await call('DELETE', event, { key: project.publish })).status).toBe(403)
  expect((await call('DELETE', event, { key: other.manage })).status).toBe(404)
  expect((await call('DELETE', `${other.path}/events/${id}`, { key: other.manage })).status).toBe(404)
  expect((await call('DELETE', event, { key: project.manage })).status).toBe(204)
  expect((await call('GET', event)).status).toBe(404)
  expect((await call('DELETE', event, { key: project.manage })).status).toBe(404)
  const [entry] = (await call('GET', `${project.path}/audit-log?action=event.erased`)).body.audit_log
  expect(entry).toMatchObject({ resource_id: id, actor: { kind: 'api_key', name: 'manage' } })
})

test('what has expired is told in words, and a retry of it is 409', async () => {
  const { id: projectId, path } = await api.createProject()
  const webhookId = await insertWebhook(database, { projectId })
  const now = new Date()
  const [eventId] = await insertPast(database, { projectId, webhookId, days: 8, now })
  await database.query(
    `UPDATE postrider.events SET payload = NULL, payload_expired_at = now() WHERE id = $1::uuid`,
    [eventId],
  )
  await database.query(
    `UPDATE postrider.deliveries SET payload_expired_at = now() WHERE event_id = $1::uuid`,
    [eventId],
  )
  const event = (await call('GET', `${path}/events/${eventId}`)).body
  expect(event).toMatchObject({ payload: null, payload_expired_at: expect.stringMatching(/^20/) })
  const delivery = `${path}/deliveries/${event.deliveries[0].id}`
  expect((await call('GET', delivery)).body).toMatchObject({
    payload: null,
    payload_expired_at: expect.any(String),
  })
  expect(await call('POST', `${delivery}/retry`)).toMatchObject({
    status: 409,
    body: { code: 'payload_expired' },
  })
  const preview = await call('POST', `${path}/webhooks/preview`, {
    json: { filter: 'true', event_id: eventId },
  })
  expect(preview.body.errors).toEqual([
    { path: 'event_id', message: 'names an event whose payload has expired' },
  ])
})

test('beyond its limit a project publishes nothing more, until something was taken', async () => {
  const { id: projectId, path, publish } = await api.createProject()
  await insertWebhook(database, { projectId })
  await call('PATCH', path, { json: { backlog_limit: 3 } })
  const events = [1, 2, 3, 4].map((data) => ({ type: 'a', data }))
  const batch = () => call('POST', `${path}/events/batch`, { key: publish, json: { events } })
  // What is known of limits is a second old at most.
  await expect.poll(async () => (await batch()).status, { timeout: 10_000 }).toBe(429)
  const refused = await call('POST', `${path}/events`, { key: publish, json: { type: 'a', data: 1 } })
  expect(refused).toMatchObject({ status: 429, body: { code: 'backlog_full' } })
  expect(refused.body.detail).toMatch(
    /^At least 3 deliveries of this project wait to be sent, and its limit is 3:/,
  )
  expect(Number(refused.headers.get('retry-after'))).toBe(60)
  await expect(postrider.publish({ projectId, type: 'a', data: 1 })).rejects.toMatchObject({
    code: 'backlog_full',
    retryAfterSeconds: 60,
  })

  // A transaction of the caller's is not to fail because receivers are slow.
  const published = await database.transaction((transaction) =>
    postrider.publish({ projectId, type: 'a', data: 1 }, { transaction }),
  )
  expect(published.deliveries).toBe(1)

  await database.query(
    `DELETE FROM postrider.delivery_queue
     WHERE webhook_id IN (SELECT id FROM postrider.webhooks WHERE project_id = $1::uuid)`,
    [projectId],
  )
  await expect.poll(async () => (await batch()).status, { timeout: 10_000 }).toBe(202)
})
