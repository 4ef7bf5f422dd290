import type { AuditEntry as AuditEntryShape } from '../../contract/audit.ts'
import type {
  Attempt as AttemptShape,
  Delivery as DeliveryShape,
  DeliveryDetails as DeliveryDetailsShape,
  deliveryStatuses,
} from '../../contract/deliveries.ts'
import type { RegisteredEventType as EventTypeShape } from '../../contract/event-types.ts'
import type {
  EventDetails as EventDetailsShape,
  PublishedEvent as EventShape,
} from '../../contract/events.ts'
import type {
  ApiKey as ApiKeyShape,
  Application as ApplicationShape,
  CreatedApiKey as CreatedApiKeyShape,
  KeyRole,
  Project as ProjectShape,
} from '../../contract/projects.ts'
import type {
  AcceptedJob as AcceptedJobShape,
  Job as JobShape,
  JobFilter,
  JobKind,
  NewJob,
} from '../../contract/jobs.ts'
import type { LiveDelivery as LiveDeliveryShape, LiveGap as LiveGapShape } from '../../contract/live.ts'
import type {
  FilteredDelivery as FilteredDeliveryShape,
  PreviewedShape as PreviewedShapeShape,
  WebhookPreset as WebhookPresetShape,
} from '../../contract/shaping.ts'
import type {
  EventTypeVolumes as EventTypeVolumesShape,
  Failures as FailuresShape,
  SearchResults as SearchResultsShape,
  Statistics as StatisticsShape,
  WebhookSummary as WebhookSummaryShape,
} from '../../contract/statistics.ts'
import type {
  CreatedInvitation as CreatedInvitationShape,
  Invitation as InvitationShape,
  LinkDetails as LinkDetailsShape,
  LoginError,
  Member as MemberShape,
  PasswordLink as PasswordLinkShape,
  Session as OpenSessionShape,
  SessionState as SessionStateShape,
  User as UserShape,
} from '../../contract/users.ts'
import type {
  CreatedWebhook as CreatedWebhookShape,
  NewWebhook,
  RotatedSecret as RotatedSecretShape,
  TestResult,
  Webhook as WebhookShape,
  WebhookChanges,
} from '../../contract/webhooks.ts'

/** The shapes of the API as they come over the wire, where moments are text. Types alone: nothing of it is loaded. */

export type Wire<T> = T extends Date
  ? string
  : T extends (infer Item)[]
    ? Wire<Item>[]
    : T extends object
      ? { [Key in keyof T]: Wire<T[Key]> }
      : T

export type Project = Wire<ProjectShape>
export type ApiKey = Wire<ApiKeyShape>
export type CreatedApiKey = Wire<CreatedApiKeyShape>
export type Application = Wire<ApplicationShape>
export type Webhook = Wire<WebhookShape>
export type CreatedWebhook = Wire<CreatedWebhookShape>
export type RotatedSecret = Wire<RotatedSecretShape>
export type Delivery = Wire<DeliveryShape>
export type DeliveryStatus = (typeof deliveryStatuses)[number]
export type Attempt = Wire<AttemptShape>
export type PublishedEvent = Wire<EventShape>
export type EventType = Wire<EventTypeShape>
export type AuditEntry = Wire<AuditEntryShape>
export type DeliveryDetails = Omit<Wire<DeliveryDetailsShape>, 'payload'> & { payload: unknown }
export type EventDetails = Omit<Wire<EventDetailsShape>, 'payload'> & { payload: unknown }
export type FilteredDelivery = Wire<FilteredDeliveryShape>
export type PreviewedShape = Omit<Wire<PreviewedShapeShape>, 'body'> & { body: unknown }
export type WebhookPreset = Wire<WebhookPresetShape>
export type Job = Wire<JobShape>
export type AcceptedJob = Wire<AcceptedJobShape>
export type LiveDelivery = Wire<LiveDeliveryShape>
export type LiveGap = Wire<LiveGapShape>
export type Statistics = Wire<StatisticsShape>
export type WebhookSummary = Wire<WebhookSummaryShape>
export type Failures = Wire<FailuresShape>
export type EventTypeVolumes = Wire<EventTypeVolumesShape>
export type SearchResults = Wire<SearchResultsShape>
export type CreatedInvitation = Wire<CreatedInvitationShape>
export type Invitation = Wire<InvitationShape>
export type LinkDetails = Wire<LinkDetailsShape>
export type Member = Wire<MemberShape>
export type PasswordLink = Wire<PasswordLinkShape>
export type OpenSession = Wire<OpenSessionShape>
export type SessionState = Wire<SessionStateShape>
export type User = Wire<UserShape>
export type { LoginError, JobFilter, JobKind, KeyRole, NewJob, NewWebhook, TestResult, WebhookChanges }

export type Page<Plural extends string, Item> = Record<Plural, Item[]> & { next_cursor: string | null }

export interface FieldError {
  path: string
  message: string
}
