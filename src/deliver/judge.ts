import type { Answer, SendError } from './answer.ts'
import { parseRetryAfter, retryDelaySeconds } from './backoff.ts'

/** What one try means for its delivery. */
export type Outcome =
  /** `note` says what was odd about an answer that counts all the same, such as a body cut off. */
  | { kind: 'delivered'; responseStatus: number; error: null; note: string | null }
  | { kind: 'retry'; responseStatus: number | null; error: string; retryAt: Date }
  /** No tries are left. */
  | { kind: 'failed'; responseStatus: number | null; error: string }
  /** The receiver wants no more of it: the delivery fails at once and its webhook becomes inactive. */
  | { kind: 'gone'; responseStatus: number; error: string }

export interface JudgedDelivery {
  /** Tries with a recorded result before this one. */
  attempts: number
  maxAttempts: number
}

export interface RetryRules {
  now: Date
  /** The delays between tries. */
  retrySeconds: readonly number[]
  /** 0 up to 1, as `Math.random`. */
  random: () => number
}

/**
 * What an answer, or the want of one, means. Pure.
 *
 * | receiver | outcome |
 * | --- | --- |
 * | 2xx | delivered |
 * | 410 | gone |
 * | any other answer, or none | retry by the schedule; failed when no tries are left |
 * | 429, 503 with `Retry-After` | as any other, but not before that moment (at most 24 h on) |
 */
export function judge(answer: Answer | SendError, delivery: JudgedDelivery, rules: RetryRules): Outcome {
  if (answer.kind === 'error')
    return retryOrFail({ responseStatus: null, error: answer.error }, delivery, rules)
  const { status } = answer
  if (status >= 200 && status <= 299) {
    return { kind: 'delivered', responseStatus: status, error: null, note: answer.note ?? null }
  }
  const result = { responseStatus: status, error: `http ${status}` }
  if (status === 410) return { kind: 'gone', ...result }
  return retryOrFail(result, delivery, rules, retryAfter(answer, rules.now))
}

function retryOrFail(
  result: { responseStatus: number | null; error: string },
  { attempts, maxAttempts }: JudgedDelivery,
  { now, retrySeconds, random }: RetryRules,
  notBefore?: Date,
): Outcome {
  const attemptsMade = attempts + 1
  if (attemptsMade >= maxAttempts) return { kind: 'failed', ...result }
  const delaySeconds = retryDelaySeconds({ attemptsMade, maxAttempts }, retrySeconds, random)
  const scheduled = new Date(now.getTime() + delaySeconds * 1_000)
  return { kind: 'retry', ...result, retryAt: notBefore && notBefore > scheduled ? notBefore : scheduled }
}

function retryAfter({ status, headers }: Answer, now: Date): Date | undefined {
  const value = headers['retry-after']
  if (value === undefined || (status !== 429 && status !== 503)) return undefined
  return parseRetryAfter(value, now)
}
