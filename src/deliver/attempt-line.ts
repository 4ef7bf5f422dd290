import { readTraceparent, traceIdOf } from '../traceparent.ts'
import { attemptNumber, type ClaimedDelivery } from './claim.ts'
import type { Ending } from './deliver.ts'
import { statusOf } from './results.ts'

/** The line in the log of an attempt, written when its result is: what became of the delivery, too. See docs/observe.md. */
export function attemptLine(delivery: ClaimedDelivery, ending: Ending, workerId: string): object {
  const ids = {
    delivery_id: delivery.id,
    event_id: delivery.event_id,
    webhook_id: delivery.webhook_id,
    project_id: delivery.project_id,
    event_type: delivery.event_type,
    worker_id: workerId,
    attempt: attemptNumber(delivery),
    max_attempts: delivery.max_attempts,
  }
  if (typeof ending === 'string') {
    const traceparent = readTraceparent(delivery.traceparent)
    return { ...ids, outcome: ending, ...(traceparent && { trace_id: traceIdOf(traceparent) }) }
  }
  const { outcome, durationMs, traceId } = ending
  return {
    ...ids,
    outcome: outcome.kind,
    status: statusOf[outcome.kind],
    response_status: outcome.responseStatus,
    reason: outcome.error,
    duration_ms: durationMs,
    ...(outcome.kind === 'retry' && { retry_at: outcome.retryAt }),
    ...(traceId && { trace_id: traceId }),
  }
}
