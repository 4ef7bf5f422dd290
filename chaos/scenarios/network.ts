import type { Passage } from '../proxy.ts'
import type { Span } from '../recovery.ts'
import type { Scenario } from '../scenario.ts'
import { seconds } from '../seconds.ts'
import { Stage } from '../stage.ts'
import { delay, until } from '../wait.ts'

const sizes = {
  long: { before: 1_000, during: 6_000, after: 1_000, perSecond: 200, answerMs: 250, cutMs: 30_000 },
  short: { before: 100, during: 400, after: 100, perSecond: 50, answerMs: 500, cutMs: 8_000 },
}
const resumedWithinMs = 30_000

/**
 * Of two workers one is cut off from the database: what it sent is sent again by the other, what it then has to say
 * comes too late, and when the network is back it takes up its work.
 */
function network(name: string, passage: Passage, fault: string): Scenario {
  return {
    name,
    fault,
    async run(form) {
      const { before, during, after, perSecond, answerMs, cutMs } = sizes[form]
      await using stage = await Stage.set({ form, receiver: { delayMs: answerMs } })
      const proxy = await stage.startProxy()
      const { publisher, receiver } = stage
      const cutOff = await stage.startWorker({ through: proxy })
      const other = await stage.startWorker()
      const cut = async (): Promise<Span> => {
        // In the middle of the load: it has requests on their way.
        await receiver.received(before)
        const fromMs = Date.now()
        proxy.passage = passage
        await delay(cutMs)
        proxy.passage = 'passing'
        return { fromMs, toMs: fromMs + stage.leaseSeconds * 1_000 }
      }
      // It may go on sending what it has claimed for as long as its lease lasts.
      const [sending] = await Promise.all([cut(), publisher.publish({ events: before + during, perSecond })])
      await stage.settled(stage.leaseSeconds + 5)

      // Now it has to do all of it alone.
      await other.stop()
      const seen = (await receiver.requests()).length
      const resumed = until(async () => (await receiver.requests()).length > seen, {
        timeoutMs: resumedWithinMs,
        wanted: 'the worker that was cut off to send again',
      }).catch((error: Error) => error.message)
      await publisher.publish({ events: after, perSecond })
      const resumedMs = await resumed
      if (typeof resumedMs === 'string') await stage.startWorker()

      const verdict = await stage.verdict({ faults: [sending] })
      verdict.figures.own['cut for'] = seconds(cutMs)
      if (typeof resumedMs === 'string') verdict.violations.push(resumedMs)
      else verdict.figures.own['working again after'] = seconds(resumedMs)
      const { code, signal, afterMs } = await cutOff.stop()
      if (code !== 0 || afterMs > 20_000) {
        verdict.violations.push(`it stopped with ${signal ?? code} after ${seconds(afterMs)}`)
      }
      return verdict
    },
  }
}

export const networkCut = network(
  'network-cut',
  'swallowing',
  'network between a worker and the database cut, its connections lost in silence',
)
export const networkDelayed = network(
  'network-delayed',
  'holding',
  'network between a worker and the database cut, what was sent arrives late',
)
