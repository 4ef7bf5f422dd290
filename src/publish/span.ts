import { context, type Span, SpanKind, trace, type Tracer } from '@opentelemetry/api'
import { PostriderError } from '../contract/errors.ts'
import { contextOf, markFailed, traceparentOf } from '../tracing.ts'
import type { Publication } from './publish.ts'

/** What is published, as its span tells it. */
export interface Published {
  projectId: string
  /** Of each event, where they are known. */
  types: readonly string[] | undefined
  /** The parent that came with a request. */
  traceparent?: string | undefined
}

/**
 * Publishes within a producer span, and hands over what the deliveries hang their own spans below. It is below the span
 * around it, of the application or of what instruments its server, else below the parent that came with the request.
 */
export async function publishInSpan<Result>(
  tracer: Tracer,
  published: Published,
  publish: (traceparent: string | undefined) => Promise<Result>,
): Promise<Result> {
  const around = context.active()
  const span = tracer.startSpan(
    nameOf(published),
    { kind: SpanKind.PRODUCER, attributes: attributesOf(published) },
    trace.getSpanContext(around) ? around : contextOf(published.traceparent, around),
  )
  try {
    const result = await context.with(trace.setSpan(around, span), () =>
      publish(traceparentOf(span) ?? published.traceparent),
    )
    tellResult(span, result)
    return result
  } catch (error) {
    const type = error instanceof PostriderError ? error.code : 'internal'
    markFailed(span, { type, words: `not published: ${type}` })
    throw error
  } finally {
    span.end()
  }
}

function nameOf({ types = [] }: Published): string {
  return types.length === 1 ? `publish ${types[0]}` : 'publish'
}

function attributesOf({ projectId, types = [] }: Published) {
  return {
    'messaging.system': 'postrider',
    'messaging.operation.name': 'publish',
    'messaging.operation.type': 'send',
    'postrider.project.id': projectId,
    ...(types.length === 1 && { 'messaging.destination.name': types[0]! }),
    ...(types.length > 1 && { 'messaging.batch.message_count': types.length }),
  }
}

function tellResult(span: Span, result: unknown): void {
  const [first, ...more] = (Array.isArray(result) ? result : [result]) as Partial<Publication>[]
  if (more.length > 0 || first?.id === undefined) return
  span.setAttributes({
    'messaging.message.id': first.id,
    'postrider.deliveries': first.deliveries,
    'postrider.duplicate': first.duplicate,
  })
}
