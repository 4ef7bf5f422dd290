import { setTimeout as delay } from 'node:timers/promises'

export interface Patience {
  timeoutMs: number
  everyMs?: number
  /** What was waited for, when it did not come. */
  wanted: string
}

/** Asks until it is so; throws after `timeoutMs`. Answers how long it took in milliseconds. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  { timeoutMs, everyMs = 20, wanted }: Patience,
): Promise<number> {
  const startedMs = performance.now()
  while (!(await condition())) {
    if (performance.now() - startedMs > timeoutMs) throw new Error(`waited ${timeoutMs} ms for ${wanted}`)
    await delay(everyMs)
  }
  return performance.now() - startedMs
}

/** Does `work` at 0, `everyMs`, 2 × `everyMs` …: a work that takes long does not move the next one. */
export async function repeatedly(
  times: number,
  everyMs: number,
  work: (turn: number) => Promise<void>,
): Promise<void> {
  const startedMs = performance.now()
  for (let turn = 0; turn < times; turn += 1) {
    await delay(Math.max(startedMs + turn * everyMs - performance.now(), 0))
    await work(turn)
  }
}

export { delay }
