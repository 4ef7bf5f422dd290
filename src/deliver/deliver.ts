import type { Clock } from '../clock.ts'
import { ShapeError } from '../shape/shape-error.ts'
import { readTraceparent, traceIdOf } from '../traceparent.ts'
import { registeredTracer, traceparentOf, withoutInstrumentation } from '../tracing.ts'
import { attemptNumber, type ClaimedDelivery } from './claim.ts'
import { judge, type Outcome } from './judge.ts'
import type { Life } from './life.ts'
import type { Recorder } from './record.ts'
import { redactAnswer, redactHeaders } from './redact.ts'
import type { Attempt } from './results.ts'
import type { Answer, SendError, Sender } from './send.ts'
import { bodyOf, judgeByFilter, shapingTurn } from './shaping.ts'
import { addTraceparent, sign, type SignedRequest } from './sign.ts'
import { endAttempt, startAttempt } from './spans.ts'

/** What opens the secrets of a claimed delivery: see the registry. */
export interface Credentials {
  signingSecrets(delivery: ClaimedDelivery, now: Date): string[]
  ownHeaders(delivery: ClaimedDelivery): Record<string, string>
}

export interface Deliverer {
  clock: Clock
  credentials: Credentials
  sender: Sender
  recorder: Recorder
  life: Life
  retrySeconds: readonly number[]
  timeoutMs: number
  /** Ends the attempt without a result, when the worker must stop. */
  signal: AbortSignal
}

/**
 * `filtered`: its webhook's filter kept it back. `interrupted`: the worker stopped it. `superseded`: this life was ended
 * and the delivery is somebody else's.
 */
export type Ending =
  | { outcome: Outcome; durationMs: number; traceId: string | undefined }
  | 'filtered'
  | 'interrupted'
  | 'superseded'

/**
 * One delivery, from claimed row to recorded outcome. What a receiver does wrong is an outcome, not an exception.
 * `onAnswer` is called when the receiver has answered, or nothing more is to come, without an answer if nothing was sent: the
 * slot is free, the result not written yet.
 */
export async function deliver(
  delivery: ClaimedDelivery,
  deliverer: Deliverer,
  onAnswer: (answer?: Answer | SendError) => void,
): Promise<Ending> {
  if (delivery.shape) await shapingTurn()
  const startedAt = deliverer.clock.now()
  // The claim's answer was long on its way, or this process stood still: somebody else may be sending it by now.
  if (!deliverer.life.holds) return 'interrupted'
  if (delivery.payload === '') return endUnsent(delivery, deliverer, startedAt, onAnswer)
  const verdict = judgeByFilter(delivery)
  if (verdict && !verdict.matches) {
    onAnswer()
    const isFiltered = await deliverer.recorder.record({ delivery, filtered: verdict.reason })
    return isFiltered ? 'filtered' : 'superseded'
  }
  const tracer = registeredTracer()
  const span = tracer && startAttempt(tracer, delivery)
  const traceparent = (span && traceparentOf(span)) ?? readTraceparent(delivery.traceparent)
  const request = prepare(delivery, deliverer, startedAt)
  if (traceparent !== undefined && !('kind' in request)) addTraceparent(request, traceparent)
  const answer =
    'kind' in request
      ? request
      : await (span
          ? withoutInstrumentation(() => send(delivery, deliverer, request))
          : send(delivery, deliverer, request))
  onAnswer(answer)
  if (answer.kind === 'error' && answer.class === 'aborted') {
    if (span) endAttempt(span, answer, undefined)
    return 'interrupted'
  }
  const outcome = judge(
    answer,
    { attempts: delivery.attempts, maxAttempts: delivery.max_attempts },
    {
      now: deliverer.clock.now(),
      retrySeconds: delivery.retry_seconds ?? deliverer.retrySeconds,
      random: Math.random,
    },
  )
  if (span) endAttempt(span, answer, outcome)
  const attempt = describeAttempt({ delivery, request, answer, startedAt })
  const written = await deliverer.recorder.record({ delivery, outcome, attempt })
  if (!written) return 'superseded'
  return { outcome, durationMs: answer.durationMs, traceId: traceparent && traceIdOf(traceparent) }
}

/** Nobody makes such a delivery wait again, but for a race with who takes the payload: it fails, and no empty body is sent. */
async function endUnsent(
  delivery: ClaimedDelivery,
  { recorder }: Deliverer,
  startedAt: Date,
  onAnswer: () => void,
): Promise<Ending> {
  onAnswer()
  const answer: SendError = { kind: 'error', class: 'request', error: 'payload expired', durationMs: 0 }
  const outcome: Outcome = { kind: 'failed', responseStatus: null, error: answer.error }
  const attempt = describeAttempt({ delivery, request: answer, answer, startedAt })
  const written = await recorder.record({ delivery, outcome, attempt })
  return written ? { outcome, durationMs: 0, traceId: undefined } : 'superseded'
}

function send(
  delivery: ClaimedDelivery,
  { sender, life, signal, timeoutMs }: Deliverer,
  request: SignedRequest,
): Promise<Answer | SendError> {
  return sender.send(request, {
    timeoutMs: delivery.timeout_ms ?? timeoutMs,
    signal,
    maySend: () => life.holds,
  })
}

/** The signed request, or why there can be none: a secret whose key is missing is repaired by its owner, not lost. */
function prepare(
  delivery: ClaimedDelivery,
  { credentials }: Deliverer,
  now: Date,
): SignedRequest | SendError {
  try {
    return sign(
      {
        eventId: delivery.event_id,
        eventType: delivery.event_type,
        deliveryId: delivery.id,
        attempt: attemptNumber(delivery),
        body: bodyOf(delivery),
        secrets: credentials.signingSecrets(delivery, now),
        headers: credentials.ownHeaders(delivery),
        url: delivery.url,
      },
      now,
    )
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    const what = error instanceof ShapeError ? 'has no body' : 'cannot be signed'
    return { kind: 'error', class: 'request', error: `${what}: ${detail}`, durationMs: 0 }
  }
}

interface AttemptParts {
  delivery: ClaimedDelivery
  request: SignedRequest | SendError
  answer: Answer | SendError
  startedAt: Date
}

function describeAttempt({ delivery, request, answer, startedAt }: AttemptParts): Attempt {
  const sent = 'kind' in request ? {} : request.headers
  const ownNames = Object.keys(delivery.headers ?? {})
  const ownValues = ownNames.map((name) => sent[name] ?? '')
  const received = answer.kind === 'answer' ? redactAnswer(answer, ownValues) : undefined
  return {
    startedAt,
    durationMs: answer.durationMs,
    requestHeaders: redactHeaders(sent, ownNames),
    responseHeaders: received?.headers ?? null,
    responseBody: received?.body ?? null,
  }
}
