import { createHmac, timingSafeEqual } from 'node:crypto'

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
  /** The webhook's secret, `whsec_…`; several while one is being replaced. */
  secret: string | readonly string[]
  headers: RequestHeaders
  /** The body as it came in, before any parsing. */
  body: string | Uint8Array | ArrayBuffer
  /** How far the request's time may be from now, in seconds, in both directions. */
  toleranceSeconds?: number
  /** The moment to compare with; now by default. */
  now?: Date
}

export type VerificationErrorCode =
  | 'invalid_secret'
  | 'body_not_raw'
  | 'missing_header'
  | 'invalid_timestamp'
  | 'timestamp_too_old'
  | 'timestamp_too_new'
  | 'signature_mismatch'
  | 'invalid_json'

/**
 * The request is not one that Postrider signed with this secret just now. Answer 401 and do nothing else.
 * `invalid_secret` and `body_not_raw` are mistakes in the receiver's own code.
 */
export class VerificationError extends Error {
  override readonly name = 'VerificationError'
  readonly code: VerificationErrorCode

  constructor(code: VerificationErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
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
  const expected = keys.map((key) => signatureOf(key, id, timestamp, body))
  if (!anyEqual(signatures.split(' '), expected)) {
    throw new VerificationError(
      'signature_mismatch',
      'no signature fits: the secret is another one, or the body is not byte for byte what was sent',
    )
  }
  return parse<Data>(body)
}

function keysOf(secret: string | readonly string[]): Buffer[] {
  const secrets = typeof secret === 'string' ? [secret] : secret
  if (!Array.isArray(secrets) || secrets.length === 0) {
    throw new VerificationError(
      'invalid_secret',
      'no secret was given: pass the secret of the webhook, "whsec_…"',
    )
  }
  return secrets.map(keyOf)
}

function keyOf(secret: unknown): Buffer {
  const base64 = typeof secret === 'string' ? secret.replace(/^whsec_/, '') : ''
  // An empty or short key would let anybody sign.
  const key = /^[A-Za-z0-9+/]+={0,2}$/.test(base64) ? Buffer.from(base64, 'base64') : Buffer.alloc(0)
  if (key.length >= 24) return key
  throw new VerificationError('invalid_secret', 'the secret is not one of a webhook: "whsec_" and base64')
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

function signatureOf(key: Buffer, id: string, timestamp: string, body: Uint8Array): Buffer {
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')
  return Buffer.from(`v1,${signature}`)
}

/** Compares as text, so that no other spelling of the same bytes passes, and in constant time. */
function anyEqual(given: readonly string[], expected: readonly Buffer[]): boolean {
  return given.some((text) => {
    const signature = Buffer.from(text)
    return expected.some((wanted) => signature.length === wanted.length && timingSafeEqual(signature, wanted))
  })
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
