import { secretsOf } from './secrets.ts'
import { VerificationError, type VerificationErrorCode } from './verification-error.ts'
import type { VerifiedEvent } from './request.ts'

/** What the helpers for frameworks have in common. */

/** An event of one type, its data as `Events` says: `interface Events { 'order.paid': { order: number } }`. */
export type EventOf<Events extends object, Type extends keyof Events & string> = VerifiedEvent<
  Events[Type]
> & {
  type: Type
}

/** An event of any of these types: `type` tells which. */
export type AnyEvent<Events extends object> = {
  [Type in keyof Events & string]: EventOf<Events, Type>
}[keyof Events & string]

/** The webhook's secret, `whsec_…`, or its public key, `whpk_…`; several while one is being replaced. */
export type WebhookSecret = string | readonly string[]

/** What to do with an event, by its type; with `Events` as they are by default, any type. */
export type Actions<Events extends object, Source> = string extends keyof Events
  ? Record<string, (event: VerifiedEvent<Events[keyof Events]>, source: Source) => unknown>
  : { [Type in keyof Events & string]?: (event: EventOf<Events, Type>, source: Source) => unknown }

export interface WebhooksOptions<Events extends object, Source> {
  /** A function is asked at each request: for a secret that another store holds, or that only requests bring along. */
  secret: WebhookSecret | ((source: Source) => WebhookSecret | Promise<WebhookSecret>)
  /**
   * What to do with an event, by its type. 204 is answered once it has ended; what it throws is the framework's to answer,
   * mostly with 500, and the event comes again. It may come again anyway: remember `event.id`, in the transaction that
   * does the work, to do it once.
   */
  on?: Actions<Events, Source>
  /** The same for all events whose type `on` does not name. Without it they are answered 204, too. */
  onEvent?: (event: AnyEvent<Events>, source: Source) => unknown
  /** Hears why a request was answered 400, 401 or 413: for the log. */
  onRefused?: (error: VerificationError, source: Source) => unknown
  /** 1 MiB by default; a larger body is answered 413. */
  maxBodyBytes?: number
  /** How far the request's time may be from now, in seconds, in both directions. 300 by default. */
  toleranceSeconds?: number
}

export const usualMaxBodyBytes = 1_048_576

/** Known at the start, a wrong secret stops it. @throws {VerificationError} `invalid_secret` */
export function checkSecret<Events extends object, Source>({
  secret,
}: WebhooksOptions<Events, Source>): void {
  if (typeof secret !== 'function') secretsOf(secret)
}

export async function secretFor<Events extends object, Source>(
  { secret }: WebhooksOptions<Events, Source>,
  source: Source,
): Promise<WebhookSecret> {
  return typeof secret === 'function' ? await secret(source) : secret
}

/** Has the application do what it does with this event. */
export async function dispatch<Events extends object, Source>(
  event: VerifiedEvent,
  { on, onEvent }: WebhooksOptions<Events, Source>,
  source: Source,
): Promise<void> {
  // What a template made of the event may be anything.
  const type: unknown = (event as VerifiedEvent | null)?.type
  const own =
    on && typeof type === 'string' && Object.hasOwn(on, type)
      ? (on as Record<string, WebhooksOptions<Events, Source>['onEvent']>)[type]
      : undefined
  await (own ?? onEvent)?.(event as AnyEvent<Events>, source)
}

export interface Refusal {
  status: number
  /** JSON. */
  body: string
}

const statuses = {
  missing_header: 400,
  invalid_timestamp: 400,
  invalid_json: 400,
  timestamp_too_old: 401,
  timestamp_too_new: 401,
  signature_mismatch: 401,
  body_too_large: 413,
} as const satisfies Partial<Record<VerificationErrorCode, number>>

/**
 * What is answered for a request that is wrong. Any other error is one of ours and thrown on: so is a mistake in the
 * receiver's own code, since the delivery is to come again when that is mended.
 */
export async function refuse<Events extends object, Source>(
  error: unknown,
  { onRefused }: WebhooksOptions<Events, Source>,
  source: Source,
): Promise<Refusal> {
  if (!(error instanceof VerificationError) || !Object.hasOwn(statuses, error.code)) throw error
  const { code, message } = error
  await onRefused?.(error, source)
  return { status: statuses[code as keyof typeof statuses], body: JSON.stringify({ code, message }) }
}

export function tooLarge(maxBodyBytes: number): VerificationError {
  return new VerificationError('body_too_large', `the body has more than ${maxBodyBytes} bytes`)
}
