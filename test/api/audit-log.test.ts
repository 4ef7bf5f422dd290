import { expect, test } from 'vitest'
import type { AuditEntry } from '../../src/contract/audit.ts'
import { startApi, type TestProject } from '../support/api.ts'
import { insertWebhook } from '../support/seed.ts'
import { callerOf, exampleOf, makeThings, type NamedRoute, table } from '../support/walk.ts'

const address = '203.0.113.7'
const api = await startApi({ trustedProxies: ['loopback'] })
const call = callerOf(api)

const canary = 'canary-4f1d'
const secret = `whsec_${Buffer.from(`${canary}-${canary}-${canary}`).toString('base64')}`

/** What each call writes down. Calls that read are left out; any other must stand here. */
const written: Record<string, string[]> = {
  updateProject: ['project.updated'],
  createApiKey: ['api_key.created'],
  deleteApiKey: ['api_key.deleted'],
  createApplication: ['application.created'],
  deleteApplication: ['application.deleted'],
  createWebhook: ['webhook.created'],
  updateWebhook: ['webhook.updated'],
  deleteWebhook: ['webhook.deleted'],
  regenerateSecret: ['webhook.secret_changed'],
  replayWebhook: ['webhook.replayed'],
  retryDelivery: ['delivery.retried'],
  retryDeliveryOfWebhook: ['delivery.retried'],
  cancelDelivery: ['delivery.cancelled'],
  cancelDeliveryOfWebhook: ['delivery.cancelled'],
  // The same email was invited before: its link is another one.
  createInvitation: ['invitation.updated'],
  deleteInvitation: ['invitation.deleted'],
  updateMember: ['member.updated'],
  removeMember: ['member.deleted'],
  eraseEvent: ['event.erased'],
  createEventType: ['event_type.created'],
  updateEventType: ['event_type.updated'],
  deleteEventType: ['event_type.deleted'],
  createJob: ['job.created'],
  stopJob: ['job.stopped'],
  // What is published is its own record, and a test or a preview changes nothing.
  publishEvent: [],
  publishEvents: [],
  testWebhook: [],
  testWebhookDraft: [],
  previewWebhook: [],
}

const changing = table.filter(({ method, path }) => method !== 'GET' && path.includes('{project_id}'))
const inProject = changing.filter(({ name }) => name !== 'deleteProject')

test.each(inProject)('$name writes who did it, from where, in which request', async (route) => {
  expect(Object.keys(written)).toContain(route.name)
  const project = await api.createProject()
  const ids = await makeThings(api, project.id)
  const key = route.access === 'admin' ? api.adminKey : project.manage
  const before = await entries(project)
  const answer = await call(route, ids, {
    key,
    json: changeOf(route),
    headers: { 'x-forwarded-for': address, 'x-request-id': `request-${route.name}` },
  })
  expect(answer).toMatchObject({ status: Number(Object.keys(route.answers)[0]) })

  const fresh = (await entries(project)).slice(0, -before.length)
  expect(fresh.map(({ action }) => action).toReversed()).toEqual(written[route.name])
  for (const entry of fresh) {
    expect(entry).toMatchObject({
      project_id: project.id,
      request_id: `request-${route.name}`,
      address,
      actor: route.access === 'admin' ? { kind: 'admin', id: null } : { kind: 'api_key', name: 'manage' },
    })
  }
})

test('before and after tell what is different, and the whole of what was made or deleted', async () => {
  const project = await api.createProject()
  const webhook = await createWebhook(project)
  const path = `${project.path}/webhooks/${webhook}`
  await api.call('PATCH', path, { json: { is_active: false, description: 'paused', name: 'hook' } })
  await api.call('PATCH', path, { json: { policy: { timeout_ms: 5_000 }, headers: { 'x-other': canary } } })
  await api.call('PATCH', path, { json: { name: 'hook' } })
  await api.call('POST', `${path}/regenerate-secret`, { json: { overlap_seconds: 0 } })
  await api.call('DELETE', path)
  const whole = {
    name: 'hook',
    url: 'http://127.0.0.1:1024/',
    event_types: ['*'],
    ordered: false,
    operational: false,
  }
  const told = (await entries(project)).filter(({ resource_id }) => resource_id === webhook).toReversed()
  expect(told.map(({ action, before, after }) => ({ action, before, after }))).toEqual([
    {
      action: 'webhook.created',
      before: null,
      after: { ...whole, is_active: true, header_names: ['x-token'] },
    },
    {
      action: 'webhook.updated',
      before: { is_active: true, description: null },
      after: { is_active: false, description: 'paused' },
    },
    {
      action: 'webhook.updated',
      before: { timeout_ms: null, header_names: ['x-token'] },
      after: { timeout_ms: 5_000, header_names: ['x-other'], headers: 'changed' },
    },
    { action: 'webhook.secret_changed', before: null, after: { secret: 'changed' } },
    {
      action: 'webhook.deleted',
      before: {
        ...whole,
        is_active: false,
        description: 'paused',
        timeout_ms: 5_000,
        header_names: ['x-other'],
      },
      after: null,
    },
  ])
})

test('secrets, the values of headers and keys are in no entry, neither plain nor encrypted', async () => {
  const project = await api.createProject()
  const webhook = await createWebhook(project)
  const path = `${project.path}/webhooks/${webhook}`
  const { body } = await api.call('POST', `${path}/regenerate-secret`)
  await api.call('PATCH', path, { json: { headers: { 'x-token': `${canary}-2` } } })
  await api.call('DELETE', `${project.path}/webhooks/${webhook}`)
  const { rows } = await api.database.query<{ text: string }>(
    `SELECT to_jsonb(entry)::text AS text FROM postrider.audit_log AS entry`,
  )
  const text = rows.map((row) => row.text).join('\n')
  expect(text).toContain(webhook)
  const hidden = [canary, secret, body.secret, project.manage, project.manage.slice(-20), 'v1.k1.', '\\\\x']
  expect(hidden.filter((value) => text.includes(value))).toEqual([])
})

test('what was refused, and what changes nothing, is not written', async () => {
  const project = await api.createProject()
  const webhook = await createWebhook(project)
  const before = await entries(project)
  const path = `${project.path}/webhooks/${webhook}`
  const refused: [string, string, object?][] = [
    ['PATCH', path, { url: 'ftp://example.com' }],
    ['PATCH', path, { application_id: project.id }],
    ['PATCH', path, {}],
    ['PATCH', project.path, { name: 'test' }],
    ['POST', `${project.path}/api-keys`, { name: 'k', role: 'king' }],
    ['DELETE', `${project.path}/applications/${webhook}`],
  ]
  for (const [method, at, json] of refused) await api.call(method, at, { json })
  const event = { type: 'a', data: 1 }
  await api.call('POST', `${project.path}/events`, { key: project.publish, json: event })
  expect(await entries(project)).toEqual(before)
})

test('webhooks that go with their application are told, in the name of who deleted it', async () => {
  const project = await api.createProject()
  const { body: application } = await api.call('POST', `${project.path}/applications`, {
    json: { name: 'a' },
  })
  await insertWebhook(api.database, { projectId: project.id, applicationId: application.id })
  await api.call('DELETE', `${project.path}/applications/${application.id}`, { key: project.manage })
  const told = (await entries(project)).filter(({ actor }) => actor.kind === 'api_key')
  expect(told).toMatchObject([
    {
      action: 'webhook.updated',
      before: { application_id: application.id },
      after: { application_id: null },
    },
    { action: 'application.deleted' },
    { action: 'webhook.updated', after: { is_active: false, disabled_reason: 'application_deleted' } },
  ])
})

test('the admin reads what was done outside of projects and in those that are gone', async () => {
  const project = await api.createProject()
  await createWebhook(project)
  await api.call('DELETE', project.path, { headers: { 'x-request-id': 'the-end' } })
  await api.call('POST', '/api/admin/webhooks/cleanup?days=30')
  const list = async (query: string) =>
    (await api.call('GET', `/api/admin/audit-log?${query}`)).body.audit_log as AuditEntry[]
  expect(await list('limit=1')).toMatchObject([
    {
      action: 'history.cleaned_up',
      project_id: null,
      resource_type: null,
      actor: { kind: 'admin' },
      after: { days: 30, deliveries: 0 },
    },
  ])
  const told = await list(`project_id=${project.id}`)
  expect(told.at(-1)).toMatchObject({
    action: 'project.created',
    actor: { kind: 'admin' },
    after: { name: 'test' },
  })
  const ended = told.filter(({ request_id }) => request_id === 'the-end').map(({ action }) => action)
  expect(ended.toSorted()).toEqual([
    ...Array.from({ length: 3 }, () => 'api_key.deleted'),
    'project.deleted',
    'webhook.deleted',
  ])
  const { manage } = await api.createProject()
  expect((await api.call('GET', '/api/admin/audit-log', { key: manage })).status).toBe(403)
})

test('it is read by page, by action, by resource and by time', async () => {
  const project = await api.createProject()
  const webhook = await createWebhook(project)
  for (const name of ['a', 'b', 'c']) {
    await api.call('PATCH', `${project.path}/webhooks/${webhook}`, { json: { name } })
  }
  const all = await entries(project)
  const list = async (query: string) =>
    (await api.call('GET', `${project.path}/audit-log?${query}`, { key: project.manage })).body
  const paged: AuditEntry[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: { audit_log: AuditEntry[]; next_cursor: string | null } = await list(
      `limit=3${cursor && `&cursor=${cursor}`}`,
    )
    paged.push(...page.audit_log)
    cursor = page.next_cursor
  }
  expect(paged).toEqual(all)
  const times = all.map(({ created_at }) => new Date(created_at).getTime())
  expect(times).toEqual(times.toSorted((one, next) => next - one))
  expect((await list('action=webhook.updated')).audit_log).toEqual(all.slice(0, 3))
  expect((await list(`resource_id=${webhook}`)).audit_log).toEqual(all.slice(0, 4))
  const since = new Date(all[1]!.created_at).toISOString()
  const later = all.filter(({ created_at }) => new Date(created_at) >= new Date(since))
  expect((await list(`since=${since}`)).audit_log).toEqual(later)
  expect((await list(`until=${since}`)).audit_log).toEqual(all.slice(later.length))
  for (const query of ['action=%00', 'resource_id=%00', 'since=now', 'what=x']) {
    expect((await api.call('GET', `${project.path}/audit-log?${query}`)).status).toBe(422)
  }
})

async function entries(project: TestProject): Promise<AuditEntry[]> {
  const { body } = await api.call('GET', `${project.path}/audit-log?limit=100`, { key: project.manage })
  return body.audit_log
}

async function createWebhook({ path }: TestProject): Promise<string> {
  const json = { name: 'hook', url: 'http://127.0.0.1:1024/', headers: { 'x-token': canary }, secret }
  return (await api.call('POST', `${path}/webhooks`, { json })).body.id
}

/** A body that makes a difference to what the examples made. */
function changeOf(route: NamedRoute): object | undefined {
  const { json } = exampleOf(route)
  if (route.name === 'updateWebhook') return { name: 'another name' }
  if (route.name === 'createEventType') return { ...json, name: 'another.name' }
  if (route.name === 'replayWebhook') return { since: '2020-01-01T00:00:00Z' }
  if (route.name === 'testWebhookDraft') return { ...json, url: 'http://127.0.0.1:1024/' }
  return json
}
