import type { Answer, SendError } from '../src/deliver/answer.ts'
import type { Kind } from './population.ts'
import type { Random } from './random.ts'

export interface Answering {
  answer: Answer | SendError
  ms: number
}

/**
 * | endpoint | answers |
 * | --- | --- |
 * | healthy | 200, half of them within 120 ms, 99 of 100 within half a second |
 * | slow | 200 after 2 to 5 s |
 * | refusing | 503, half of them within 60 ms |
 * | silent | nothing, until the deadline |
 */
export function answerOf(kind: Kind, random: Random, timeoutMs: number): Answering {
  return receivers[kind](random, timeoutMs)
}

const receivers: Record<Kind, (random: Random, timeoutMs: number) => Answering> = {
  healthy: (random, timeoutMs) => answering(200, random.logNormal(120, 0.6), timeoutMs),
  slow: (random, timeoutMs) => answering(200, 2_000 + 3_000 * random.next(), timeoutMs),
  refusing: (random, timeoutMs) => answering(503, random.logNormal(60, 0.4), timeoutMs),
  silent: (_random, timeoutMs) => timedOut(timeoutMs),
}

function answering(status: number, ms: number, timeoutMs: number): Answering {
  if (ms >= timeoutMs) return timedOut(timeoutMs)
  return {
    answer: { kind: 'answer', status, headers: {}, body: '', bodyTruncated: false, durationMs: ms },
    ms,
  }
}

function timedOut(ms: number): Answering {
  return {
    answer: { kind: 'error', error: `timeout after ${ms} ms`, class: 'timeout', durationMs: ms },
    ms,
  }
}
