import { describe as group, it } from 'vitest'
import { describe } from '../../chaos/report.ts'
import { atOnce, createTurns, runScenario } from '../../chaos/run.ts'
import { scenarios } from '../../chaos/scenarios/all.ts'

/** The short form of `npm run chaos`: every fault, on real processes and a server of its own. */

const turns = createTurns(atOnce.short)
/** Including the wait for a turn. */
const timeoutMs = 300_000

group('nothing is lost, sent again once recorded, or late under', () => {
  for (const scenario of scenarios) {
    it.concurrent(`${scenario.name}: ${scenario.fault}`, { timeout: timeoutMs }, async ({ expect, skip }) => {
      const report = await turns(() => runScenario(scenario, 'short'))
      if ('skipped' in report.outcome) {
        skip(report.outcome.skipped)
        return
      }
      expect(report.outcome.violations, describe(report)).toEqual([])
    })
  }
})
