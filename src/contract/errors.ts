/** Every error code with its HTTP status and title. Codes are stable; details are for people and may change. */
export const errorCodes = {
  bad_json: { status: 400, title: 'The body is not JSON' },
  bad_request: { status: 400, title: 'The request cannot be read' },
  unauthorized: { status: 401, title: 'A valid key is needed' },
  forbidden: { status: 403, title: 'The key may not do this' },
  not_found: { status: 404, title: 'There is no such thing' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  conflict: { status: 409, title: 'The state of the thing does not allow this' },
  already_exists: { status: 409, title: 'The id or name is taken' },
  payload_expired: { status: 409, title: 'The payload is not kept any more' },
  event_conflict: { status: 409, title: 'The event id was published before with other content' },
  too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json' },
  validation_failed: { status: 422, title: 'The input is not valid' },
  rate_limited: { status: 429, title: 'Too many requests' },
  backlog_full: { status: 429, title: 'Too many deliveries of the project wait' },
  internal: { status: 500, title: 'Something went wrong on our side' },
  unavailable: { status: 503, title: 'The database cannot be reached' },
} as const satisfies Record<string, { status: number; title: string }>

export type ErrorCode = keyof typeof errorCodes

/** What is wrong with one field: `path` as in `events[3].data` or `url`, empty for the whole body. */
export interface FieldError {
  path: string
  message: string
}

export interface PostriderErrorOptions extends ErrorOptions {
  errors?: readonly FieldError[]
  /** For `rate_limited`, `backlog_full` and `unavailable`: when to try again. */
  retryAfterSeconds?: number
}

/** What the API answers as problem+json and the library throws: `code` is for programs, `message` for people. */
export class PostriderError extends Error {
  override readonly name = 'PostriderError'
  readonly code: ErrorCode
  readonly status: number
  readonly title: string
  readonly errors: readonly FieldError[]
  readonly retryAfterSeconds: number | undefined

  constructor(code: ErrorCode, detail: string, options: PostriderErrorOptions = {}) {
    super(detail, options)
    this.code = code
    this.status = errorCodes[code].status
    this.title = errorCodes[code].title
    this.errors = options.errors ?? []
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** The error for one field that is wrong. */
export function invalidField(path: string, message: string, options?: ErrorOptions): PostriderError {
  return new PostriderError('validation_failed', path === '' ? message : `${path} ${message}`, {
    ...options,
    errors: [{ path, message }],
  })
}

/** The error for what does not exist, or belongs to another project. */
export function notFound(what: string): PostriderError {
  return new PostriderError('not_found', `There is no such ${what}.`)
}
