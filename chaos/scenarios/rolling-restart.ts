import type { Scenario } from '../scenario.ts'
import { Stage } from '../stage.ts'
import { repeatedly } from '../wait.ts'

const sizes = {
  long: { events: 10_000, perSecond: 250, answerMs: 100, restarts: 10, everyMs: 3_500 },
  short: { events: 600, perSecond: 80, answerMs: 100, restarts: 3, everyMs: 2_000 },
}

/** A deployment, again and again: a new API and a new worker come up, then the old ones are told to go. */
export const rollingRestart: Scenario = {
  name: 'rolling-restart',
  fault: 'rolling restart of API and workers, again and again',
  async run(form) {
    const { events, perSecond, answerMs, restarts, everyMs } = sizes[form]
    await using stage = await Stage.set({ form, receiver: { delayMs: answerMs } })
    const workers = await stage.startWorkers(2)
    const endings: string[] = []
    const roll = async (): Promise<void> => {
      const [oldApi, newWorker] = await Promise.all([stage.startApi(), stage.startWorker()])
      workers.push(newWorker)
      const stops = await Promise.all([oldApi!.stop(), workers.shift()!.stop()])
      endings.push(...stops.map(({ code, signal }) => signal ?? String(code)))
    }
    await Promise.all([
      stage.publisher.publish({ events, perSecond }),
      stage.receiver.received(events / 20).then(() => repeatedly(restarts, everyMs, roll)),
    ])
    const verdict = await stage.verdict({ faults: [] })
    const { refusals } = stage.publisher
    if (endings.some((ending) => ending !== '0'))
      verdict.violations.push(`they ended with ${endings.join(', ')}`)
    if (refusals.length > 0) {
      verdict.violations.push(`${refusals.length} calls were not answered 202 but ${refusals[0]!.status}`)
    }
    Object.assign(verdict.figures.own, {
      restarts: String(restarts),
      'calls refused': String(refusals.length),
    })
    return verdict
  },
}
