import { LRUCache } from 'lru-cache'
import { parseAddress } from '../address.ts'
import { PostriderError } from '../contract/errors.ts'

/**
 * The limits of one API process. Each call either passes or throws `rate_limited` with when to try again. Keys go by
 * their hashes here, and being known opens nothing: whether a key is right is asked of the database every time.
 */
export interface RateLimits {
  /** Before a key is looked up. One that was right when it came last counts for itself, any other for its address. */
  call(keyHash: string, address: string): void
  /** The key is right. */
  known(keyHash: string): void
  /** The key is wrong, or there is none. Right keys from that address pass all the same. */
  refused(keyHash: string | undefined, address: string): void
  /** A try to log in, or to guess a password: as whom it may be, and from where. */
  login(account: string | undefined, address: string): void
  /** A test send of this project: these reach out to other people's servers at once. */
  testSend(projectId: string): void
}

export const noRateLimits: RateLimits = { call() {}, known() {}, refused() {}, login() {}, testSend() {} }

/** Generous for any honest use. In memory: each process counts for itself. */
export function createRateLimits(nowMs: () => number = () => performance.now()): RateLimits {
  const calls = new Buckets({ perSecond: 1_000, burst: 2_000, nowMs })
  const callsFrom = new Buckets({ perSecond: 2_000, burst: 4_000, nowMs })
  // What a flood of keys that look right may ask of the database.
  const lookUpsFrom = new Buckets({ perSecond: 100, burst: 1_000, nowMs })
  const refusedFrom = new Buckets({ perSecond: 1, burst: 60, nowMs })
  const loginsFrom = new Buckets({ perSecond: 0.2, burst: 30, nowMs })
  const loginsAs = new Buckets({ perSecond: 1 / 30, burst: 10, nowMs })
  const testSends = new Buckets({ perSecond: 0.5, burst: 30, nowMs })
  // Only right keys get in here, so that no flood of wrong ones pushes them out.
  const knownKeys = new LRUCache<string, true>({ max: 50_000 })
  return {
    call(keyHash, address) {
      const from = networkOf(address)
      if (!knownKeys.get(keyHash)) {
        pass(lookUpsFrom.take(from), 'Too many unknown keys come from this address.')
        return
      }
      pass(calls.take(keyHash), 'This key makes too many calls.')
      pass(callsFrom.take(from), 'Too many calls come from this address.')
    },
    known: (keyHash) => void knownKeys.set(keyHash, true),
    refused(keyHash, address) {
      if (keyHash !== undefined) knownKeys.delete(keyHash)
      pass(refusedFrom.take(networkOf(address)), 'Too many calls without a right key come from this address.')
    },
    login(account, address) {
      pass(loginsFrom.take(networkOf(address)), 'Too many logins come from this address.')
      if (account === undefined) return
      pass(loginsAs.take(account.toLowerCase().slice(0, 255)), 'Too many logins were tried for this account.')
    },
    testSend: (projectId) => pass(testSends.take(projectId), 'This project sends too many tests.'),
  }
}

/** What counts as one address: whoever has one of IPv6 has the 2^64 of its network. */
export function networkOf(address: string): string {
  const bytes = parseAddress(address.replace(/%.*/s, ''))
  if (!bytes) return address.slice(0, 64)
  return bytes.length === 4 ? bytes.join('.') : `${Buffer.from(bytes.slice(0, 8)).toString('hex')}/64`
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
