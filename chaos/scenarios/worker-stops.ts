import type { Scenario } from '../scenario.ts'
import { seconds } from '../seconds.ts'
import { Stage } from '../stage.ts'
import { repeatedly } from '../wait.ts'

const sizes = {
  long: { events: 6_000, perSecond: 200, answerMs: 500, stops: 5, everyMs: 5_000 },
  short: { events: 400, perSecond: 80, answerMs: 500, stops: 2, everyMs: 2_000 },
}
const stopWithinMs = 20_000

/** An orderly end in the middle of the load: what is in flight is finished, and nothing is sent twice. */
export const workerStops: Scenario = {
  name: 'worker-stops',
  fault: 'SIGTERM of a worker under load',
  async run(form) {
    const { events, perSecond, answerMs, stops, everyMs } = sizes[form]
    await using stage = await Stage.set({ form, receiver: { delayMs: answerMs } })
    const workers = await stage.startWorkers(2)
    const endings: string[] = []
    let slowestMs = 0
    const stopOldest = async (): Promise<void> => {
      const { code, signal, afterMs } = await workers.shift()!.stop()
      endings.push(signal ?? String(code))
      slowestMs = Math.max(slowestMs, afterMs)
      workers.push(await stage.startWorker())
    }
    await Promise.all([
      stage.publisher.publish({ events, perSecond }),
      stage.receiver.received(events / 10).then(() => repeatedly(stops, everyMs, stopOldest)),
    ])
    const verdict = await stage.verdict({ faults: [] })
    if (endings.some((ending) => ending !== '0'))
      verdict.violations.push(`they ended with ${endings.join(', ')}`)
    if (slowestMs > stopWithinMs) verdict.violations.push(`one took ${seconds(slowestMs)} to end`)
    Object.assign(verdict.figures.own, {
      stops: String(stops),
      'ended within': seconds(slowestMs),
    })
    return verdict
  },
}
