import type { EventDetails, Publication } from '../contract/events.ts'
import type { BodyOf, ParamsOf, QueryOf, RouteName } from '../contract/routes.ts'
import type { NewReplay, WebhookDraft } from '../contract/webhooks.ts'
import type { Page } from '../database/page.ts'
import { readTraceparent } from '../traceparent.ts'
import type { JsonBody } from './body.ts'
import type { AdminCalls, ProjectCalls } from './engine.ts'
import { type FrontDesk, userOf, type Visitor } from './login.ts'
import type { Provider } from './oidc.ts'
import {
  asSingle,
  batchText,
  dataText,
  eventText,
  eventTypeTexts,
  readIdempotencyKey,
  refuseIdempotencyKey,
  sampleText,
} from './events-text.ts'

/** One call: everything in it was checked by its entry in the table of routes. */
export interface Call<Name extends RouteName> {
  /** Of a call in a project: what can be asked of that one. */
  engine: ParamsOf<Name> extends { project_id: string } ? ProjectCalls : AdminCalls
  params: ParamsOf<Name>
  query: QueryOf<Name>
  body: BodyOf<Name>
  /** The body as it was sent. */
  sent: JsonBody
  request: Request
  /** Who asks, where that is a browser, and those who let people in. */
  visitor: Visitor
  desk: FrontDesk
  provider: Provider
}

type Calls = { [Name in JsonRouteName]: (call: Call<Name>) => Promise<object | null> }
export type JsonRouteName = Exclude<
  RouteName,
  'streamDeliveries' | 'streamEvents' | 'readiness' | 'metrics' | 'openapi' | 'docs' | 'home'
>

/** What each call does. */
export const calls: Calls = {
  createProject: ({ engine, body }) => engine.projects.create(body),
  listProjects: async ({ engine, query }) => page('projects', await engine.projects.list(query)),
  getProject: ({ engine, params }) => engine.projects.get(params.project_id),
  updateProject: ({ engine, params, body }) => engine.projects.update(params.project_id, body),
  deleteProject: ({ engine, params }) => nothing(engine.projects.delete(params.project_id)),

  createApiKey: ({ engine, params, body }) => engine.apiKeys.create(params.project_id, body),
  listApiKeys: async ({ engine, params, query }) =>
    page('api_keys', await engine.apiKeys.list(params.project_id, query)),
  deleteApiKey: ({ engine, params }) => nothing(engine.apiKeys.delete(params.project_id, params.api_key_id)),

  createApplication: ({ engine, params, body }) => engine.applications.create(params.project_id, body),
  listApplications: async ({ engine, params, query }) =>
    page('applications', await engine.applications.list(params.project_id, query)),
  getApplication: ({ engine, params }) => engine.applications.get(params.project_id, params.application_id),
  deleteApplication: ({ engine, params }) =>
    nothing(engine.applications.delete(params.project_id, params.application_id)),

  createWebhook: ({ engine, params, body }) => engine.webhooks.create(params.project_id, body),
  listWebhooks: async ({ engine, params, query }) =>
    page('webhooks', await engine.webhooks.list(params.project_id, query)),
  getWebhook: ({ engine, params }) => engine.webhooks.get(params.project_id, params.webhook_id),
  updateWebhook: ({ engine, params, body }) =>
    engine.webhooks.update(params.project_id, params.webhook_id, body),
  deleteWebhook: ({ engine, params }) =>
    nothing(engine.webhooks.delete(params.project_id, params.webhook_id)),
  regenerateSecret: ({ engine, params, body }) =>
    engine.webhooks.regenerateSecret(params.project_id, params.webhook_id, body),
  testWebhook: ({ engine, params, body, sent }) =>
    engine.webhookTests.send(params.project_id, params.webhook_id, { type: body.type, data: dataText(sent) }),
  testWebhookDraft: ({ engine, params, body, sent }) => {
    const { type, data: _, ...draft }: WebhookDraft = body
    return engine.webhookTests.sendDraft(params.project_id, draft, { type, data: dataText(sent) })
  },
  previewWebhook: ({ engine, params, body, sent }) =>
    engine.shaping.preview(params.project_id, { ...body, data: sampleText(sent) }),
  listWebhookPresets: async ({ engine }) => ({ presets: engine.shaping.presets }),
  replayWebhook: async ({ engine, params, body }) => {
    const { count } = await engine.replays.create(params.project_id, params.webhook_id, replayOf(body))
    return { count }
  },

  publishEvent: async ({ engine, params, body, sent, request }) => {
    const eventsJson = eventText(sent, params.project_id, readIdempotencyKey(request.headers))
    const about = { types: [body.type], traceparent: traceparentIn(request) }
    const [publication] = await asSingle(engine.events.publishJson(params.project_id, eventsJson, about))
    return publication as Publication
  },
  publishEvents: async ({ engine, params, body, sent, request }) => {
    refuseIdempotencyKey(request.headers)
    const about = { types: body.events.map(({ type }) => type), traceparent: traceparentIn(request) }
    return { events: await engine.events.publishJson(params.project_id, batchText(sent), about) }
  },
  listEvents: async ({ engine, params, query: { type, since, until, ...rest } }) =>
    page('events', await engine.events.list(params.project_id, { type, ...period({ since, until }) }, rest)),
  getEvent: ({ engine, params }): Promise<EventDetails> =>
    engine.events.get(params.project_id, params.event_id),
  eraseEvent: ({ engine, params }) => nothing(engine.events.erase(params.project_id, params.event_id)),

  createEventType: ({ engine, params, body, sent }) =>
    engine.eventTypes.create(params.project_id, body, eventTypeTexts(sent)),
  listEventTypes: async ({ engine, params, query }) =>
    page('event_types', await engine.eventTypes.list(params.project_id, query)),
  getEventType: ({ engine, params }) => engine.eventTypes.get(params.project_id, params.name),
  updateEventType: ({ engine, params, body, sent }) =>
    engine.eventTypes.update(params.project_id, params.name, body, eventTypeTexts(sent)),
  deleteEventType: ({ engine, params }) => nothing(engine.eventTypes.delete(params.project_id, params.name)),
  listEventTypeVersions: async ({ engine, params }) => ({
    versions: await engine.eventTypes.versions(params.project_id, params.name),
  }),

  listDeliveries: ({ engine, params, query }) => listDeliveries(engine, params.project_id, query),
  listDeliveriesOfWebhook: async ({ engine, params: { project_id, webhook_id }, query }) => {
    await engine.webhooks.get(project_id, webhook_id)
    return listDeliveries(engine, project_id, { ...query, webhook_id })
  },
  listFilteredDeliveries: async ({ engine, params: { project_id, webhook_id }, query }) =>
    page('filtered_deliveries', await engine.deliveries.listFiltered(project_id, webhook_id, query)),
  getDelivery: ({ engine, params }) => engine.deliveries.get(params.project_id, params.delivery_id),
  getDeliveryOfWebhook: ({ engine, params }) =>
    engine.deliveries.get(params.project_id, params.delivery_id, params.webhook_id),
  listAttempts: async ({ engine, params }) => ({
    attempts: await engine.deliveries.attempts(params.project_id, params.delivery_id),
  }),
  listAttemptsOfWebhook: async ({ engine, params }) => ({
    attempts: await engine.deliveries.attempts(params.project_id, params.delivery_id, params.webhook_id),
  }),
  retryDelivery: ({ engine, params }) => engine.deliveries.retry(params.project_id, params.delivery_id),
  retryDeliveryOfWebhook: ({ engine, params }) =>
    engine.deliveries.retry(params.project_id, params.delivery_id, params.webhook_id),
  cancelDelivery: ({ engine, params }) => engine.deliveries.cancel(params.project_id, params.delivery_id),
  cancelDeliveryOfWebhook: ({ engine, params }) =>
    engine.deliveries.cancel(params.project_id, params.delivery_id, params.webhook_id),

  readSession: ({ desk, visitor }) => desk.state(visitor),
  logIn: ({ desk, visitor, body }) => desk.logIn(visitor, body),
  logOut: ({ desk, visitor }) => nothing(desk.logOut(visitor)),
  changePassword: ({ engine, desk, visitor, body }) =>
    nothing(desk.changePassword(engine.users, visitor, body)),
  logInAtProvider: ({ provider, visitor, query }) => provider.leave(visitor, query.return_to),
  returnFromProvider: ({ provider, visitor }) => provider.comeBack(visitor),
  listSessions: async ({ engine, visitor, query }) => {
    const { user, sessionId } = userOf(visitor)
    return page('sessions', await engine.sessions.list(user.id, sessionId, query))
  },
  endSession: ({ engine, visitor, params }) =>
    nothing(engine.sessions.endOne(userOf(visitor).user.id, params.session_id)),
  endOtherSessions: ({ engine, visitor }) => {
    const { user, sessionId } = userOf(visitor)
    return nothing(engine.sessions.endOthers(user.id, sessionId))
  },
  readLink: ({ desk, visitor, body }) => desk.readLink(visitor, body.token),
  acceptLink: ({ desk, visitor, body }) => desk.acceptLink(visitor, body),

  createInvitation: async ({ engine, desk, visitor, params, body }) => {
    const { token, ...invitation } = await engine.invitations.create(params.project_id, body)
    return { ...invitation, url: desk.linkTo('invitation', visitor, token) }
  },
  listInvitations: async ({ engine, params, query }) =>
    page('invitations', await engine.invitations.list(params.project_id, query)),
  deleteInvitation: ({ engine, params }) =>
    nothing(engine.invitations.delete(params.project_id, params.invitation_id)),
  listMembers: async ({ engine, params, query }) =>
    page('members', await engine.members.list(params.project_id, query)),
  updateMember: ({ engine, params, body }) => engine.members.update(params.project_id, params.user_id, body),
  removeMember: ({ engine, params }) => nothing(engine.members.remove(params.project_id, params.user_id)),

  listUsers: async ({ engine, query }) => page('users', await engine.users.list(query)),
  updateUser: ({ engine, params, body }) => engine.users.update(params.user_id, body),
  createPasswordLink: async ({ engine, desk, visitor, params }) => {
    const { token, expires_at } = await engine.invitations.createPasswordLink(params.user_id)
    return { url: desk.linkTo('invitation', visitor, token), expires_at }
  },

  createJob: ({ engine, params, body }) => engine.jobs.create(params.project_id, body),
  listJobs: async ({ engine, params, query }) =>
    page('jobs', await engine.jobs.list(params.project_id, query)),
  getJob: ({ engine, params }) => engine.jobs.get(params.project_id, params.job_id),
  stopJob: ({ engine, params }) => nothing(engine.jobs.stop(params.project_id, params.job_id)),

  getStatistics: ({ engine, params, query: { bucket, ...range } }) =>
    engine.statistics.ofProject(params.project_id, { bucket, ...period(range) }),
  getWebhookStatistics: async ({ engine, params, query: { bucket, ...range } }) =>
    engine.statistics.ofWebhook(params.project_id, params.webhook_id, { bucket, ...period(range) }),
  listWebhookSummaries: async ({ engine, params, query: { limit, cursor, ...range } }) =>
    page('webhooks', await engine.statistics.ofWebhooks(params.project_id, period(range), { limit, cursor })),
  getFailures: ({ engine, params, query }) => engine.statistics.failures(params.project_id, period(query)),
  getEventTypeVolumes: ({ engine, params, query }) =>
    engine.statistics.eventTypes(params.project_id, period(query)),
  search: ({ engine, params, query: { q = '' } }) => engine.search(params.project_id, q),

  listAuditLog: async ({ engine, params, query: { since, until, limit, cursor, ...filter } }) => {
    const where = { ...filter, ...period({ since, until }) }
    return page('audit_log', await engine.auditLog.list(params.project_id, where, { limit, cursor }))
  },
  listAllAuditLogs: async ({ engine, query: { since, until, limit, cursor, ...filter } }) => {
    const where = { ...filter, ...period({ since, until }) }
    return page('audit_log', await engine.auditLog.listAll(where, { limit, cursor }))
  },

  cleanUp: async ({ engine, query: { days = 30 } }) => ({ deleted: await engine.maintenance.cleanup(days) }),
  retryStuck: async ({ engine }) => ({ recovered: await engine.maintenance.retryStuck() }),

  health: async () => ({ status: 'ok' }),
}

function traceparentIn({ headers }: Request): string | undefined {
  return readTraceparent(headers.get('traceparent'))
}

function page<Plural extends string>(plural: Plural, { rows, next_cursor }: Page<unknown>): object {
  return { [plural]: rows, next_cursor }
}

async function nothing(done: Promise<void>): Promise<null> {
  await done
  return null
}

async function listDeliveries(
  engine: ProjectCalls,
  projectId: string,
  { limit, cursor, since, until, ...filter }: QueryOf<'listDeliveries'>,
): Promise<object> {
  const deliveries = await engine.deliveries.list(
    projectId,
    { ...filter, ...period({ since, until }) },
    { limit, cursor },
  )
  return page('deliveries', deliveries)
}

function replayOf({ since, until, ...rest }: NewReplay) {
  return { ...rest, since: new Date(since), until: dateOf(until) }
}

function period({ since, until }: { since?: string | undefined; until?: string | undefined }) {
  return { since: dateOf(since), until: dateOf(until) }
}

function dateOf(time: string | undefined): Date | undefined {
  return time === undefined ? undefined : new Date(time)
}
