import { LRUCache } from 'lru-cache'
import { PostriderError } from '../contract/errors.ts'

/** The limits of one API process. Each call either passes or throws `rate_limited` with when to try again. */
export interface RateLimits {
  /** A call with this project key. */
  call(keyId: string): void
  /** A test send of this project: these reach out to other people's servers at once. */
  testSend(projectId: string): void
  /** A key that was refused, from this address. Right keys from there pass all the same. */
  refusedKey(address: string): void
}

export const noRateLimits: RateLimits = { call() {}, testSend() {}, refusedKey() {} }

/** Generous for any honest use. In memory: each process counts for itself. */
export function createRateLimits(nowMs: () => number = () => performance.now()): RateLimits {
  const calls = new Buckets({ perSecond: 1_000, burst: 2_000, nowMs })
  const testSends = new Buckets({ perSecond: 0.5, burst: 30, nowMs })
  const refusedKeys = new Buckets({ perSecond: 1, burst: 60, nowMs })
  return {
    call: (keyId) => pass(calls.take(keyId), 'This key makes too many calls.'),
    testSend: (projectId) => pass(testSends.take(projectId), 'This project sends too many tests.'),
    refusedKey: (address) => pass(refusedKeys.take(address), 'Too many wrong keys came from this address.'),
  }
}

function pass(waitSeconds: number, detail: string): void {
  if (waitSeconds === 0) return
  throw new PostriderError('rate_limited', `${detail} Try again in ${Math.ceil(waitSeconds)} s.`, {
    retryAfterSeconds: waitSeconds,
  })
}

interface BucketsOptions {
  perSecond: number
  /** How many at once after a time of rest. */
  burst: number
  nowMs: () => number
}

/** A token bucket for each name: it fills at a steady rate up to a brim, and each call takes one token. */
export class Buckets {
  readonly #options: BucketsOptions
  /** The names that were used last; one that falls out was full again or nearly so. */
  readonly #buckets = new LRUCache<string, { tokens: number; filledMs: number }>({ max: 10_000 })

  constructor(options: BucketsOptions) {
    this.#options = options
  }

  /** Takes a token; 0, or how many seconds to wait for one. */
  take(name: string): number {
    const { perSecond, burst, nowMs } = this.#options
    const now = nowMs()
    const bucket = this.#buckets.get(name) ?? { tokens: burst, filledMs: now }
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.filledMs) / 1_000) * perSecond)
    bucket.filledMs = now
    this.#buckets.set(name, bucket)
    if (bucket.tokens < 1) return (1 - bucket.tokens) / perSecond
    bucket.tokens -= 1
    return 0
  }
}
