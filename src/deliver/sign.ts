import { signatureOf } from '../registry/secret.ts'
import { version } from '../version.ts'

export interface SigningInput {
  eventId: string
  eventType: string
  deliveryId: string
  /** From 1. */
  attempt: number
  /** The exact text that is sent as UTF-8. */
  body: string
  /** Every secret that is valid now (`whsec_…` or `whsk_…`), newest first; each one signs. */
  secrets: readonly string[]
  /** The webhook's own headers. */
  headers: Readonly<Record<string, string>>
  url: string
}

export interface SignedRequest {
  url: string
  headers: Record<string, string>
  body: string
}

/** The request of one attempt, signed at `now` by Standard Webhooks 1.0. */
export function sign(input: SigningInput, now: Date): SignedRequest {
  const timestampSeconds = Math.floor(now.getTime() / 1_000)
  const content = `${input.eventId}.${timestampSeconds}.${input.body}`
  const ours = {
    'content-type': 'application/json',
    'user-agent': `Postrider/${version}`,
    'webhook-id': input.eventId,
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': input.secrets.map((secret) => signatureOf(secret, content)).join(' '),
    'postrider-event': input.eventType,
    'postrider-delivery': input.deliveryId,
    'postrider-attempt': String(input.attempt),
  }
  // Names that collide were refused when the webhook was saved; should one be stored all the same, ours stand.
  const headers: Record<string, string> = ours
  for (const [name, value] of Object.entries(input.headers)) {
    if (!Object.hasOwn(ours, name.toLowerCase())) headers[name] = value
  }
  return { url: input.url, headers, body: input.body }
}

/** Of the trace that the event belongs to. One that is the webhook's own, from before there was this one, stands. */
export function addTraceparent({ headers }: SignedRequest, traceparent: string): void {
  const hasOwn = Object.keys(headers).some((name) => name.toLowerCase() === 'traceparent')
  if (!hasOwn) headers['traceparent'] = traceparent
}
