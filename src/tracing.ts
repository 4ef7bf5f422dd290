import {
  type Context,
  context,
  createContextKey,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api'
import { readTraceparent, traceIdOf } from './traceparent.ts'
import { version } from './version.ts'

/**
 * What all spans have in common. Spans are made where the application around us has registered a tracer provider, and
 * go where it sends them: this is the API alone.
 */

/** What a provider is until somebody registers one. */
const nobody = new ProxyTracerProvider().getDelegate()

/**
 * The tracer, where there is one. Whoever makes spans asks this first: without one all of tracing is this question, 20 ns
 * and no memory.
 */
export function registeredTracer(): Tracer | undefined {
  const provider = trace.getTracerProvider()
  if (provider instanceof ProxyTracerProvider && provider.getDelegate() === nobody) return undefined
  return provider.getTracer('postrider', version)
}

/** Where a span hangs below that is in no process of ours, or ended long ago; without one it begins a trace. */
export function contextOf(traceparent: string | undefined, around: Context = ROOT_CONTEXT): Context {
  return traceparent === undefined ? around : trace.setSpanContext(around, spanContextOf(traceparent))
}

/** Of one that was read by `readTraceparent`. */
export function spanContextOf(traceparent: string): SpanContext {
  return {
    traceId: traceIdOf(traceparent),
    spanId: traceparent.slice(36, 52),
    traceFlags: Number.parseInt(traceparent.slice(53, 55), 16),
    isRemote: true,
  }
}

/** What is passed on so that others hang their spans below this one; undefined where it is no real span. */
export function traceparentOf(span: Span): string | undefined {
  const { traceId, spanId, traceFlags } = span.spanContext()
  return readTraceparent(`00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`)
}

/** The trace that a request belongs to: of the span around it, or by its header. */
export function currentTraceId(header: string | null | undefined): string | undefined {
  const around = trace.getActiveSpan()?.spanContext()
  if (around && trace.isSpanContextValid(around)) return around.traceId
  const given = readTraceparent(header)
  return given && traceIdOf(given)
}

/** `words` must hold no secret: they leave this process. */
export function markFailed(span: Span, { type, words }: { type: string; words: string }): void {
  span.setAttribute('error.type', type)
  span.setStatus({ code: SpanStatusCode.ERROR, message: words })
}

/** As `suppressTracing` of OpenTelemetry's SDK, which knows it by this name. */
const suppressed = ROOT_CONTEXT.setValue(
  createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING'),
  true,
)

/** Runs it where instrumentation of libraries makes no spans and adds no header of its own to a request that is signed. */
export function withoutInstrumentation<Result>(work: () => Result): Result {
  return context.with(suppressed, work)
}
