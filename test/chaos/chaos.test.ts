import { describe as group, it } from 'vitest'
import { describe } from '../../chaos/report.ts'
import { atOnce, createTurns, runScenario } from '../../chaos/run.ts'
import { scenarios } from '../../chaos/scenarios/all.ts'

/**
 * Some faults of `npm run chaos`, in their short form, on real processes and a server of their own. The others wait for
 * time to pass, and a busy machine makes them late: `npm run chaos -- --short` runs them all.
 */
const here = new Set([
  'worker-kills',
  'worker-stops',
  'postgres-restart-immediate',
  'lost-reply-claim',
  'lost-reply-result',
])

const turns = createTurns(atOnce.short)
/** Including the wait for a turn. */
const timeoutMs = 300_000

group.skipIf(process.env['TEST_POSTGRES_BIN'])(
  'nothing is lost, sent again once recorded, or late under',
  () => {
    for (const scenario of scenarios.filter(({ name }) => here.has(name))) {
      it.concurrent(
        `${scenario.name}: ${scenario.fault}`,
        { timeout: timeoutMs },
        async ({ expect, skip }) => {
          const report = await turns(() => runScenario(scenario, 'short'))
          if ('skipped' in report.outcome) {
            skip(report.outcome.skipped)
            return
          }
          expect(report.outcome.violations, describe(report)).toEqual([])
        },
      )
    }
  },
)
