import type { Report } from './report.ts'
import type { Form, Scenario } from './scenario.ts'
import type { Verdict } from './verdict.ts'

/** Scenarios that may run beside each other: at full size each has the machine to itself. */
export const atOnce = { long: 1, short: 4 } as const satisfies Record<Form, number>

/** Runs a scenario to its end, and measures how long it took. One that breaks off has found something too. */
export async function runScenario(scenario: Scenario, form: Form): Promise<Report> {
  const startedMs = performance.now()
  const outcome = await scenario.run(form).catch((error: unknown) => brokenOff(error))
  return { scenario, outcome, tookSeconds: (performance.now() - startedMs) / 1_000 }
}

function brokenOff(error: unknown): Verdict {
  return {
    figures: {
      events: 0,
      sends: 0,
      lost: 0,
      sentAfterRecorded: 0,
      duplicates: 0,
      recoverySeconds: undefined,
      own: {},
    },
    violations: [`it broke off: ${error instanceof Error ? error.message : String(error)}`],
  }
}

/** Lets so many works run at once; the others wait for their turn, in order. */
export function createTurns(count: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  const waiting: (() => void)[] = []
  let running = 0
  return async (work) => {
    if (running >= count) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }
}
