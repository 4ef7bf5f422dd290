import { terminateOthers } from '../postgres.ts'
import type { Scenario } from '../scenario.ts'
import { Stage } from '../stage.ts'
import { repeatedly } from '../wait.ts'

const sizes = {
  long: { events: 9_000, perSecond: 300, answerMs: 50, times: 30 },
  short: { events: 500, perSecond: 100, answerMs: 100, times: 4 },
}

/** Every connection is lost at once, every second; the database itself is there all the time. */
export const backendTerminations: Scenario = {
  name: 'backend-terminations',
  fault: 'pg_terminate_backend of every connection, every second',
  async run(form) {
    const { events, perSecond, answerMs, times } = sizes[form]
    await using stage = await Stage.set({ form, receiver: { delayMs: answerMs } })
    await stage.startWorkers(2)
    let terminated = 0
    const terminateAll = async (): Promise<void> => {
      terminated += await terminateOthers(stage.postgres)
    }
    await Promise.all([
      stage.publisher.publish({ events, perSecond }),
      stage.receiver.received(events / 10).then(() => repeatedly(times, 1_000, terminateAll)),
    ])
    // Processes live and hold their leases: there is nothing to send twice.
    const verdict = await stage.verdict({ faults: [] })
    verdict.figures.own['times'] = String(times)
    verdict.figures.own['connections lost'] = String(terminated)
    return verdict
  },
}
