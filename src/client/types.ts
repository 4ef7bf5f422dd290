import type { Static, TSchema } from 'typebox'
import type { EventGap as EventGapShape } from '../contract/event-stream.ts'
import type { NewEvent, Publication, Publications } from '../contract/events.ts'
import type { LiveDelivery as LiveDeliveryShape, LiveGap as LiveGapShape } from '../contract/live.ts'
import type { BodyOf, QueryOf, routes } from '../contract/routes.ts'
import type { CallName, ProjectCallName } from './calls.ts'
import type { List } from './list.ts'
import type { Message, StreamOptions } from './stream.ts'

/** Types of the calls, out of the table of routes; nothing of it is loaded. */

export interface CallOptions {
  /** Ends the call, and every wait in it. */
  signal?: AbortSignal | undefined
  /** For each try, instead of the client's. */
  timeoutMs?: number | undefined
}

export interface PublishOptions extends CallOptions {
  /** Any text up to 255 characters instead of an `id`: the same again creates nothing. */
  idempotencyKey?: string | undefined
}

/** A shape as it comes over the wire, where moments are RFC 3339. */
export type Wire<Shape> = Shape extends Date
  ? string
  : Shape extends (infer Item)[]
    ? Wire<Item>[]
    : Shape extends object
      ? { [Key in keyof Shape]: Wire<Shape[Key]> }
      : Shape

/** What receivers get as body. */
export interface EventEnvelope<Type = string, Data = unknown> {
  id: string
  timestamp: string
  type: Type
  api_version: string
  project_id: string
  application_id?: string
  environment_name?: string
  data: Data
}

export type LiveDelivery = Wire<LiveDeliveryShape>
export type LiveGap = Wire<LiveGapShape>
export type EventGap = Wire<EventGapShape>

/** The data of each event by its type: `{ 'order.paid': { total: number } }`. Without it, any data of any type. */
export type AnyEvents = Record<string, unknown>

/** An event to publish, its data that of its type. */
export type EventInput<Events, Type extends keyof Events = keyof Events> = Type extends string
  ? Omit<NewEvent, 'type' | 'data'> & { type: Type; data: Events[Type] }
  : never

/** Any event that a stream brings. */
export type StreamedEvent<Events> = {
  [Type in keyof Events & string]: EventEnvelope<Type, Events[Type]>
}[keyof Events & string]

type Answers<Name extends CallName> = (typeof routes)[Name]['answers']
type AnswerShape<Name extends CallName> = Answers<Name>[keyof Answers<Name>]

/** What a call answers. */
export type AnswerOf<Name extends CallName> =
  AnswerShape<Name> extends TSchema
    ? (typeof routes)[Name] extends { rawMember: infer Member extends string }
      ? Omit<Wire<Static<AnswerShape<Name>>>, Member> & Record<Member, Raw<Name>>
      : Wire<Static<AnswerShape<Name>>>
    : undefined

/** What stands in an answer as JSON of its own: a webhook may shape what it is sent in any way. */
type Raw<Name extends CallName> = Name extends 'getEvent' ? EventEnvelope : unknown

type ItemOf<Page> = { [Key in keyof Page]: Page[Key] extends (infer Item)[] ? Item : never }[keyof Page]

interface Labels {
  project_id: [projectId: string]
  api_key_id: [apiKeyId: string]
  application_id: [applicationId: string]
  webhook_id: [webhookId: string]
  event_id: [eventId: string]
  delivery_id: [deliveryId: string]
  job_id: [jobId: string]
  invitation_id: [invitationId: string]
  user_id: [userId: string]
  name: [name: string]
}

type IdsIn<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? [...(Name extends keyof Labels ? Labels[Name] : [id: string]), ...IdsIn<Rest>]
  : []
type IdsOf<Name extends CallName> = IdsIn<(typeof routes)[Name]['path']>

type Taken<Name extends CallName> = [QueryOf<Name>] extends [undefined]
  ? [BodyOf<Name>] extends [undefined]
    ? []
    : keyof BodyOf<Name> extends never
      ? []
      : (typeof routes)[Name] extends { body: { isOptional: true } }
        ? [body?: BodyOf<Name>]
        : [body: BodyOf<Name>]
  : Partial<QueryOf<Name>> extends QueryOf<Name>
    ? [query?: QueryOf<Name>]
    : [query: QueryOf<Name>]

type Returned<Name extends CallName> =
  AnswerOf<Name> extends { next_cursor: string | null }
    ? List<AnswerOf<Name>, ItemOf<AnswerOf<Name>>>
    : Promise<AnswerOf<Name>>

/** The calls that are typed by hand below. */
type Special = 'publishEvent' | 'publishEvents' | 'streamEvents' | 'streamDeliveries'

/** Every call with its ids, then its query or body, then options. */
export type Calls<Events extends object> = {
  [Name in Exclude<CallName, Special>]: (
    ...given: [...IdsOf<Name>, ...Taken<Name>, options?: CallOptions]
  ) => Returned<Name>
} & SpecialCalls<Events, [projectId: string]>

type WithoutFirst<Ids extends unknown[]> = Ids extends [unknown, ...infer Rest] ? Rest : Ids

/** The calls in one project, whose id is known. */
export type ProjectCalls<Events extends object> = {
  [Name in Exclude<ProjectCallName, Special>]: (
    ...given: [...WithoutFirst<IdsOf<Name>>, ...Taken<Name>, options?: CallOptions]
  ) => Returned<Name>
} & SpecialCalls<Events, []>

interface SpecialCalls<Events extends object, Ids extends string[]> {
  /** The id is the idempotency key; one is made if none is given, so that it can be sent again. */
  publishEvent: <Type extends keyof Events & string>(
    ...given: [...Ids, event: EventInput<Events, Type>, options?: PublishOptions]
  ) => Promise<Publication>
  /** Up to 1,000, all or none. */
  publishEvents: (
    ...given: [...Ids, batch: { events: readonly EventInput<Events>[] }, options?: CallOptions]
  ) => Promise<Publications>
  /** Deliveries as they happen. Goes on after a cut; ends with the signal, throws once it is refused. */
  streamDeliveries: (
    ...given: [...Ids, options?: StreamOptions]
  ) => AsyncIterable<Message<'delivery', LiveDelivery> | Message<'gap', LiveGap>>
  /** Events as they are published. The same event may come again after a cut. */
  streamEvents: (
    ...given: [...Ids, query?: QueryOf<'streamEvents'>, options?: StreamOptions]
  ) => AsyncIterable<Message<'event', StreamedEvent<Events>> | Message<'gap', EventGap>>
}
