import { sign } from '../deliver/sign.ts'
import { newId } from '../ids.ts'

/** What happened, as one publishes it. */
export interface TestEvent {
  type: string
  /** `{}` by default. */
  data?: unknown
  /** A new one by default. */
  id?: string | undefined
  /** When it was published, RFC 3339; now by default. */
  timestamp?: string | undefined
  project_id?: string | undefined
  application_id?: string | undefined
  environment_name?: string | undefined
}

export interface SignedOptions {
  /** Where the request is said to go: `http://localhost/webhooks` by default. */
  url?: string
  /** When it was signed; now by default. Receivers refuse what is older than five minutes. */
  signedAt?: Date
  /** The number of the try, from 1. */
  attempt?: number
  /** A new one by default. */
  deliveryId?: string
}

/** A webhook request in parts, for any way of handing it to the code under test. */
export interface SignedRequest {
  method: 'POST'
  url: string
  headers: Record<string, string>
  body: string
  /** The same for what takes a `Request`. Each call makes a new one, since a body is read once. */
  request: () => Request
}

/**
 * A webhook request as Postrider would send it, for a unit test of the code that receives it.
 *
 *     const { request } = signed({ type: 'order.paid', data: { order: 1 } }, secret)
 *     const response = await POST(request())
 *
 * `secret` is the one that the receiver verifies with, `whsec_…`; or the private key of a pair, `whsk_…`; several sign
 * it several times, as while one is being replaced. None of it is checked, so that wrong ones can be tried.
 */
export function signed(
  event: TestEvent,
  secret: string | readonly string[],
  {
    url = 'http://localhost/webhooks',
    signedAt = new Date(),
    attempt = 1,
    deliveryId = newId(),
  }: SignedOptions = {},
): SignedRequest {
  const {
    type,
    data = {},
    id = newId(),
    timestamp = signedAt.toISOString(),
    project_id = newId(),
    ...rest
  } = event
  const body = JSON.stringify({ id, timestamp, type, api_version: 'v1', project_id, ...rest, data })
  const secrets = typeof secret === 'string' ? [secret] : secret
  const input = { eventId: id, eventType: type, deliveryId, attempt, body, secrets, headers: {}, url }
  const { headers } = sign(input, signedAt)
  return {
    method: 'POST',
    url,
    headers,
    body,
    request: () => new Request(url, { method: 'POST', headers, body }),
  }
}
