import { routes } from '../contract/routes.ts'
import { newId } from '../ids.ts'
import type { Logger } from '../log.ts'
import { currentTraceId } from '../tracing.ts'
import type { Caller } from './authorize.ts'
import type { Context } from './context.ts'

interface Observer {
  logger: Logger
  addressOf: ((env: unknown) => string | undefined) | undefined
}

/** Around every request: its id, the headers that make answers safe in browsers, and its line in the log. */
export function observe({ logger, addressOf }: Observer) {
  return async (context: Context, next: () => Promise<void>): Promise<void> => {
    const startedMs = performance.now()
    const given = context.req.header('x-request-id') ?? ''
    context.set('requestId', /^[\w.:/+=-]{1,128}$/.test(given) ? given : newId())
    context.set('address', addressOf?.(context.env))
    await next()
    const { headers } = context.res
    headers.set('x-request-id', context.get('requestId'))
    headers.set('x-content-type-options', 'nosniff')
    headers.set('referrer-policy', 'no-referrer')
    if (!headers.has('cache-control')) headers.set('cache-control', 'no-store')
    if (!headers.has('content-security-policy')) {
      headers.set('content-security-policy', "default-src 'none'; frame-ancestors 'none'")
    }
    log(context, logger, performance.now() - startedMs)
  }
}

/** One line with the ids that lead further; never a key, a body or a query. */
function log(context: Context, logger: Logger, durationMs: number): void {
  const caller = context.get('caller')
  const error = context.get('error')
  const route = context.get('route')
  const line = {
    request_id: context.get('requestId'),
    method: context.req.method,
    route,
    ...context.get('ids'),
    status: context.res.status,
    duration_ms: Math.round(durationMs * 10) / 10,
    address: context.get('address'),
    ...(caller && callerOf(caller)),
    trace_id: currentTraceId(context.req.header('traceparent')),
    ...(error && { code: error.code }),
  }
  if (error && error.status >= 500) logger.error({ ...line, error: error.cause ?? error }, 'request failed')
  else if (route !== undefined && probes.has(route)) logger.debug(line, 'request')
  else logger.info(line, 'request')
}

function callerOf(caller: Caller): Record<string, string> {
  if (caller.kind === 'user') return { user_id: caller.id }
  return { key_id: caller.kind === 'admin' ? 'admin' : caller.id }
}

/** Asked for every few seconds by machines. */
const probes = new Set<string>([routes.health.path, routes.readiness.path, routes.metrics.path])
