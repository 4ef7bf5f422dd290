import { setTimeout as delay } from 'node:timers/promises'
import { sqlstate, sqlstateOf } from './sqlstate.ts'

/** Conditions of the server that pass by themselves. */
const unavailable: ReadonlySet<string> = new Set([
  sqlstate.insufficientResources,
  sqlstate.diskFull,
  sqlstate.outOfMemory,
  sqlstate.tooManyConnections,
  sqlstate.adminShutdown,
  sqlstate.crashShutdown,
  sqlstate.cannotConnectNow,
  // A server that was the primary, or is kept from writing while its disk is full.
  sqlstate.readOnlyTransaction,
])

const contended: ReadonlySet<string> = new Set([sqlstate.serializationFailure, sqlstate.deadlockDetected])

/** True when somebody else held a lock for longer than one waits. */
export function isLockedOut(error: unknown): boolean {
  return sqlstateOf(error) === sqlstate.lockNotAvailable
}

/** True when nothing is wrong with the work itself: the database is away, or somebody is in the way. */
export function mayPass(error: unknown): boolean {
  return isTransient(error) || isLockedOut(error)
}

const socketErrors: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
  'EHOSTUNREACH',
  'ENETUNREACH',
])

/** True when the database cannot be reached now: restarting, out of connections, or the network is cut. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof AggregateError) return error.errors.some(isUnavailable)
  // First: EPIPE has the looks of a SQLSTATE.
  if ('code' in error && typeof error.code === 'string' && socketErrors.has(error.code)) return true
  const state = sqlstateOf(error)
  if (state !== undefined) return unavailable.has(state) || state.startsWith('08')
  if ('code' in error && typeof error.code === 'string') return false
  return connectionLost.test(error.message)
}

/** The only errors known by their text: the driver gives them neither a code nor a class of their own. */
const connectionLost =
  /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|Query read timeout)/

/** True when the same work may succeed if it is simply done again. */
export function isTransient(error: unknown): boolean {
  return isUnavailable(error) || isContended(error)
}

/** True when two transactions were in each other's way: this one is rolled back for sure, and again it goes through. */
export function isContended(error: unknown): boolean {
  const state = sqlstateOf(error)
  return state !== undefined && contended.has(state)
}

export interface Retrying {
  /** Tries in all; without it until it succeeds or `signal` ends it. */
  tries?: number
  signal?: AbortSignal
  /** Which errors are worth another try; all transient ones without it. */
  when?: (error: unknown) => boolean
  onRetry?: (error: unknown) => void
}

/** Does `work`, again while its errors are transient, 50 ms to 2 s apart. It must be safe to do twice. */
export async function retrying<Result>(
  work: () => Promise<Result>,
  { tries = Infinity, signal, when = isTransient, onRetry }: Retrying = {},
): Promise<Result> {
  for (let done = 1; ; done += 1) {
    try {
      return await work()
    } catch (error) {
      if (done >= tries || signal?.aborted || !when(error)) throw error
      onRetry?.(error)
      const delayMs = Math.min(50 * 2 ** (done - 1), 2_000) * (0.5 + Math.random() / 2)
      await delay(delayMs, undefined, { ...(signal && { signal }) }).catch(() => {})
    }
  }
}
