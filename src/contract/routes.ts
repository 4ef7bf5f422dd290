import Type, { type Static, type TObject, type TSchema } from 'typebox'
import {
  Attempts,
  CodeClass,
  Delivery,
  DeliveryDetails,
  DeliveryStatus,
  RescheduledDelivery,
} from './deliveries.ts'
import { AuditAction, AuditEntry } from './audit.ts'
import type { ErrorCode } from './errors.ts'
import { EventStreamHeaders, EventStreamQuery } from './event-stream.ts'
import { EventTypeChanges, EventTypeVersions, NewEventType, RegisteredEventType } from './event-types.ts'
import { EventDetails, NewEvent, NewEvents, Publication, Publications, PublishedEvent } from './events.ts'
import { AcceptedJob, Job, NewJob } from './jobs.ts'
import { maxBatchBodyBytes, maxBodyBytes, maxEventBodyBytes, maxEventTypeBodyBytes } from './limits.ts'
import { PageQuery, pageOf, pageQuery } from './lists.ts'
import { LiveHeaders } from './live.ts'
import {
  ApiKey,
  Application,
  CreatedApiKey,
  type KeyRole,
  NewApiKey,
  NewApplication,
  NewProject,
  Project,
  ProjectChanges,
} from './projects.ts'
import {
  EventTypeVolumes,
  Failures,
  RangeQuery,
  SearchQuery,
  SearchResults,
  Statistics,
  StatisticsQuery,
  WebhookSummary,
} from './statistics.ts'
import { EventType, FreeText, optional, strict, Time, Uuid } from './text.ts'
import { FilteredDelivery, PreviewedShape, ShapePreview, WebhookPresets } from './shaping.ts'
import { Cleanup, CleanupQuery, Health, Readiness, Recovery } from './upkeep.ts'
import { userRoutes } from './user-routes.ts'
import {
  CreatedWebhook,
  NewReplay,
  NewWebhook,
  Replay,
  RotatedSecret,
  SecretRotation,
  TestResult,
  Webhook,
  WebhookChanges,
  WebhookDraft,
  WebhookTest,
} from './webhooks.ts'

/**
 * Who may make a call: anyone without a key, somebody who is logged in, a project key or member from this role on, or the
 * admin key and owners alone.
 */
export type Access = 'anyone' | 'session' | KeyRole | 'admin'

export interface Body {
  shape: TSchema
  maxBytes: number
  /** All of its fields have defaults: no body at all is the same as `{}`. */
  isOptional?: true
  /** In how many containers `data` stands: 1, but for a batch. */
  levelsAboveData?: number
}

export interface Route {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  path: string
  access: Access
  tag:
    | 'Projects'
    | 'Webhooks'
    | 'Events'
    | 'Deliveries'
    | 'Jobs'
    | 'Statistics'
    | 'Login'
    | 'People'
    | 'Administration'
    | 'Server'
  summary: string
  description?: string
  query?: TObject
  headers?: TObject
  body?: Body
  /** By status; `null` is an answer without a body, a string one of this media type. The first is the usual one. */
  answers: Record<number, TSchema | string | null>
  /** The member of the answer that is JSON text already. */
  rawMember?: 'payload' | 'body'
  /** Counts as a test send too: those reach out to other people's servers at once. */
  isTestSend?: true
  /** Beyond those that every call with such an access, query or body may answer. */
  errors?: readonly ErrorCode[]
}

const project = '/api/projects/{project_id}'
const webhook = `${project}/webhooks/{webhook_id}`
const eventType = `${project}/event-types/{name}`

const body = <Shape extends TSchema>(shape: Shape) => ({ shape, maxBytes: maxBodyBytes })
const optionalBody = <Shape extends TSchema>(shape: Shape) => ({ ...body(shape), isOptional: true as const })
/** Clients that always send a body may send an empty object. */
const noBody = optionalBody(strict({}))

const period = {
  since: optional(Time, { description: 'Created at this moment or later.' }),
  until: optional(Time, { description: 'Created before this moment.' }),
}

const DeliveryQuery = pageQuery({
  status: optional(DeliveryStatus),
  event_id: optional(Uuid),
  event_type: optional(EventType),
  code: optional(CodeClass),
  ...period,
})

const AuditQuery = pageQuery({
  action: optional(AuditAction),
  resource_id: optional(FreeText),
  ...period,
})

const Traceparent = Type.Object({
  traceparent: optional(Type.String(), {
    description:
      'Of W3C Trace Context: the deliveries belong to that trace, and receivers get it. One that is not valid is as good as none.',
  }),
})

const IdempotencyKey = Type.Object({
  'Idempotency-Key': optional(Type.String({ minLength: 1, maxLength: 255 }), {
    description: 'Any text instead of `id`: becomes an id by UUIDv5 in the namespace of the project.',
  }),
  ...Traceparent.properties,
})

/** Every call there is. The router and the OpenAPI document both come from this table. */
export const routes = {
  createProject: {
    method: 'POST',
    path: '/api/projects',
    access: 'admin',
    tag: 'Projects',
    summary: 'Create a project',
    body: body(NewProject),
    answers: { 201: Project },
  },
  listProjects: {
    method: 'GET',
    path: '/api/projects',
    access: 'admin',
    tag: 'Projects',
    summary: 'List projects',
    query: PageQuery,
    answers: { 200: pageOf('projects', Project) },
  },
  getProject: {
    method: 'GET',
    path: project,
    access: 'view',
    tag: 'Projects',
    summary: 'Read a project',
    answers: { 200: Project },
  },
  updateProject: {
    method: 'PATCH',
    path: project,
    access: 'admin',
    tag: 'Projects',
    summary: 'Change a project',
    body: body(ProjectChanges),
    answers: { 200: Project },
  },
  deleteProject: {
    method: 'DELETE',
    path: project,
    access: 'admin',
    tag: 'Projects',
    summary: 'Delete a project',
    description:
      'With everything in it: keys, applications, webhooks, events and the history of deliveries. It is gone at once, and nothing more is sent but what workers have claimed already; the rows of a long history are deleted in the background.',
    answers: { 204: null },
  },

  createApiKey: {
    method: 'POST',
    path: `${project}/api-keys`,
    access: 'manage',
    tag: 'Projects',
    summary: 'Create an API key',
    description: 'The answer shows the key this once.',
    body: body(NewApiKey),
    answers: { 201: CreatedApiKey },
  },
  listApiKeys: {
    method: 'GET',
    path: `${project}/api-keys`,
    access: 'view',
    tag: 'Projects',
    summary: 'List API keys',
    query: PageQuery,
    answers: { 200: pageOf('api_keys', ApiKey) },
  },
  deleteApiKey: {
    method: 'DELETE',
    path: `${project}/api-keys/{api_key_id}`,
    access: 'manage',
    tag: 'Projects',
    summary: 'Revoke an API key',
    description: 'It opens nothing any more from this moment on.',
    answers: { 204: null },
  },

  createApplication: {
    method: 'POST',
    path: `${project}/applications`,
    access: 'manage',
    tag: 'Projects',
    summary: 'Create an application',
    body: body(NewApplication),
    answers: { 201: Application },
    errors: ['already_exists'],
  },
  listApplications: {
    method: 'GET',
    path: `${project}/applications`,
    access: 'view',
    tag: 'Projects',
    summary: 'List applications',
    query: PageQuery,
    answers: { 200: pageOf('applications', Application) },
  },
  getApplication: {
    method: 'GET',
    path: `${project}/applications/{application_id}`,
    access: 'view',
    tag: 'Projects',
    summary: 'Read an application',
    answers: { 200: Application },
  },
  deleteApplication: {
    method: 'DELETE',
    path: `${project}/applications/{application_id}`,
    access: 'manage',
    tag: 'Projects',
    summary: 'Delete an application',
    description:
      'Webhooks that were for it become inactive with `disabled_reason: "application_deleted"`, instead of getting the events of all others.',
    answers: { 204: null },
  },

  createWebhook: {
    method: 'POST',
    path: `${project}/webhooks`,
    access: 'manage',
    tag: 'Webhooks',
    summary: 'Create a webhook',
    description:
      'The answer shows its secret this once, or, with `signature_scheme: "v1a"`, its public key, which is shown later too.',
    body: body(NewWebhook),
    answers: { 201: CreatedWebhook },
  },
  listWebhooks: {
    method: 'GET',
    path: `${project}/webhooks`,
    access: 'view',
    tag: 'Webhooks',
    summary: 'List webhooks',
    query: PageQuery,
    answers: { 200: pageOf('webhooks', Webhook) },
  },
  testWebhookDraft: {
    method: 'POST',
    path: `${project}/webhooks/test`,
    access: 'manage',
    tag: 'Webhooks',
    summary: 'Test a webhook before it is created',
    description: 'Sends one event now, signed and guarded as any other. Nothing is stored.',
    body: body(WebhookDraft),
    answers: { 200: TestResult },
    isTestSend: true,
  },
  previewWebhook: {
    method: 'POST',
    path: `${project}/webhooks/preview`,
    access: 'manage',
    tag: 'Webhooks',
    summary: 'Preview a filter and a payload template',
    description:
      'Says whether an event would be sent, and as what. The event is a published one or a sample. Nothing is sent or stored.',
    body: { shape: ShapePreview, maxBytes: maxEventBodyBytes, levelsAboveData: 2 },
    answers: { 200: PreviewedShape },
    rawMember: 'body',
  },
  listWebhookPresets: {
    method: 'GET',
    path: `${project}/webhook-presets`,
    access: 'view',
    tag: 'Webhooks',
    summary: 'List presets for known services',
    description: 'Settings of webhooks for GitHub Actions, Slack and Discord.',
    answers: { 200: WebhookPresets },
  },
  getWebhook: {
    method: 'GET',
    path: webhook,
    access: 'view',
    tag: 'Webhooks',
    summary: 'Read a webhook',
    answers: { 200: Webhook },
  },
  updateWebhook: {
    method: 'PATCH',
    path: webhook,
    access: 'manage',
    tag: 'Webhooks',
    summary: 'Change a webhook',
    description:
      'Made active again, deliveries that waited are sent, but for those whose retries would have ended by now: they fail with `webhook inactive`. One whose application was deleted answers 409 to `is_active: true` until `application_id` is set anew.',
    body: body(WebhookChanges),
    answers: { 200: Webhook },
    errors: ['conflict'],
  },
  deleteWebhook: {
    method: 'DELETE',
    path: webhook,
    access: 'manage',
    tag: 'Webhooks',
    summary: 'Delete a webhook',
    description:
      'With the history of its deliveries. Nothing more is sent but what workers have claimed already. The newest 500 are gone at once, the older ones of a long history are deleted in the background.',
    answers: { 204: null },
  },
  regenerateSecret: {
    method: 'POST',
    path: `${webhook}/regenerate-secret`,
    access: 'manage',
    tag: 'Webhooks',
    summary: 'Replace the secret',
    description:
      'Until `previous_expires_at` both secrets sign. Again during such an overlap is 409, unless `overlap_seconds` is 0. `signature_scheme` makes a `v1` webhook a `v1a` one and the other way round.',
    body: optionalBody(SecretRotation),
    answers: { 200: RotatedSecret },
    errors: ['conflict'],
  },
  testWebhook: {
    method: 'POST',
    path: `${webhook}/test`,
    access: 'manage',
    tag: 'Webhooks',
    summary: 'Send a test',
    description: 'Sends one event now, signed and guarded as any other, also when the webhook is inactive.',
    body: optionalBody(WebhookTest),
    answers: { 200: TestResult },
    isTestSend: true,
  },
  replayWebhook: {
    method: 'POST',
    path: `${webhook}/replay`,
    access: 'manage',
    tag: 'Webhooks',
    summary: 'Send past deliveries again',
    description: 'Safe to repeat: the same replay asked for again while it runs is that replay.',
    body: body(NewReplay),
    answers: { 200: Replay },
  },

  publishEvent: {
    method: 'POST',
    path: `${project}/events`,
    access: 'publish',
    tag: 'Events',
    summary: 'Publish an event',
    description:
      'The same `id` again creates nothing and answers `duplicate: true`; with other content it is 409. Same content means equal `type`, `data` (as jsonb compares), application and environment, and `timestamp` where one is given.',
    headers: IdempotencyKey,
    body: { shape: NewEvent, maxBytes: maxEventBodyBytes },
    answers: { 202: Publication },
    errors: ['event_conflict', 'backlog_full'],
  },
  publishEvents: {
    method: 'POST',
    path: `${project}/events/batch`,
    access: 'publish',
    tag: 'Events',
    summary: 'Publish up to 1,000 events',
    description: 'All or none. What is wrong with one is told under its index, as in `events[3].data`.',
    headers: Traceparent,
    body: { shape: NewEvents, maxBytes: maxBatchBodyBytes, levelsAboveData: 3 },
    answers: { 202: Publications },
    errors: ['event_conflict', 'backlog_full'],
  },
  listEvents: {
    method: 'GET',
    path: `${project}/events`,
    access: 'view',
    tag: 'Events',
    summary: 'List published events',
    description: 'Those that matched no webhook too.',
    query: pageQuery({ type: optional(EventType), ...period }),
    answers: { 200: pageOf('events', PublishedEvent) },
  },
  getEvent: {
    method: 'GET',
    path: `${project}/events/{event_id}`,
    access: 'view',
    tag: 'Events',
    summary: 'Read an event',
    description: 'With its payload and its deliveries.',
    answers: { 200: EventDetails },
    rawMember: 'payload',
  },
  eraseEvent: {
    method: 'DELETE',
    path: `${project}/events/{event_id}`,
    access: 'manage',
    tag: 'Events',
    summary: 'Erase an event',
    description:
      'Everywhere: its payload, deliveries, attempts, what receivers answered, and what waits to be sent. A request that a worker has on its way, or has claimed to send within seconds, cannot be called back; its result is dropped. The audit log keeps that it was erased, and by whom. The id is free: published again it is a new event.',
    answers: { 204: null },
  },

  createEventType: {
    method: 'POST',
    path: `${project}/event-types`,
    access: 'manage',
    tag: 'Events',
    summary: 'Register an event type',
    description:
      'With a schema, publishing data of this type that does not fit it is 422 from now on, in every process. What SQL publishes is not checked: PostgreSQL knows no JSON Schema. At most 2,000 types, and 4 MiB of schemas, in a project.',
    body: { shape: NewEventType, maxBytes: maxEventTypeBodyBytes },
    answers: { 201: RegisteredEventType },
    errors: ['already_exists'],
  },
  listEventTypes: {
    method: 'GET',
    path: `${project}/event-types`,
    access: 'view',
    tag: 'Events',
    summary: 'List registered event types',
    query: PageQuery,
    answers: { 200: pageOf('event_types', RegisteredEventType) },
  },
  getEventType: {
    method: 'GET',
    path: eventType,
    access: 'view',
    tag: 'Events',
    summary: 'Read an event type',
    answers: { 200: RegisteredEventType },
  },
  updateEventType: {
    method: 'PATCH',
    path: eventType,
    access: 'manage',
    tag: 'Events',
    summary: 'Change an event type',
    description:
      'A schema that is another one than before is a new version. Whether the change breaks code of others is not asked here: see `postrider types push`.',
    body: { shape: EventTypeChanges, maxBytes: maxEventTypeBodyBytes },
    answers: { 200: RegisteredEventType },
    errors: ['already_exists'],
  },
  deleteEventType: {
    method: 'DELETE',
    path: eventType,
    access: 'manage',
    tag: 'Events',
    summary: 'Delete an event type',
    description: 'With its versions. Such events can still be published, with any data.',
    answers: { 204: null },
  },
  listEventTypeVersions: {
    method: 'GET',
    path: `${eventType}/versions`,
    access: 'view',
    tag: 'Events',
    summary: 'List the versions of the schema of an event type',
    answers: { 200: EventTypeVersions },
  },

  listDeliveries: {
    method: 'GET',
    path: `${project}/deliveries`,
    access: 'view',
    tag: 'Deliveries',
    summary: 'List deliveries',
    query: pageQuery({ webhook_id: optional(Uuid), ...DeliveryQuery.properties }),
    answers: { 200: pageOf('deliveries', Delivery) },
  },
  ...ofDelivery('', project),
  listDeliveriesOfWebhook: {
    method: 'GET',
    path: `${webhook}/deliveries`,
    access: 'view',
    tag: 'Deliveries',
    summary: 'List deliveries of a webhook',
    query: DeliveryQuery,
    answers: { 200: pageOf('deliveries', Delivery) },
  },
  ...ofDelivery('OfWebhook', webhook),
  listFilteredDeliveries: {
    method: 'GET',
    path: `${webhook}/filtered-deliveries`,
    access: 'view',
    tag: 'Deliveries',
    summary: 'List what its filter kept back',
    description:
      'Events whose type it gets and that its `filter` did not let through, newest first. They are no deliveries; a backfill asks the filter again.',
    query: PageQuery,
    answers: { 200: pageOf('filtered_deliveries', FilteredDelivery) },
  },

  createJob: {
    method: 'POST',
    path: `${project}/jobs`,
    access: 'manage',
    tag: 'Jobs',
    summary: 'Retry, cancel or backfill many deliveries',
    description:
      'In the background: each delivery once, also over restarts. The answer counts first; with `dry_run` it does no more.',
    body: body(NewJob),
    answers: { 200: AcceptedJob },
    errors: ['conflict'],
  },
  listJobs: {
    method: 'GET',
    path: `${project}/jobs`,
    access: 'view',
    tag: 'Jobs',
    summary: 'List jobs',
    query: PageQuery,
    answers: { 200: pageOf('jobs', Job) },
  },
  getJob: {
    method: 'GET',
    path: `${project}/jobs/{job_id}`,
    access: 'view',
    tag: 'Jobs',
    summary: 'Read how far a job is',
    answers: { 200: Job },
  },
  stopJob: {
    method: 'DELETE',
    path: `${project}/jobs/{job_id}`,
    access: 'manage',
    tag: 'Jobs',
    summary: 'Stop a job',
    description: 'What it did stays. One that has ended answers 409.',
    answers: { 204: null },
    errors: ['conflict'],
  },

  getStatistics: {
    method: 'GET',
    path: `${project}/statistics`,
    access: 'view',
    tag: 'Statistics',
    summary: 'Read how it went over time',
    query: StatisticsQuery,
    answers: { 200: Statistics },
  },
  getWebhookStatistics: {
    method: 'GET',
    path: `${webhook}/statistics`,
    access: 'view',
    tag: 'Statistics',
    summary: 'Read how it went over time at one webhook',
    query: StatisticsQuery,
    answers: { 200: Statistics },
  },
  listWebhookSummaries: {
    method: 'GET',
    path: `${project}/statistics/webhooks`,
    access: 'view',
    tag: 'Statistics',
    summary: 'Read how it goes at each webhook',
    description:
      'The same webhooks in the same order as the list of webhooks with this `limit` and `cursor`.',
    query: pageQuery(RangeQuery.properties),
    answers: { 200: pageOf('webhooks', WebhookSummary) },
  },
  getFailures: {
    method: 'GET',
    path: `${project}/statistics/failures`,
    access: 'view',
    tag: 'Statistics',
    summary: 'Read what fails most',
    description: 'Webhooks are told out of the counts, which the last half minute may be missing from.',
    query: RangeQuery,
    answers: { 200: Failures },
  },
  getEventTypeVolumes: {
    method: 'GET',
    path: `${project}/statistics/event-types`,
    access: 'view',
    tag: 'Statistics',
    summary: 'Read how much is published of each type',
    query: RangeQuery,
    answers: { 200: EventTypeVolumes },
  },
  search: {
    method: 'GET',
    path: `${project}/search`,
    access: 'view',
    tag: 'Projects',
    summary: 'Find things by id or name',
    query: SearchQuery,
    answers: { 200: SearchResults },
  },
  streamDeliveries: {
    method: 'GET',
    path: `${project}/live`,
    access: 'view',
    tag: 'Deliveries',
    summary: 'Watch deliveries as they happen',
    description:
      'Server-sent events. `delivery`: `{change: "created" | "attempt", delivery, attempt}`, with the fields of the list; keep the newest of each by its id. `gap`: `{since, reason}`, something is missing here. The stream ends when the key is revoked. At most 10 streams for each key in a process.',
    headers: LiveHeaders,
    answers: { 200: 'text/event-stream' },
    errors: ['validation_failed'],
  },
  streamEvents: {
    method: 'GET',
    path: `${project}/live/events`,
    access: 'view',
    tag: 'Events',
    summary: 'Receive events as they are published',
    description:
      'Server-sent events, for development behind a firewall; those that match no webhook too. `event`: the body that receivers get. `gap`: `{since, reason}`, something is missing here. An event whose transaction began more than ten minutes before it ended may be left out. The stream ends when the key is revoked. At most 10 streams for each key in a process.',
    query: EventStreamQuery,
    headers: EventStreamHeaders,
    answers: { 200: 'text/event-stream' },
  },

  listAuditLog: {
    method: 'GET',
    path: `${project}/audit-log`,
    access: 'manage',
    tag: 'Projects',
    summary: 'Read who changed what',
    description:
      'Changes of the project, its keys, applications, webhooks and event types; deliveries that were retried or cancelled by hand, and replays. Secrets and values of headers are in none.',
    query: AuditQuery,
    answers: { 200: pageOf('audit_log', AuditEntry) },
  },

  ...userRoutes,

  listAllAuditLogs: {
    method: 'GET',
    path: '/api/admin/audit-log',
    access: 'admin',
    tag: 'Administration',
    summary: 'Read who changed what in all projects',
    description: 'Those that were deleted too, and what was done outside of projects.',
    query: pageQuery({ project_id: optional(Uuid), ...AuditQuery.properties }),
    answers: { 200: pageOf('audit_log', AuditEntry) },
  },
  cleanUp: {
    method: 'POST',
    path: '/api/admin/webhooks/cleanup',
    access: 'admin',
    tag: 'Administration',
    summary: 'Delete old deliveries',
    description: 'Delivered and failed ones with their attempts. It also happens by itself once a day.',
    query: CleanupQuery,
    body: noBody,
    answers: { 200: Cleanup },
  },
  retryStuck: {
    method: 'POST',
    path: '/api/admin/webhooks/retry-stuck',
    access: 'admin',
    tag: 'Administration',
    summary: 'Free deliveries of lost senders',
    description: 'Those whose lease has run out. It also happens by itself all the time.',
    body: noBody,
    answers: { 200: Recovery },
  },

  health: {
    method: 'GET',
    path: '/healthz',
    access: 'anyone',
    tag: 'Server',
    summary: 'Is the process alive?',
    answers: { 200: Health },
  },
  readiness: {
    method: 'GET',
    path: '/readyz',
    access: 'anyone',
    tag: 'Server',
    summary: 'Can it serve?',
    description: 'Whether the database can be reached and has the schema of this version.',
    answers: { 200: Readiness, 503: Readiness },
  },
  metrics: {
    method: 'GET',
    path: '/metrics',
    access: 'anyone',
    tag: 'Server',
    summary: 'Metrics for Prometheus',
    answers: { 200: 'text/plain' },
  },
  openapi: {
    method: 'GET',
    path: '/openapi.json',
    access: 'anyone',
    tag: 'Server',
    summary: 'This document',
    answers: { 200: Type.Object({}) },
  },
  docs: {
    method: 'GET',
    path: '/docs',
    access: 'anyone',
    tag: 'Server',
    summary: 'This document as pages',
    answers: { 200: 'text/html' },
  },
  home: {
    method: 'GET',
    path: '/',
    access: 'anyone',
    tag: 'Server',
    summary: 'The first page',
    answers: { 200: 'text/html' },
  },
} as const satisfies Record<string, Route>

export type RouteName = keyof typeof routes

/** The names in the path of a call: `/api/projects/{project_id}` has `project_id`. */
export type ParamsOf<Name extends RouteName> = NamesIn<(typeof routes)[Name]['path']>

type NamesIn<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Record<Name, string> & NamesIn<Rest>
  : unknown

export type QueryOf<Name extends RouteName> = (typeof routes)[Name] extends {
  query: infer Query extends TSchema
}
  ? Static<Query>
  : undefined

export type BodyOf<Name extends RouteName> = (typeof routes)[Name] extends {
  body: { shape: infer Shape extends TSchema }
}
  ? Static<Shape>
  : undefined

/** The calls about one delivery, which stand under its project and again under its webhook. */
function ofDelivery<const Suffix extends string, const Parent extends string>(
  suffix: Suffix,
  parent: Parent,
) {
  const delivery = `${parent}/deliveries/{delivery_id}` as const
  const under = suffix === '' ? '' : ' of a webhook'
  const calls = {
    getDelivery: {
      method: 'GET',
      path: delivery,
      access: 'view',
      tag: 'Deliveries',
      summary: `Read a delivery${under}`,
      answers: { 200: DeliveryDetails },
      rawMember: 'payload',
    },
    listAttempts: {
      method: 'GET',
      path: `${delivery}/attempts`,
      access: 'view',
      tag: 'Deliveries',
      summary: `List the attempts of a delivery${under}`,
      answers: { 200: Attempts },
    },
    retryDelivery: {
      method: 'POST',
      path: `${delivery}/retry`,
      access: 'manage',
      tag: 'Deliveries',
      summary: `Send a delivery${under} again`,
      description:
        'A failed or delivered one gets a full schedule anew, a pending one goes now. The history stays and attempt numbers go on. One that is being sent answers 409, and so does one whose payload has expired, with `payload_expired`.',
      body: noBody,
      answers: { 200: RescheduledDelivery },
      errors: ['conflict', 'payload_expired'],
    },
    cancelDelivery: {
      method: 'POST',
      path: `${delivery}/cancel`,
      access: 'manage',
      tag: 'Deliveries',
      summary: `Cancel a delivery${under}`,
      description: 'A pending one becomes failed with `cancelled`; any other answers 409.',
      body: noBody,
      answers: { 200: DeliveryDetails },
      rawMember: 'payload',
      errors: ['conflict'],
    },
  } as const satisfies Record<string, Route>
  return Object.fromEntries(Object.entries(calls).map(([name, route]) => [`${name}${suffix}`, route])) as {
    [Name in keyof typeof calls as `${Name}${Suffix}`]: (typeof calls)[Name]
  }
}
