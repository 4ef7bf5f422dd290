import { Client } from 'pg'
import { afterEach, expect, test, vi } from 'vitest'
import { tenantRole } from '../../src/database/scope.ts'
import { startApi } from '../support/api.ts'
import { callerOf, exampleOf, makeThings, type NamedRoute, table } from '../support/walk.ts'

/** The second wall, seen from the calls: what is asked for a project is asked where nothing else is to be seen. */

const api = await startApi()
const call = callerOf(api)
const [project, stranger] = [await api.createProject(), await api.createProject()]
const [own, other] = [await makeThings(api, project.id), await makeThings(api, stranger.id)]
// From here on this process knows the schemas of the project, and publishing is one statement.
await api.call('POST', `${project.path}/events`, { json: { type: 'a', data: 1 } })
// Deletions last, and of the project last of all.
const inProject = table
  .filter(({ path }) => path.includes('{project_id}'))
  .toSorted((one, next) => deletes(one) - deletes(next))

afterEach(() => vi.restoreAllMocks())

test.each(inProject)('$name asks nothing outside of its project', async (route) => {
  const statements = listen()
  const answer = await call(route, own, {
    key: route.access === 'admin' ? api.adminKey : project.manage,
    ...(route.name.startsWith('testWebhook') && { json: { ...exampleOf(route).json, ...target(route) } }),
  })
  expect([200, 201, 202, 204, 409]).toContain(answer.status)

  const asked = statements.filter(({ text }) => !/^(BEGIN|COMMIT|ROLLBACK)/.test(text))
  const outside = asked.filter(({ scope }) => !isOwn(scope)).map(({ text }) => text)
  expect(outside.filter((text) => !allowedOutside.some((pattern) => pattern.test(text)))).toEqual([])
  // Publishing is one statement, its function keeps to the project that it is given.
  const isPublishing = route.method === 'POST' && /events(\/batch)?$/.test(route.path)
  expect(outside.filter((text) => text.includes('postrider.publish'))).toHaveLength(isPublishing ? 1 : 0)
  // A stream asks later, once it is open, and presets are the same for everybody.
  if (route.name.startsWith('stream') || route.name === 'listWebhookPresets') return
  expect(asked.length - outside.length > 0).toBe(!isPublishing)
})

/** Before it is known whose key it is, and what says nothing of anybody. */
const allowedOutside = [
  /FROM postrider\.api_keys\s+WHERE id = \$1::uuid\s+AND \(expires_at/,
  /^SELECT row\.id, row\.name, [\w., ]+\s+FROM postrider\.projects AS row\s+WHERE row\.id = \$1::uuid$/,
  /^SELECT id, backlog_limit\s+FROM postrider\.projects\s+WHERE backlog_limit IS NOT NULL$/,
  /CROSS JOIN LATERAL postrider\.publish_many\(/,
  /^SELECT set_config\('synchronous_commit', 'off', true\), pg_notify\(/,
  /^UPDATE postrider\.api_keys\s+SET last_used_at/,
  /^SET lock_timeout/,
]

interface Statement {
  text: string
  /** What the transaction that it is in began with. */
  scope: string | undefined
}

/** Every statement that goes to the database from here on. */
function listen(): Statement[] {
  const statements: Statement[] = []
  const scopes = new WeakMap<Client, string>()
  const { query } = Client.prototype as unknown as { query: (this: Client) => unknown }
  vi.spyOn(Client.prototype, 'query').mockImplementation(function (this: Client, ...parameters: unknown[]) {
    const [given] = parameters as [string | { text: string }]
    const text = (typeof given === 'string' ? given : given.text).trim()
    if (text.startsWith('BEGIN')) scopes.set(this, text)
    statements.push({ text, scope: scopes.get(this) })
    if (/^(COMMIT|ROLLBACK)$/.test(text)) scopes.delete(this)
    return Reflect.apply(query, this, parameters)
  } as never)
  return statements
}

function isOwn(scope: string | undefined): boolean {
  const named = `set_config('postrider.project_id', convert_from(decode('${Buffer.from(project.id).toString('hex')}'`
  return scope?.startsWith(`BEGIN; SET LOCAL ROLE ${tenantRole}; SELECT ${named}`) ?? false
}

function deletes({ name, method }: NamedRoute): number {
  return name === 'deleteProject' ? 2 : method === 'DELETE' ? 1 : 0
}

/** An address where nobody answers at once. */
function target({ name }: NamedRoute): object {
  return name === 'testWebhookDraft' ? { url: 'http://127.0.0.1:1024/' } : {}
}

/** As if every condition on the project had been forgotten: they all hold for the other one. */
const calls = api.postrider.inProject(project.id)
const { project_id: id } = other as { project_id: string }
const webhook = other['webhook_id']!
const delivery = other['delivery_id']!
const eventType = other['name']!

const refused: Record<string, () => Promise<unknown>> = {
  'projects.get': () => calls.projects.get(id),
  'projects.update': () => calls.projects.update(id, { name: 'mine' }),
  'projects.delete': () => calls.projects.delete(id),
  'apiKeys.delete': () => calls.apiKeys.delete(id, other['api_key_id']!),
  'applications.get': () => calls.applications.get(id, other['application_id']!),
  'applications.delete': () => calls.applications.delete(id, other['application_id']!),
  'eventTypes.get': () => calls.eventTypes.get(id, eventType),
  'eventTypes.update': () => calls.eventTypes.update(id, eventType, { deprecated: true }),
  'eventTypes.delete': () => calls.eventTypes.delete(id, eventType),
  'eventTypes.versions': () => calls.eventTypes.versions(id, eventType),
  'members.update': () => calls.members.update(id, other['user_id']!, { role: 'manage' }),
  'members.remove': () => calls.members.remove(id, other['user_id']!),
  'invitations.delete': () => calls.invitations.delete(id, other['invitation_id']!),
  'webhooks.get': () => calls.webhooks.get(id, webhook),
  'webhooks.update': () => calls.webhooks.update(id, webhook, { is_active: false }),
  'webhooks.delete': () => calls.webhooks.delete(id, webhook),
  'webhooks.regenerateSecret': () => calls.webhooks.regenerateSecret(id, webhook),
  'webhookTests.send': () => calls.webhookTests.send(id, webhook),
  'replays.create': () => calls.replays.create(id, webhook, { since: new Date(0) }),
  'events.get': () => calls.events.get(id, other['event_id']!),
  'events.erase': () => calls.events.erase(id, other['event_id']!),
  'deliveries.get': () => calls.deliveries.get(id, delivery),
  'deliveries.attempts': () => calls.deliveries.attempts(id, delivery),
  'deliveries.retry': () => calls.deliveries.retry(id, delivery),
  'deliveries.cancel': () => calls.deliveries.cancel(id, delivery),
  'deliveries.listFiltered': () => calls.deliveries.listFiltered(id, webhook),
}

test.each(Object.entries(refused))(
  '%s finds nothing of another project that it is asked for',
  async (_, ask) => {
    await expect(ask()).rejects.toMatchObject({ code: 'not_found' })
  },
)

const empty: Record<string, () => Promise<{ rows: unknown[] }>> = {
  'apiKeys.list': () => calls.apiKeys.list(id),
  'applications.list': () => calls.applications.list(id),
  'eventTypes.list': () => calls.eventTypes.list(id),
  'members.list': () => calls.members.list(id),
  'invitations.list': () => calls.invitations.list(id),
  'webhooks.list': () => calls.webhooks.list(id),
  'events.list': () => calls.events.list(id),
  'deliveries.list': () => calls.deliveries.list(id),
  'auditLog.list': () => calls.auditLog.list(id),
  'auditLog.listAll': () => calls.auditLog.listAll({ project_id: id }),
}

test.each(Object.entries(empty))(
  '%s shows nothing of another project that it is asked for',
  async (_, list) => {
    expect((await list()).rows).toEqual([])
  },
)

test('nothing is made in another project', async () => {
  for (const make of [
    () => calls.applications.create(id, { name: 'a' }),
    () => calls.apiKeys.create(id, { name: 'k', role: 'manage' }),
    () => calls.invitations.create(id, { email: 'a@example.com', role: 'manage' }),
    () => calls.webhooks.create(id, { name: 'w', url: 'http://127.0.0.1:1024/' }),
  ]) {
    await expect(make()).rejects.toThrow('row-level security')
  }
})
