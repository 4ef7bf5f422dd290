import { errorOf, PostriderApiError } from './error.ts'

/** How a server is spoken to. */
export interface Connection {
  /** Without a slash at its end. */
  baseUrl: string
  key: string
  fetch: typeof fetch
  /** For each try, to the end of the answer. */
  timeoutMs: number
  /** How often a call is sent again at most. */
  retries: number
  /** Reads JSON. */
  parse: (text: string) => unknown
}

export interface OutgoingCall {
  method: string
  /** From `/api` on. */
  path: string
  query?: object | undefined
  /** Becomes JSON. */
  body?: unknown
  headers?: Record<string, string>
  /** It may be sent again when it is not known whether it arrived. */
  isRepeatable: boolean
  signal?: AbortSignal | undefined
  timeoutMs?: number | undefined
}

const firstWaitMs = 200
const longestWaitMs = 10_000
/** Whoever is to wait longer decides that for themselves. */
const longestRetryAfterSeconds = 30

/**
 * Makes one call, several times if need be: after no answer, 502, 503 and 504 where it is safe, after 429 always.
 *
 * @throws {PostriderApiError} what the last try ended with; the signal's reason once it is aborted; `TypeError` for what
 *   cannot be written as JSON or in a header
 */
export async function send(connection: Connection, call: OutgoingCall): Promise<unknown> {
  // Before any try: what cannot be written is no matter of the connection, and another try would not help.
  const written = write(connection, call)
  /** An earlier try may have done it, unseen. */
  let mayBeDone = false
  for (let tries = 0; ; tries += 1) {
    try {
      return await trySending(connection, call, written)
    } catch (error) {
      if (!(error instanceof PostriderApiError)) throw error
      if (mayBeDone && call.method === 'DELETE' && error.status === 404) return undefined
      if (tries >= connection.retries || !mayBeSentAgain(error, call)) throw error
      mayBeDone ||= error.status !== 429
      await pause(waitMs(tries, error.retryAfterSeconds), call.signal)
    }
  }
}

function mayBeSentAgain(
  { code, status, retryAfterSeconds = 0 }: PostriderApiError,
  call: OutgoingCall,
): boolean {
  if (retryAfterSeconds > longestRetryAfterSeconds) return false
  if (status === 429) return true
  const mayPass = code === 'unreachable' || code === 'timeout' || [502, 503, 504].includes(status)
  return mayPass && call.isRepeatable
}

/** Doubles each time, and half of it is chance, so that many clients do not come back together. */
export function waitMs(tries: number, retryAfterSeconds?: number): number {
  const ms = Math.min(longestWaitMs, firstWaitMs * 2 ** tries) * (0.5 + Math.random() / 2)
  return retryAfterSeconds === undefined ? ms : Math.max(retryAfterSeconds * 1_000, Math.min(ms, 1_000))
}

export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms)
    const abort = () => {
      clearTimeout(timer)
      reject(signal!.reason as Error)
    }
    function done(): void {
      signal?.removeEventListener('abort', abort)
      resolve()
    }
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort, { once: true })
  })
}

async function trySending(
  connection: Connection,
  call: OutgoingCall,
  written: WrittenCall,
): Promise<unknown> {
  const timeout = AbortSignal.timeout(call.timeoutMs ?? connection.timeoutMs)
  const signal = call.signal ? AbortSignal.any([call.signal, timeout]) : timeout
  const { status, text } = await guarded(connection, call.signal, async () => {
    const response = await request(connection, written, signal)
    if (!response.ok) throw await errorOf(response)
    return { status: response.status, text: await response.text() }
  })
  if (text === '') return undefined
  try {
    return connection.parse(text)
  } catch (cause) {
    throw new PostriderApiError('bad_answer', 'The answer is not JSON.', { status, cause })
  }
}

/** What goes wrong on the way, as one of our errors. */
export async function guarded<Result>(
  { baseUrl }: Connection,
  callersSignal: AbortSignal | undefined,
  run: () => Promise<Result>,
): Promise<Result> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof PostriderApiError) throw error
    if (callersSignal?.aborted) throw callersSignal.reason
    const isLate = error instanceof Error && error.name === 'TimeoutError'
    const why = isLate ? 'it took too long' : reasonOf(error)
    throw new PostriderApiError(isLate ? 'timeout' : 'unreachable', `No answer from ${baseUrl}: ${why}.`, {
      cause: error,
    })
  }
}

/** `fetch failed` says less than what caused it. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { message?: string; code?: string } }
  return cause?.message || cause?.code || message || String(error)
}

interface WrittenCall {
  url: string
  init: RequestInit
}

export function write(
  { baseUrl, key }: Connection,
  { method, path, query, body, headers }: OutgoingCall,
): WrittenCall {
  const search = new URLSearchParams(
    Object.entries(query ?? {})
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([name, value]) => [name, String(value)]),
  ).toString()
  return {
    url: `${baseUrl}${path}${search && `?${search}`}`,
    init: {
      method,
      headers: new Headers({
        authorization: `Bearer ${key}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      }),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    },
  }
}

export function request(
  connection: Connection,
  { url, init }: WrittenCall,
  signal: AbortSignal,
): Promise<Response> {
  return connection.fetch(url, { ...init, signal })
}
