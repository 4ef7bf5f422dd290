import { type Key, keysOf } from './keys.ts'
import { VerificationError } from './verification-error.ts'

export { VerificationError, type VerificationErrorCode } from './verification-error.ts'

/** The event that a webhook request carries. Fields that the event does not have are absent. */
export interface VerifiedEvent<Data = unknown> {
  /** The same for every attempt: remember it to process an event once. */
  id: string
  /** When it was published, RFC 3339. */
  timestamp: string
  type: string
  api_version: string
  project_id: string
  application_id?: string
  environment_name?: string
  data: Data
}

/** The headers of the request: a `Headers`, Node's `request.headers`, or any object of names and values. */
export type RequestHeaders =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>

export interface VerifyOptions {
  /** The webhook's secret, `whsec_…`, or its public key, `whpk_…`; several while one is being replaced. */
  secret: string | readonly string[]
  headers: RequestHeaders
  /** The body as it came in, before any parsing. */
  body: string | Uint8Array | ArrayBuffer
  /** How far the request's time may be from now, in seconds, in both directions. */
  toleranceSeconds?: number
  /** The moment to compare with; now by default. */
  now?: Date
}

/**
 * Checks the signature of a webhook request (Standard Webhooks 1.0) and answers its event, or throws a
 * `VerificationError`.
 *
 *     app.post('/webhooks', express.raw({ type: 'application/json' }), (request, response) => {
 *       const event = verify({ secret: process.env.WEBHOOK_SECRET, headers: request.headers, body: request.body })
 *       console.log(event.type, event.data)
 *       response.sendStatus(204)
 *     })
 */
export function verify<Data = unknown>(options: VerifyOptions): VerifiedEvent<Data> {
  const keys = keysOf(options.secret)
  const body = rawBytes(options.body)
  const id = requireHeader(options.headers, 'webhook-id')
  const timestamp = requireHeader(options.headers, 'webhook-timestamp')
  const signatures = requireHeader(options.headers, 'webhook-signature')
  checkTimestamp(timestamp, options.now ?? new Date(), options.toleranceSeconds ?? 300)
  const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body])
  const given = signatures.split(' ', maxSignatures)
  if (!keys.some((key) => given.some(key.signed(content)))) {
    throw new VerificationError('signature_mismatch', mismatch(keys, given, body))
  }
  return parse<Data>(body)
}

/** A request carries one for each secret that is valid; a flood of them would take its time to check. */
const maxSignatures = 20

function mismatch(keys: readonly Key[], signatures: readonly string[], body: Uint8Array): string {
  if (body.length === 0) return 'the body is empty: something read it before, such as a JSON parser'
  const has = (scheme: string) => signatures.some((signature) => signature.startsWith(`${scheme},`))
  if (has('v1a') && keys.every(({ scheme }) => scheme === 'v1')) {
    return 'the request is signed with a private key (v1a): pass the public key of the webhook, "whpk_…"'
  }
  if (has('v1') && keys.every(({ scheme }) => scheme === 'v1a')) {
    return 'the request is signed with a shared secret (v1): pass the secret of the webhook, "whsec_…"'
  }
  return 'no signature fits: the secret is another one, or the body is not byte for byte what was sent'
}

function rawBytes(body: unknown): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Uint8Array) return body
  if (body instanceof ArrayBuffer) return new Uint8Array(body)
  throw new VerificationError(
    'body_not_raw',
    'pass the raw body (string or bytes), not the parsed one: parsing and writing JSON again changes the bytes that ' +
      'were signed. Express: express.raw({ type: "application/json" }); fetch: await request.text()',
  )
}

function requireHeader(headers: RequestHeaders, name: string): string {
  const value = headers ? findHeader(headers, name) : undefined
  if (!value) throw new VerificationError('missing_header', `the request has no ${name} header`)
  return value
}

function findHeader(headers: RequestHeaders, name: string): string | undefined {
  if (typeof headers.get === 'function') return headers.get(name) ?? undefined
  const value = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1]
  return typeof value === 'string' ? value : value?.join(' ')
}

function checkTimestamp(timestamp: string, now: Date, toleranceSeconds: number): void {
  if (!/^\d{1,12}$/.test(timestamp)) {
    throw new VerificationError('invalid_timestamp', 'webhook-timestamp is not a number of seconds')
  }
  const ageSeconds = now.getTime() / 1_000 - Number(timestamp)
  if (ageSeconds > toleranceSeconds) {
    throw new VerificationError(
      'timestamp_too_old',
      `the request is ${Math.round(ageSeconds)} seconds old: it is a replay, or a clock is wrong`,
    )
  }
  if (!(ageSeconds >= -toleranceSeconds)) {
    throw new VerificationError(
      'timestamp_too_new',
      `the request is ${Math.round(-ageSeconds)} seconds in the future: a clock is wrong`,
    )
  }
}

function parse<Data>(body: Uint8Array): VerifiedEvent<Data> {
  try {
    return JSON.parse(
      Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString(),
    ) as VerifiedEvent<Data>
  } catch (cause) {
    throw new VerificationError('invalid_json', 'the signature fits, but the body is not JSON', { cause })
  }
}
