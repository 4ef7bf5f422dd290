import { type FieldError, PostriderError } from '../contract/errors.ts'
import { sqlstate, sqlstateOf } from '../database/sqlstate.ts'
import { isUnavailable, mayPass } from '../database/transient.ts'

/** Something of the schema is not there: its migrations have not run yet, or have been taken back. */
const missing: ReadonlySet<string | undefined> = new Set([
  sqlstate.undefinedTable,
  sqlstate.undefinedColumn,
  sqlstate.undefinedFunction,
  sqlstate.invalidSchemaName,
])

/** Any error as one of ours: of what only the database or a mistake of ours knows, nothing gets out. */
export function asPostriderError(error: unknown): PostriderError {
  if (error instanceof PostriderError) return error
  if (isUnavailable(error)) {
    return new PostriderError('unavailable', 'The database cannot be reached now. Try again.', {
      cause: error,
      retryAfterSeconds: 5,
    })
  }
  if (mayPass(error)) {
    return new PostriderError('unavailable', 'Another change was in the way. Try again.', {
      cause: error,
      retryAfterSeconds: 1,
    })
  }
  if (missing.has(sqlstateOf(error))) {
    return new PostriderError('unavailable', 'The database has not the schema of this version. Try again.', {
      cause: error,
      retryAfterSeconds: 5,
    })
  }
  return new PostriderError(
    'internal',
    'Something went wrong on our side. The logs tell more under the x-request-id.',
    {
      cause: error,
    },
  )
}

/** RFC 9457. */
export function problemAnswer({
  status,
  title,
  code,
  message,
  errors,
  retryAfterSeconds,
}: PostriderError): Response {
  const problem = {
    type: 'about:blank',
    title,
    status,
    code,
    detail: message.toWellFormed(),
    ...(errors.length > 0 && { errors: errors.map(wellFormed) }),
  }
  return new Response(JSON.stringify(problem), {
    status,
    headers: {
      'content-type': 'application/problem+json',
      ...(retryAfterSeconds !== undefined && { 'retry-after': String(Math.ceil(retryAfterSeconds)) }),
      ...(code === 'unauthorized' && { 'www-authenticate': 'Bearer realm="postrider"' }),
    },
  })
}

/** What repeats a name of the caller's may hold, or have been cut to, half of a character, which many readers refuse. */
function wellFormed({ path, message }: FieldError): FieldError {
  return { path: path.toWellFormed(), message: message.toWellFormed() }
}
