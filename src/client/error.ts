import type { ErrorCode, FieldError } from '../contract/errors.ts'

/**
 * `unreachable`: no answer came. `timeout`: none came in time. `bad_answer`: it was none of Postrider's, as from a proxy in
 * between. All others are the server's.
 */
export type ApiErrorCode = ErrorCode | 'unreachable' | 'timeout' | 'bad_answer'

interface Details extends ErrorOptions {
  /** 0 where no answer came. */
  status?: number
  errors?: readonly FieldError[]
  requestId?: string | undefined
  retryAfterSeconds?: number | undefined
}

/** A call that was refused, or got no answer. `code` is for programs, `detail` for people. */
export class PostriderApiError extends Error {
  override readonly name = 'PostriderApiError'
  readonly code: ApiErrorCode
  /** HTTP status; 0 where no answer came. */
  readonly status: number
  readonly detail: string
  /** What is wrong with which field, for `validation_failed`. */
  readonly errors: readonly FieldError[]
  /** What the server's log knows the call by. */
  readonly requestId: string | undefined
  /** When the server wants to be asked again. */
  readonly retryAfterSeconds: number | undefined

  constructor(code: ApiErrorCode, detail: string, details: Details = {}) {
    super(detail, details)
    this.code = code
    this.detail = detail
    this.status = details.status ?? 0
    this.errors = details.errors ?? []
    this.requestId = details.requestId
    this.retryAfterSeconds = details.retryAfterSeconds
  }
}

/** The error that an answer other than 2xx tells of. */
export async function errorOf(response: Response): Promise<PostriderApiError> {
  const { status, headers } = response
  const problem = await problemOf(response)
  return new PostriderApiError(
    problem.code ?? 'bad_answer',
    problem.detail ?? problem.title ?? `The server answered ${status}.`,
    {
      status,
      errors: problem.errors ?? [],
      requestId: headers.get('x-request-id') ?? undefined,
      retryAfterSeconds: retryAfter(headers.get('retry-after')),
    },
  )
}

interface Problem {
  code?: ErrorCode
  title?: string
  detail?: string
  errors?: FieldError[]
}

/** RFC 9457; what is none has no code. */
async function problemOf(response: Response): Promise<Problem> {
  try {
    const problem: unknown = JSON.parse(await response.text())
    return typeof problem === 'object' && problem ? problem : {}
  } catch {
    return {}
  }
}

/** Seconds or a date (RFC 9110, 10.2.3). */
function retryAfter(text: string | null): number | undefined {
  if (text === null) return undefined
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1_000
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds)
}
