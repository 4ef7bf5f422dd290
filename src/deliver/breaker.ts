import type { Answer, SendError } from './answer.ts'
import type { FailureClass } from './failure.ts'

/**
 * When an endpoint that is down is left alone, and how it is found to be back. Pure; `breakers.ts` acts.
 *
 *     closed ── 10 attempts in a row find it down ──► open ── a probe goes well ──► half open ── three in all ──► closed
 *                                                      ▲                                │
 *                                                      └────── a probe finds it down ───┘
 *
 * Open, one delivery goes out after 10 s, the next after 20, 40, and then one each minute, over all workers. Half open, two go
 * out at once, then four.
 */

/** What an attempt says of its endpoint: `up` if it answered, whatever it thinks of the event. */
export type Health = 'up' | 'down' | 'unknown'

/** A breaker that is not closed. */
export interface OpenBreaker {
  /** Probes that were sent since it opened or since the last good one: each counts as failed until it has gone well. */
  failedProbes: number
  /** More than none: half open. */
  goodProbes: number
  probeAt: Date
  /** Closed from then on, unless a probe says otherwise before. */
  endsAt: Date
}

export const opensAfter = 10
export const closesAfter = 3
const firstProbeSeconds = 10
const mostProbeSeconds = 60
/** No worker that knows of breakers has sent a probe for so long: none is left, or nothing was to be sent. */
const lapsesAfterSeconds = 300

/** What the want of an answer says. */
const healthOfFailure: Record<FailureClass, Health> = {
  timeout: 'down',
  dns: 'down',
  refused: 'down',
  network: 'down',
  proxy: 'down',
  tls: 'down',
  protocol: 'down',
  blocked: 'unknown',
  request: 'unknown',
  aborted: 'unknown',
}

export function healthOf(answer: Answer | SendError): Health {
  if (answer.kind === 'error') return healthOfFailure[answer.class]
  return answer.status >= 500 || answer.status === 429 ? 'down' : 'up'
}

/** Attempts in a row that found an endpoint down whose breaker is closed; at `opensAfter` it opens. */
export function failuresAfter(failures: number, health: Health): number {
  if (health === 'unknown') return failures
  return health === 'up' ? 0 : failures + 1
}

export function opened(now: Date): OpenBreaker {
  return {
    failedProbes: 0,
    goodProbes: 0,
    probeAt: later(now, firstProbeSeconds),
    endsAt: later(now, lapsesAfterSeconds),
  }
}

/** How many deliveries may go out now. */
export function room({ goodProbes, probeAt, endsAt }: OpenBreaker, now: Date): number {
  if (endsAt <= now) return Infinity
  return probeAt <= now ? 2 ** goodProbes : 0
}

/** Probes go out: `claim_deliveries` does the same in the statement that claims them. */
export function probing(breaker: OpenBreaker, now: Date): OpenBreaker {
  const failedProbes = breaker.failedProbes + 1
  return { ...breaker, failedProbes, probeAt: later(now, probeSeconds(failedProbes)) }
}

/** What a probe found. */
export function probed(breaker: OpenBreaker, health: Health, now: Date): OpenBreaker | 'closed' {
  if (health === 'unknown') return breaker
  const endsAt = later(now, lapsesAfterSeconds)
  if (health === 'up') {
    const goodProbes = breaker.goodProbes + 1
    return goodProbes >= closesAfter ? 'closed' : { goodProbes, failedProbes: 0, probeAt: now, endsAt }
  }
  const soonest = later(now, firstProbeSeconds)
  const probeAt = breaker.goodProbes > 0 && breaker.probeAt < soonest ? soonest : breaker.probeAt
  return { goodProbes: 0, failedProbes: breaker.failedProbes, probeAt, endsAt }
}

function probeSeconds(failedProbes: number): number {
  return Math.min(firstProbeSeconds * 2 ** failedProbes, mostProbeSeconds)
}

function later(now: Date, seconds: number): Date {
  return new Date(now.getTime() + seconds * 1_000)
}
