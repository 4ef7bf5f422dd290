import type { Span } from '../recovery.ts'
import type { Scenario } from '../scenario.ts'
import { Stage } from '../stage.ts'
import { repeatedly } from '../wait.ts'

const sizes = {
  long: { events: 50_000, perSecond: 500, answerMs: 50, kills: 50 },
  short: { events: 450, perSecond: 100, answerMs: 250, kills: 2 },
}

/** Crashes: of two workers one is killed every 2 s, in turn, and another takes its place. */
export const workerKills: Scenario = {
  name: 'worker-kills',
  fault: 'SIGKILL of a worker every 2 s',
  async run(form) {
    const { events, perSecond, answerMs, kills } = sizes[form]
    await using stage = await Stage.set({ form, receiver: { delayMs: answerMs } })
    const workers = await stage.startWorkers(2)
    const deaths: Span[] = []
    const killOldest = async (): Promise<void> => {
      const fromMs = Date.now()
      await workers.shift()!.kill()
      deaths.push({ fromMs, toMs: Date.now() })
      workers.push(await stage.startWorker())
    }
    await Promise.all([
      stage.publisher.publish({ events, perSecond }),
      stage.receiver.received(events / 10).then(() => repeatedly(kills, 2_000, killOldest)),
    ])
    const verdict = await stage.verdict({ faults: deaths }, { settleSeconds: 120 })
    verdict.figures.own['kills'] = String(kills)
    return verdict
  },
}
