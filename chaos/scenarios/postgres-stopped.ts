import type { Scenario } from '../scenario.ts'
import { seconds } from '../seconds.ts'
import { Stage } from '../stage.ts'
import { delay } from '../wait.ts'

const sizes = {
  long: { before: 3_000, perSecond: 300, answerMs: 50, stoppedMs: 60_000 },
  short: { before: 200, perSecond: 100, answerMs: 200, stoppedMs: 7_000 },
}
const refusedWithinMs = 5_000
const resumedWithinMs = 5_000

/** The server is away for longer than any lease. Processes wait for it; callers are told soon. */
export const postgresStopped: Scenario = {
  name: 'postgres-stopped',
  fault: 'PostgreSQL stopped for longer than any lease',
  async run(form) {
    const { before, perSecond, answerMs, stoppedMs } = sizes[form]
    await using stage = await Stage.set({ form, receiver: { delayMs: answerMs } })
    await stage.startWorkers(2)
    const { publisher, postgres, receiver } = stage
    const published = publisher.publish({ events: before * 2, perSecond })
    await receiver.received(before)
    const fromMs = Date.now()
    await postgres.stop('fast')
    await delay(stoppedMs)
    await postgres.start()
    const toMs = Date.now()
    await published
    const outages = [{ fromMs, toMs }]
    const verdict = await stage.verdict({ faults: outages, outages })

    const { refusals } = publisher
    const slowestMs = Math.max(...refusals.map(({ afterMs }) => afterMs), 0)
    const arrivals = (await receiver.requests()).map(({ receivedMs }) => receivedMs)
    const resumedMs = Math.min(...arrivals.filter((ms) => ms >= toMs)) - toMs
    const strangers = refusals.filter(({ status }) => status !== 503)
    if (refusals.length === 0) verdict.violations.push('the API refused nothing while the database was away')
    if (strangers.length > 0) {
      verdict.violations.push(
        `the API answered ${strangers[0]!.status} instead of 503 (${strangers.length} times)`,
      )
    }
    if (slowestMs > refusedWithinMs) {
      verdict.violations.push(`the API took ${seconds(slowestMs)} to answer`)
    }
    if (resumedMs > resumedWithinMs) {
      verdict.violations.push(`nothing was sent until ${seconds(resumedMs)} after its return`)
    }
    Object.assign(verdict.figures.own, {
      'stopped for': seconds(stoppedMs),
      '503 after at most': seconds(slowestMs),
      'sending again after': seconds(resumedMs),
    })
    return verdict
  },
}
