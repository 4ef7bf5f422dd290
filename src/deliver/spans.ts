import { type Link, type Span, type SpanContext, SpanKind, type Tracer } from '@opentelemetry/api'
import { readTraceparent } from '../traceparent.ts'
import { contextOf, markFailed, spanContextOf } from '../tracing.ts'
import { attemptNumber, type ClaimedDelivery } from './claim.ts'
import type { Outcome } from './judge.ts'
import type { Answer, SendError } from './send.ts'

/** The SDK keeps no more of one span by default. */
const maxLinks = 128

/**
 * The span of a claim, made once it is known what it brought: a worker that finds nothing twice a second is no trace. It
 * belongs to many traces, so it begins its own, linked to the events that are sent of it; each attempt links back to it.
 */
export function traceClaim(
  tracer: Tracer,
  claimed: readonly ClaimedDelivery[],
  { workerId, startedAtMs }: { workerId: string; startedAtMs: number },
): void {
  const span = tracer.startSpan('claim', {
    root: true,
    kind: SpanKind.CLIENT,
    startTime: startedAtMs,
    links: linksTo(claimed),
    attributes: {
      'messaging.system': 'postrider',
      'messaging.operation.name': 'claim',
      'messaging.operation.type': 'receive',
      'messaging.batch.message_count': claimed.length,
      'postrider.worker.id': workerId,
    },
  })
  span.end()
  for (const delivery of claimed) delivery.claim_span = span.spanContext()
}

function linksTo(claimed: readonly ClaimedDelivery[]): Link[] {
  const parents = new Set(claimed.map(({ traceparent }) => readTraceparent(traceparent)))
  parents.delete(undefined)
  return Array.from(parents as Set<string>)
    .slice(0, maxLinks)
    .map((parent) => ({ context: spanContextOf(parent) }))
}

/** The span of one attempt, in the trace of its event; of an event without one it begins a trace. */
export function startAttempt(tracer: Tracer, delivery: ClaimedDelivery): Span {
  const attempt = attemptNumber(delivery)
  return tracer.startSpan(
    `deliver ${delivery.event_type}`,
    {
      kind: SpanKind.CLIENT,
      links: linkTo(delivery.claim_span),
      attributes: {
        'messaging.system': 'postrider',
        'messaging.operation.name': 'deliver',
        'messaging.destination.name': delivery.event_type,
        'messaging.message.id': delivery.event_id,
        'postrider.project.id': delivery.project_id,
        'postrider.webhook.id': delivery.webhook_id,
        'postrider.delivery.id': delivery.id,
        'postrider.attempt': attempt,
        'http.request.method': 'POST',
        ...(attempt > 1 && { 'http.request.resend_count': attempt - 1 }),
        ...placeOf(delivery.url),
      },
    },
    contextOf(readTraceparent(delivery.traceparent)),
  )
}

function linkTo(claim: SpanContext | undefined): Link[] {
  return claim ? [{ context: claim }] : []
}

/** Without query and userinfo, and without the path: to Slack, Discord and many others it is the secret. */
function placeOf(url: string): Record<string, string | number> {
  const { origin, hostname, port, protocol, pathname, search } = URL.parse(url) ?? {}
  if (!hostname) return {}
  const hidden = pathname === '/' && search === '' ? '/' : '/REDACTED'
  return {
    'url.full': `${origin}${hidden}`,
    'server.address': hostname,
    'server.port': port === '' ? (protocol === 'http:' ? 80 : 443) : Number(port),
  }
}

/** `outcome`: none where the worker had to stop. */
export function endAttempt(span: Span, answer: Answer | SendError, outcome: Outcome | undefined): void {
  span.setAttribute('postrider.outcome', outcome?.kind ?? 'interrupted')
  if (answer.kind === 'answer') span.setAttribute('http.response.status_code', answer.status)
  if (outcome?.kind !== 'delivered') {
    const type = answer.kind === 'answer' ? String(answer.status) : answer.class
    markFailed(span, { type, words: outcome?.error ?? 'interrupted' })
  }
  span.end()
}
