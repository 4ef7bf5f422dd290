import { constants } from 'node:os'
import type { Lifecycle } from '../lifecycle.ts'
import type { Logger } from '../log.ts'
import { exitCodes, Failure } from './failure.ts'

const stopSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

/** How long a stop may take before the process ends all the same. */
export const stopWithinMs = 20_000

/** A signal that comes twice within this time was sent once: a terminal and `npm` each pass on the same Ctrl-C. */
const sameSignalMs = 250

/**
 * Starts it, runs it until SIGTERM, SIGINT or SIGHUP, and stops it: what is under way is finished, within 20 s.
 * A second signal ends the process at once. `whileRunning` is told when to end through its signal; if it ends by
 * itself, that is a reason to stop too, and its exit code is the answer.
 */
export async function runUntilSignal(
  app: Lifecycle,
  log: Logger,
  whileRunning: (stopping: AbortSignal) => Promise<number> = untilAborted,
): Promise<number> {
  const stopping = new AbortController()
  const unlisten = listenToSignals((signal) => {
    log.info({ signal }, 'stopping')
    stopping.abort()
  })
  // Promises alone would not keep the process alive until the signal.
  const keepAlive = setInterval(() => {}, 2 ** 30)
  try {
    await Promise.race([app.start(), aborted(stopping.signal)])
    return stopping.signal.aborted ? exitCodes.done : await whileRunning(stopping.signal)
  } finally {
    await within(stopWithinMs, app.stop())
    clearInterval(keepAlive)
    unlisten()
  }
}

export function listenToSignals(onFirst: (signal: NodeJS.Signals) => void): () => void {
  let first: { signal: NodeJS.Signals; atMs: number } | undefined
  const listener = (signal: NodeJS.Signals) => {
    const atMs = performance.now()
    if (!first) {
      first = { signal, atMs }
      onFirst(signal)
    } else if (signal !== first.signal || atMs - first.atMs > sameSignalMs) {
      // There is nothing to wait for: whoever signals twice wants an end, and a lease covers what is cut off.
      // oxlint-disable-next-line unicorn/no-process-exit
      process.exit(128 + constants.signals[signal])
    }
  }
  for (const signal of stopSignals) process.on(signal, listener)
  return () => {
    for (const signal of stopSignals) process.off(signal, listener)
  }
}

async function untilAborted(signal: AbortSignal): Promise<number> {
  await aborted(signal)
  return exitCodes.done
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

async function within(limitMs: number, stopped: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const failure = new Failure(`did not stop within ${limitMs / 1000} s: ended all the same`)
    timer = setTimeout(() => reject(failure), limitMs)
  })
  await Promise.race([stopped, late]).finally(() => clearTimeout(timer))
}
