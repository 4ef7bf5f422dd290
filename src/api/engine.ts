import type { Attempt, Delivery, DeliveryDetails } from '../contract/deliveries.ts'
import type { EventDetails, Publication, PublishedEvent } from '../contract/events.ts'
import type { Replay, TestResult, WebhookDraft } from '../contract/webhooks.ts'
import type { Page, PageRequest } from '../database/page.ts'
import type { Actor } from '../database/scope.ts'
import type { ApiKeys } from '../registry/api-keys.ts'
import type { Applications } from '../registry/applications.ts'
import type { AuditLog } from '../registry/audit-log.ts'
import type { Projects } from '../registry/projects.ts'
import type { Webhooks } from '../registry/webhooks.ts'

/** What the API needs of the engine; class `Postrider` is one. */
export interface Engine {
  /** Whoever holds a key is not known yet: this looks at all of them. */
  apiKeys: Pick<ApiKeys, 'authenticate'>
  projects: Pick<Projects, 'get'>
  /** What is asked for one project: the database shows nothing of any other. */
  inProject(projectId: string, actor: Actor): ProjectCalls
  /** What is asked outside of projects. */
  actingAs(actor: Actor): AdminCalls
  ready(): Promise<{ database: boolean; migrated: boolean }>
  metrics: { text(): Promise<{ contentType: string; body: string }> }
}

export interface AdminCalls {
  projects: Projects
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
  webhooks: Webhooks
  auditLog: AuditLog
  events: {
    publishJson(projectId: string, eventsJson: string): Promise<Publication[]>
    list(projectId: string, filter: EventFilter, page: PageRequest): Promise<Page<PublishedEvent>>
    get(projectId: string, id: string): Promise<EventDetails>
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
  }
  replays: {
    create(projectId: string, webhookId: string, request: ReplayRequest): Promise<Replay>
  }
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
  since?: Date | undefined
  until?: Date | undefined
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
