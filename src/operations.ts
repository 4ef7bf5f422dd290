import type { AddressPolicy } from './address.ts'
import type { Clock } from './clock.ts'
import type { NewJob } from './contract/jobs.ts'
import type { BucketName } from './contract/statistics.ts'
import type { WebhookDraft } from './contract/webhooks.ts'
import type { Queryable, Transactable } from './database/database.ts'
import { explaining } from './database/explaining.ts'
import type { PageRequest } from './database/page.ts'
import type { Notifier } from './database/wake.ts'
import * as deliveries from './deliver/deliveries.ts'
import { filteredOf, listFiltered } from './deliver/filtered.ts'
import { failOverdue } from './deliver/inactive.ts'
import { createJob, getJob, listJobs, stopJob } from './deliver/jobs.ts'
import { type DeliveryFilter, listDeliveries } from './deliver/list.ts'
import { readChanges } from './deliver/live.ts'
import { type PreviewRequest, previewShape } from './deliver/preview.ts'
import { createReplay, type ReplayRequest } from './deliver/replay.ts'
import { search } from './deliver/search.ts'
import type { Sender } from './deliver/send.ts'
import { sendTest, type TestEvent, type TestResult, usualTest } from './deliver/test-send.ts'
import { type EventFilter, getEvent, listEvents } from './publish/events.ts'
import { type EventPosition, readNewEvents } from './publish/new-events.ts'
import type { Publication } from './publish/publish.ts'
import { testToCheck } from './publish/to-check.ts'
import type { PublishRequest } from './publisher.ts'
import { ApiKeys } from './registry/api-keys.ts'
import { Applications } from './registry/applications.ts'
import { AuditLog } from './registry/audit-log.ts'
import type { EventSchemas } from './registry/event-schemas.ts'
import { EventTypes } from './registry/event-types.ts'
import { Invitations } from './registry/invitations.ts'
import { Members } from './registry/members.ts'
import { Projects } from './registry/projects.ts'
import type { Cipher } from './registry/secrets.ts'
import { Sessions } from './registry/sessions.ts'
import { Users } from './registry/users.ts'
import { Webhooks, type WebhookTarget } from './registry/webhooks.ts'
import type { DefaultPolicy } from './registry/webhook-policy.ts'
import { eraseEvent } from './retain/erase.ts'
import { presets } from './shape/presets.ts'
import { readFailing } from './statistics/failing.ts'
import { type RangeRequest, resolveBars, resolveBuckets } from './statistics/range.ts'
import { readStatistics } from './statistics/read.ts'
import { readSummaries } from './statistics/summaries.ts'
import { readVolumes } from './statistics/volumes.ts'

export interface OperationsOptions {
  /** The whole of it, or what one project sees. */
  database: Transactable
  /** The same to read from alone, where it may be some seconds behind; without it `database`. */
  history?: Transactable | undefined
  clock: Clock
  cipher: Cipher
  notifier: Notifier
  sender: Sender
  policy: AddressPolicy
  defaultPolicy: DefaultPolicy
  /** Of webhooks that fail; 0 for never. */
  disableFailingDays: number
  /** Of `users`: whose calls these are. */
  userId?: string | undefined
  schemas: EventSchemas
  /** Always on the whole database: the SQL function keeps to its project by itself. */
  publishJson: (projectId: string, eventsJson: string, request?: PublishRequest) => Promise<Publication[]>
}

/** Everything that may be asked of a project, beside publishing from code. */
export class Operations {
  readonly projects: Projects
  readonly applications: Applications
  readonly apiKeys: ApiKeys
  readonly eventTypes: EventTypes
  readonly webhooks: Webhooks
  readonly auditLog: AuditLog
  readonly members: Members
  readonly invitations: Invitations
  readonly users: Users
  readonly sessions: Sessions
  readonly #database: Transactable
  readonly #history: Transactable
  readonly #options: OperationsOptions

  constructor(options: OperationsOptions) {
    const { clock, cipher, policy, defaultPolicy, disableFailingDays, userId } = options
    const database = explaining(options.database)
    this.#database = database
    this.#history = options.history ? explaining(options.history) : database
    this.#options = options
    this.projects = new Projects({ database })
    this.applications = new Applications({ database })
    this.apiKeys = new ApiKeys({ database, clock })
    this.eventTypes = new EventTypes({ database })
    this.auditLog = new AuditLog({ database })
    this.members = new Members({ database })
    this.invitations = new Invitations({ database, clock })
    this.users = new Users({ database, clock })
    this.sessions = new Sessions({ database, clock })
    this.webhooks = new Webhooks({
      database,
      cipher,
      policy,
      clock,
      defaultPolicy,
      createdById: userId,
      disableFailingDays,
      onReactivate: (transaction, webhookId) => this.#failOverdue(transaction, webhookId),
    })
  }

  readonly events = {
    /** Publishes a JSON array of events with the fields of the HTTP call; the text reaches PostgreSQL as it is. */
    publishJson: (projectId: string, eventsJson: string, request?: PublishRequest): Promise<Publication[]> =>
      this.#options.publishJson(projectId, eventsJson, request),
    list: (projectId: string, filter: EventFilter = {}, page: PageRequest = {}) =>
      listEvents(this.#history, projectId, filter, page),
    /** With its `payload` as JSON text, its newest deliveries, and the webhooks whose filters kept it back. */
    get: async (projectId: string, id: string) => {
      const event = await getEvent(this.#database, projectId, id)
      const { rows } = await listDeliveries(this.#database, projectId, { event_id: id }, { limit: 100 })
      return { ...event, deliveries: rows, filtered: await filteredOf(this.#database, projectId, id) }
    },
    /** Removes it with all that came of it, for good. */
    erase: (projectId: string, id: string) => eraseEvent(this.#database, projectId, id),
  }

  readonly deliveries = {
    list: (projectId: string, filter: DeliveryFilter = {}, page: PageRequest = {}) =>
      listDeliveries(this.#history, projectId, filter, page),
    get: (projectId: string, id: string, webhookId?: string) =>
      deliveries.getDelivery(this.#database, { projectId, id, webhookId }),
    attempts: (projectId: string, id: string, webhookId?: string) =>
      // In a transaction, so that a replica that does not know the delivery is not the last that is asked.
      this.#reading((database) => deliveries.listAttempts(database, { projectId, id, webhookId })),
    /** Sends a finished delivery again, or a waiting one now. */
    retry: async (projectId: string, id: string, webhookId?: string) => {
      const { clock, defaultPolicy, notifier } = this.#options
      const retried = await deliveries.retryDelivery(
        this.#database,
        { projectId, id, webhookId },
        { now: clock.now(), scheduleLength: defaultPolicy.retry_seconds.length + 1 },
      )
      notifier.notify()
      return retried
    },
    cancel: (projectId: string, id: string, webhookId?: string) =>
      deliveries.cancelDelivery(this.#database, { projectId, id, webhookId }),
    /** What the filter of a webhook kept back. */
    listFiltered: async (projectId: string, webhookId: string, page: PageRequest = {}) => {
      await this.webhooks.get(projectId, webhookId)
      return listFiltered(this.#history, { projectId, webhookId }, page)
    },
  }

  readonly shaping = {
    /** Whether an event would be sent with this filter, and as what with this template; `body` is JSON text. */
    preview: (projectId: string, request: PreviewRequest) =>
      previewShape(this.#database, projectId, request, this.#options.clock),
    /** Settings of webhooks for services that many use. */
    presets,
  }

  readonly replays = {
    /** Sends many finished deliveries of a webhook again, in the background. */
    create: (projectId: string, webhookId: string, request: ReplayRequest) =>
      createReplay(this.#database, { projectId, webhookId }, request),
  }

  readonly jobs = {
    /** Retries, cancels or backfills many deliveries, in the background. */
    create: (projectId: string, job: NewJob) => createJob(this.#database, projectId, job),
    list: (projectId: string, page: PageRequest = {}) => listJobs(this.#database, projectId, page),
    get: (projectId: string, id: string) => getJob(this.#database, projectId, id),
    stop: (projectId: string, id: string) => stopJob(this.#database, projectId, id),
  }

  readonly statistics = {
    ofProject: (projectId: string, request: RangeRequest & { bucket?: BucketName | undefined } = {}) => {
      const now = this.#options.clock.now()
      return this.#reading((database) =>
        readStatistics(database, { projectId }, { range: resolveBuckets(request, now), now }),
      )
    },
    ofWebhook: async (
      projectId: string,
      webhookId: string,
      request: RangeRequest & { bucket?: BucketName | undefined } = {},
    ) => {
      await this.webhooks.get(projectId, webhookId)
      const now = this.#options.clock.now()
      const range = resolveBuckets(request, now)
      return this.#reading((database) => readStatistics(database, { projectId, webhookId }, { range, now }))
    },
    /** Of the webhooks of one page of their list. */
    ofWebhooks: async (projectId: string, request: RangeRequest = {}, page: PageRequest = {}) => {
      const now = this.#options.clock.now()
      const range = resolveBars(request, now)
      const { rows, next_cursor } = await this.webhooks.list(projectId, page)
      const webhookIds = rows.map(({ id }) => id)
      const summaries = await this.#reading((database) =>
        readSummaries(database, { projectId, webhookIds }, { range, now }),
      )
      return { rows: summaries, next_cursor }
    },
    /** The webhooks that fail most, and the newest deliveries that failed for good. */
    failures: async (projectId: string, request: RangeRequest = {}) => {
      const range = resolveBuckets(request, this.#options.clock.now())
      const newest = await listDeliveries(this.#history, projectId, { status: 'failed' }, { limit: 10 })
      const webhooks = await this.#reading((database) => readFailing(database, projectId, range))
      return { webhooks, deliveries: newest.rows }
    },
    eventTypes: async (projectId: string, request: RangeRequest = {}) => {
      const now = this.#options.clock.now()
      const range = resolveBars(request, now)
      const event_types = await this.#reading((database) => readVolumes(database, projectId, { range, now }))
      return { since: range.since, until: range.until, event_types }
    },
  }

  /** Finds things by the beginning of their id or a part of their name. */
  search(projectId: string, text: string) {
    return this.#reading((database) => search(database, projectId, text))
  }

  /** What happened with deliveries since a moment, the newest of it; without one, only until when that is known. */
  async changes(projectId: string, since: Date | undefined) {
    const at = this.#options.clock.now()
    const limit = 500
    const changes = since
      ? await this.#database.transaction((database) => readChanges(database, projectId, { since, limit }))
      : []
    return { at, limit, changes }
  }

  /** What was committed after a position, at most so much of it; without one, only where we are. */
  newEvents(projectId: string, after: EventPosition | undefined) {
    return this.#database.transaction((database) => readNewEvents(database, projectId, after))
  }

  readonly webhookTests = {
    /** Sends a test event to a stored webhook now, also when it is inactive. */
    send: async (projectId: string, webhookId: string, event: TestEvent = {}) =>
      this.#sendTest(await this.webhooks.target(projectId, webhookId), event),
    /** The same to one that is not stored. */
    sendDraft: async (projectId: string, draft: WebhookDraft, event: TestEvent = {}) =>
      this.#sendTest(this.webhooks.draftTarget(projectId, draft), event),
  }

  /** Several statements in one transaction: of each alone the beginning and the end would be two more. */
  #reading<Result>(work: (database: Queryable) => Promise<Result>): Promise<Result> {
    return this.#history.transaction(work)
  }

  /** Without data, of a type that is registered, its example. */
  async #sendTest(target: WebhookTarget, { type = usualTest.type, data }: TestEvent): Promise<TestResult> {
    const { projectId } = target
    const sent = {
      type,
      data: data ?? (await this.eventTypes.exampleText(projectId, type)) ?? usualTest.data,
    }
    await this.#options.schemas.checkNow(testToCheck(projectId, sent), this.#database)
    return sendTest(this.#database, target, sent, this.#options)
  }

  /** What waited too long for a webhook that is just being made active fails; the rest goes. */
  async #failOverdue(transaction: Queryable, webhookId: string): Promise<void> {
    const { clock, defaultPolicy, notifier } = this.#options
    const waitSeconds = defaultPolicy.retry_seconds.reduce((sum, seconds) => sum + seconds, 0)
    await failOverdue(transaction, { now: clock.now(), waitSeconds, webhookId })
    notifier.notify()
  }
}
