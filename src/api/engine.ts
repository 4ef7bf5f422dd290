import type { Attempt, Delivery, DeliveryDetails } from '../contract/deliveries.ts'
import type { EventDetails, Publication, PublishedEvent } from '../contract/events.ts'
import type { AcceptedJob, Job, NewJob } from '../contract/jobs.ts'
import type { LiveDelivery } from '../contract/live.ts'
import type { FilteredDelivery, PreviewedShape, ShapePreview, WebhookPreset } from '../contract/shaping.ts'
import type {
  BucketName,
  EventTypeVolumes,
  Failures,
  SearchResults,
  Statistics,
  WebhookSummary,
} from '../contract/statistics.ts'
import type { Replay, TestResult, WebhookDraft } from '../contract/webhooks.ts'
import type { Page, PageRequest } from '../database/page.ts'
import type { Actor } from '../database/scope.ts'
import type { ApiKeys } from '../registry/api-keys.ts'
import type { Applications } from '../registry/applications.ts'
import type { AuditLog } from '../registry/audit-log.ts'
import type { EventTypes } from '../registry/event-types.ts'
import type { Invitations } from '../registry/invitations.ts'
import type { Links } from '../registry/links.ts'
import type { Logins } from '../registry/logins.ts'
import type { Members } from '../registry/members.ts'
import type { Projects } from '../registry/projects.ts'
import type { Sessions } from '../registry/sessions.ts'
import type { Users } from '../registry/users.ts'
import type { Webhooks } from '../registry/webhooks.ts'

/** What the API needs of the engine; class `Postrider` is one. */
export interface Engine {
  /** Whoever holds a key is not known yet: this looks at all of them. */
  apiKeys: Pick<ApiKeys, 'authenticate'>
  projects: Pick<Projects, 'get'>
  /** Who logs in is not known yet either. */
  sessions: Pick<Sessions, 'authenticate' | 'end' | 'projectsOf'>
  logins: Pick<Logins, 'hasOwner' | 'withPassword' | 'withKey' | 'withAdminKey' | 'withProvider'>
  links: Pick<Links, 'read' | 'accept'>
  /** What is asked for one project, maybe by a user of ours: the database shows nothing of any other. */
  inProject(projectId: string, actor: Actor, userId?: string): ProjectCalls
  /** What is asked outside of projects. */
  actingAs(actor: Actor): AdminCalls
  ready(): Promise<{ database: boolean; migrated: boolean }>
  metrics: { text(): Promise<{ contentType: string; body: string }> }
}

export interface AdminCalls {
  projects: Projects
  users: Users
  sessions: Pick<Sessions, 'list' | 'endOne' | 'endOthers'>
  invitations: Pick<Invitations, 'createPasswordLink'>
  auditLog: AuditLog
  maintenance: {
    cleanup(days: number): Promise<number>
    retryStuck(): Promise<number>
  }
}

export interface ProjectCalls {
  projects: Projects
  applications: Applications
  apiKeys: ApiKeys
  eventTypes: EventTypes
  members: Members
  invitations: Invitations
  webhooks: Webhooks
  auditLog: AuditLog
  events: {
    /** With the types of the events, and the parent of their trace if the request told one. */
    publishJson(
      projectId: string,
      eventsJson: string,
      request: { types: readonly string[]; traceparent: string | undefined },
    ): Promise<Publication[]>
    list(projectId: string, filter: EventFilter, page: PageRequest): Promise<Page<PublishedEvent>>
    get(projectId: string, id: string): Promise<EventDetails>
    erase(projectId: string, id: string): Promise<void>
  }
  deliveries: {
    list(projectId: string, filter: DeliveryFilter, page: PageRequest): Promise<Page<Delivery>>
    get(projectId: string, id: string, webhookId?: string): Promise<DeliveryDetails>
    attempts(projectId: string, id: string, webhookId?: string): Promise<Attempt[]>
    retry(
      projectId: string,
      id: string,
      webhookId?: string,
    ): Promise<Pick<Delivery, 'id' | 'status' | 'scheduled_at'>>
    cancel(projectId: string, id: string, webhookId?: string): Promise<DeliveryDetails>
    listFiltered(projectId: string, webhookId: string, page: PageRequest): Promise<Page<FilteredDelivery>>
  }
  shaping: {
    /** `data` is the JSON text of the sample's. */
    preview(projectId: string, request: ShapePreview & { data?: string | undefined }): Promise<PreviewedShape>
    presets: readonly WebhookPreset[]
  }
  replays: {
    create(projectId: string, webhookId: string, request: ReplayRequest): Promise<Replay>
  }
  jobs: {
    create(projectId: string, job: NewJob): Promise<AcceptedJob>
    list(projectId: string, page: PageRequest): Promise<Page<Job>>
    get(projectId: string, id: string): Promise<Job>
    stop(projectId: string, id: string): Promise<void>
  }
  statistics: {
    ofProject(projectId: string, request: StatisticsRequest): Promise<Statistics>
    ofWebhook(projectId: string, webhookId: string, request: StatisticsRequest): Promise<Statistics>
    ofWebhooks(projectId: string, range: Range, page: PageRequest): Promise<Page<WebhookSummary>>
    failures(projectId: string, range: Range): Promise<Failures>
    eventTypes(projectId: string, range: Range): Promise<EventTypeVolumes>
  }
  search(projectId: string, text: string): Promise<SearchResults>
  /** What happened since a moment, the newest of it up to a limit; without one, only until when is known what did. */
  changes(projectId: string, since: Date | undefined): Promise<Changes>
  /** Events that were committed after a position, at most so many; without one, only where we are. */
  newEvents(projectId: string, after: EventPosition | undefined): Promise<NewEvents>
  webhookTests: {
    send(projectId: string, webhookId: string, event: TestEvent): Promise<TestResult>
    sendDraft(
      projectId: string,
      draft: Omit<WebhookDraft, 'type' | 'data'>,
      event: TestEvent,
    ): Promise<TestResult>
  }
}

interface EventFilter {
  type?: string | undefined
  since?: Date | undefined
  until?: Date | undefined
}

interface DeliveryFilter {
  status?: Delivery['status'] | undefined
  webhook_id?: string | undefined
  event_id?: string | undefined
  event_type?: string | undefined
  code?: '2xx' | '3xx' | '4xx' | '5xx' | 'none' | undefined
  since?: Date | undefined
  until?: Date | undefined
}

interface Range {
  since?: Date | undefined
  until?: Date | undefined
}

interface StatisticsRequest extends Range {
  bucket?: BucketName | undefined
}

export interface Changes {
  at: Date
  changes: (LiveDelivery & { id: string })[]
  limit: number
}

/** A moment, and which transactions had ended by then. */
export interface EventPosition {
  at: Date
  xid: number
  /** How long before its end a transaction may have begun whose events are looked for. */
  backSeconds: number
  /** Events after it that were read already. */
  known: readonly string[]
  /** The end of the page before, for the next page of the same look. */
  behind?: { publishedAt: string; id: string } | undefined
}

export interface NewEvents {
  at: Date
  xid: number
  events: { id: string; type: string; payload: string; xid: number; published_at: string }[]
  isAll: boolean
}

interface ReplayRequest {
  since: Date
  until?: Date | undefined
  status?: 'failed' | 'delivered' | undefined
  event_types?: string[] | undefined
  dry_run?: boolean | undefined
}

interface TestEvent {
  type?: string | undefined
  /** JSON text. */
  data?: string | undefined
}
