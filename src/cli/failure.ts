import { PostriderApiError } from '../client/error.ts'
import { ConfigError } from '../config.ts'

/**
 * How the command ends, also in `postrider --help`. A second SIGINT or SIGTERM ends it at once with 128 + its
 * number, as a shell expects; `psql` answers with its own status.
 */
export const exitCodes = {
  done: 0,
  failed: 1,
  misused: 2,
  /** No server answered. */
  unreachable: 3,
  /** The key is not known, or may not do this. */
  refused: 4,
  notFound: 5,
  /** The state of the thing does not allow it. */
  conflict: 6,
} as const

/** A reason to stop that says all a person needs: it is told without a stack. */
export class Failure extends Error {
  readonly exitCode: number

  constructor(message: string, { exitCode = exitCodes.failed, ...options }: FailureOptions = {}) {
    super(message, options)
    this.name = 'Failure'
    this.exitCode = exitCode
  }
}

interface FailureOptions extends ErrorOptions {
  exitCode?: number
}

/** What to tell of any error in one or two lines, and the exit code. */
export function describeFailure(error: unknown): { message: string; exitCode: number } {
  if (error instanceof Failure) return { message: error.message, exitCode: error.exitCode }
  if (error instanceof ConfigError) {
    return { message: error.problems.join('\n'), exitCode: exitCodes.misused }
  }
  if (error instanceof PostriderApiError) return describeRefusal(error)
  return { message: inWords(error), exitCode: exitCodes.failed }
}

/** What a server refused, or that none answered, and what to do about it. */
function describeRefusal({ code, status, detail, errors, requestId }: PostriderApiError) {
  const say = (exitCode: number, ...lines: string[]) => ({ message: lines.join('\n'), exitCode })
  if (code === 'unreachable' || code === 'timeout') {
    const where = "'postrider' starts a server; --url or POSTRIDER_URL says where another is"
    return say(exitCodes.unreachable, detail, where)
  }
  if (status === 401) {
    return say(
      exitCodes.refused,
      detail,
      'give a key with --key or POSTRIDER_KEY: a key of the project, or the admin key',
    )
  }
  if (status === 403) return say(exitCodes.refused, detail)
  if (code === 'bad_answer') {
    const where = 'is it Postrider that answers there? --url or POSTRIDER_URL says which server is asked'
    return say(exitCodes.failed, detail, where)
  }
  if (status === 404) return say(exitCodes.notFound, detail)
  if (status === 409) return say(exitCodes.conflict, detail)
  if (code === 'too_large') return say(exitCodes.misused, detail)
  if (code === 'validation_failed') {
    const details = errors.map(({ path, message }) => (path === '' ? message : `${path} ${message}`))
    return say(exitCodes.misused, ...(details.length > 0 ? details : [detail]))
  }
  return say(
    exitCodes.failed,
    detail,
    ...(requestId ? [`the server's log tells more under ${requestId}`] : []),
  )
}

type SystemError = NodeJS.ErrnoException & { address?: string; port?: number; hostname?: string }

function inWords(error: unknown): string {
  // Node tries every address of a name and then has one error for each, and no message of its own.
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...new Set(error.errors.map(inWords))].join('; ')
  }
  if (!(error instanceof Error)) return String(error)
  const { code, address, port, hostname } = error as SystemError
  const place = port === undefined ? address : `${address}:${port}`
  if (code === 'EADDRINUSE')
    return `${place} is in use: stop what listens there, or set another POSTRIDER_PORT`
  if (code === 'EADDRNOTAVAIL') return `${address} is no address of this machine: set another POSTRIDER_HOST`
  if (code === 'ECONNREFUSED') return `nothing answers at ${place}: connection refused`
  if (code === 'ENOTFOUND') return `the host name ${hostname} is not known`
  return error.message || code || error.name
}
