import type { Secret } from './secrets.ts'
import { VerificationError } from './verification-error.ts'

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

/** What is left to do when all but the signatures is known to be right. */
export interface SignedRequest {
  body: Uint8Array
  /** The bytes that were signed. */
  content: Uint8Array<ArrayBuffer>
  signatures: readonly string[]
  headers: RequestHeaders
}

/** A request carries one for each secret that is valid; a flood of them would take its time to check. */
const maxSignatures = 20

/** @throws {VerificationError} all codes but `signature_mismatch` and `invalid_json` */
export function readRequest(options: VerifyOptions): SignedRequest {
  const { headers } = options
  const body = rawBytes(options.body)
  // Senders that use the library of Svix name their headers after it.
  const prefix =
    findHeader(headers, 'webhook-id') === undefined && findHeader(headers, 'svix-id') ? 'svix' : 'webhook'
  const id = requireHeader(headers, `${prefix}-id`)
  const timestamp = requireHeader(headers, `${prefix}-timestamp`)
  const signatures = requireHeader(headers, `${prefix}-signature`)
  checkTimestamp(timestamp, options.now ?? new Date(), options.toleranceSeconds ?? 300)
  const head = new TextEncoder().encode(`${id}.${timestamp}.`)
  const content = new Uint8Array(head.length + body.length)
  content.set(head)
  content.set(body, head.length)
  return { body, content, signatures: signatures.split(' ', maxSignatures), headers }
}

/** @throws {VerificationError} `invalid_json` */
export function parse<Data>(body: Uint8Array): VerifiedEvent<Data> {
  try {
    return JSON.parse(new TextDecoder().decode(body)) as VerifiedEvent<Data>
  } catch (cause) {
    throw new VerificationError('invalid_json', 'the signature fits, but the body is not JSON', { cause })
  }
}

/** None of the signatures fits: why that is, as far as it can be told. */
export function mismatch(
  { signatures, body, headers }: SignedRequest,
  secrets: readonly Secret[],
): VerificationError {
  return new VerificationError('signature_mismatch', reason())

  function reason(): string {
    if (body.length === 0) return 'the body is empty: something read it before, such as a JSON parser'
    const has = (scheme: string) => signatures.some((signature) => signature.startsWith(`${scheme},`))
    if (has('v1a') && secrets.every(({ scheme }) => scheme === 'v1')) {
      return 'the request is signed with a private key (v1a): pass the public key of the webhook, "whpk_…"'
    }
    if (has('v1') && secrets.every(({ scheme }) => scheme === 'v1a')) {
      return 'the request is signed with a shared secret (v1): pass the secret of the webhook, "whsec_…"'
    }
    const sentBytes = Number(findHeader(headers, 'content-length') ?? NaN)
    if (!findHeader(headers, 'content-encoding') && sentBytes >= 0 && sentBytes !== body.length) {
      return (
        `the body has ${body.length} bytes, but ${sentBytes} were sent: something parsed the JSON and wrote it again, ` +
        `which changes the bytes that were signed. ${howToGetItRaw}`
      )
    }
    return 'no signature fits: the secret is another one, or the body is not byte for byte what was sent'
  }
}

const howToGetItRaw =
  'Express: express.raw({ type: "application/json" }), before any express.json(); fetch: await request.text()'

function rawBytes(body: unknown): Uint8Array {
  if (typeof body === 'string') return new TextEncoder().encode(body)
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
  if (Object.prototype.toString.call(body) === '[object ArrayBuffer]')
    return new Uint8Array(body as ArrayBuffer)
  throw new VerificationError('body_not_raw', `pass the raw body (string or bytes). ${whatItIs(body)}`)
}

function whatItIs(body: unknown): string {
  if (body === undefined || body === null) {
    return `There is none: nothing has read it yet, or something read it away. ${howToGetItRaw}`
  }
  if (typeof body === 'object' && 'then' in body) return 'This is a promise of it: await it first.'
  if (typeof body === 'object' && ('getReader' in body || 'pipe' in body || 'arrayBuffer' in body)) {
    return 'This is something to read it from: await request.text(), or gather its chunks.'
  }
  return `This one is parsed: writing JSON again changes the bytes that were signed. ${howToGetItRaw}`
}

function requireHeader(headers: RequestHeaders, name: string): string {
  const value = findHeader(headers, name)
  if (value) return value
  throw new VerificationError(
    'missing_header',
    `the request has no ${name} header: it is no webhook, a proxy took it away, or these are not its headers`,
  )
}

function findHeader(headers: RequestHeaders | undefined, name: string): string | undefined {
  if (!headers) return undefined
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
