import type { ShutdownMode } from '../postgres.ts'
import type { Span } from '../recovery.ts'
import type { Scenario } from '../scenario.ts'
import { Stage } from '../stage.ts'
import { repeatedly } from '../wait.ts'

const sizes = {
  long: { events: 12_000, perSecond: 400, answerMs: 50, restarts: 5, everyMs: 5_000 },
  short: { events: 500, perSecond: 100, answerMs: 100, restarts: 2, everyMs: 2_500 },
}

/** The server goes down and comes back at once, as at an update: orderly, or as if it had crashed. */
function postgresRestarts(mode: ShutdownMode): Scenario {
  return {
    name: `postgres-restart-${mode}`,
    fault: `PostgreSQL restarted (${mode}) under load`,
    async run(form) {
      const { events, perSecond, answerMs, restarts, everyMs } = sizes[form]
      await using stage = await Stage.set({ form, receiver: { delayMs: answerMs } })
      await stage.startWorkers(2)
      const outages: Span[] = []
      const restart = async (): Promise<void> => {
        const fromMs = Date.now()
        await stage.postgres.stop(mode)
        await stage.postgres.start()
        outages.push({ fromMs, toMs: Date.now() })
      }
      await Promise.all([
        stage.publisher.publish({ events, perSecond }),
        stage.receiver.received(events / 10).then(() => repeatedly(restarts, everyMs, restart)),
      ])
      const verdict = await stage.verdict({ faults: outages, outages })
      verdict.figures.own['restarts'] = String(restarts)
      return verdict
    },
  }
}

export const postgresRestartFast = postgresRestarts('fast')
export const postgresRestartImmediate = postgresRestarts('immediate')
