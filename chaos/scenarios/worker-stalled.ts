import { type DeliveryRow, storedDeliveries } from '../evidence.ts'
import type { PostriderProcess } from '../processes.ts'
import type { Span } from '../recovery.ts'
import type { Scenario } from '../scenario.ts'
import { seconds } from '../seconds.ts'
import { Stage } from '../stage.ts'
import type { Verdict } from '../verdict.ts'
import { delay, until } from '../wait.ts'

const sizes = {
  long: { before: 2_000, during: 6_000, perSecond: 200, answerMs: 200, stalledMs: 30_000 },
  short: { before: 100, during: 300, perSecond: 50, answerMs: 400, stalledMs: 7_500 },
}
const watchedMs = 2_000
/** Longer than the lease, and shorter than the deadline. */
const sending = { leaseSeconds: 5, stalledMs: 9_000, timeoutMs: 15_000 }

/** A worker stands still for longer than its leases, and wakes up with results that are no longer its to write. */
export const workerStalled: Scenario = {
  name: 'worker-stalled',
  fault: 'SIGSTOP of a worker for longer than its lease, then SIGCONT',
  async run(form) {
    const { before, during, perSecond, answerMs, stalledMs } = sizes[form]
    await using stage = await Stage.set({ form, receiver: { delayMs: answerMs } })
    const [stalled] = await stage.startWorkers(2)
    let stoppedMs = 0
    const stall = async (): Promise<number> => {
      // In the middle of the load, when it has requests on their way.
      await stage.receiver.received(before)
      stalled!.pause()
      stoppedMs = Date.now()
      return sleepAndWake(stage, stalled!, stalledMs)
    }
    const [late] = await Promise.all([
      stall(),
      stage.publisher.publish({ events: before + during, perSecond }),
    ])
    return await judged(stage, { stalledMs, late, faults: [{ fromMs: stoppedMs, toMs: stoppedMs }] })
  },
}

/**
 * The same, at the worst moment: it has claimed and decided to send, and goes on from there when it wakes up, before
 * the deadline of the attempt, which would save it.
 */
export const workerStalledSending: Scenario = {
  name: 'worker-stalled-sending',
  fault: 'SIGSTOP of a worker that is about to send, for longer than its lease, then SIGCONT',
  async run(form) {
    const { during, perSecond, answerMs } = sizes[form]
    const { leaseSeconds, stalledMs, timeoutMs } = sending
    await using stage = await Stage.set({ form, leaseSeconds, receiver: { delayMs: answerMs } })
    const settings = {
      CHAOS_STALL_PORT: new URL(stage.receiver.url).port,
      POSTRIDER_TIMEOUT_MS: String(timeoutMs),
    }
    const stalled = await stage.startWorker({ preload: ['stall.ts'], settings })
    const stall = async (): Promise<number> => {
      await until(() => stalled.isPaused(), { timeoutMs: 10_000, wanted: 'the worker to stop' })
      await stage.startWorker()
      return sleepAndWake(stage, stalled, stalledMs)
    }
    const [late] = await Promise.all([stall(), stage.publisher.publish({ events: during, perSecond })])
    return await judged(stage, { stalledMs, late, faults: [] })
  },
}

/** Answers how many deliveries that had ended it changed after it woke up. */
async function sleepAndWake(stage: Stage, stalled: PostriderProcess, stalledMs: number): Promise<number> {
  await delay(stalledMs)
  const ended = await storedDeliveries(stage.postgres)
  stalled.resume()
  await delay(watchedMs)
  return changed(ended, await storedDeliveries(stage.postgres))
}

async function judged(
  stage: Stage,
  { stalledMs, late, faults }: { stalledMs: number; late: number; faults: readonly Span[] },
): Promise<Verdict> {
  const verdict = await stage.verdict({ faults })
  if (late > 0) verdict.violations.push(`${late} late results were written over what had been recorded`)
  Object.assign(verdict.figures.own, {
    'stood still for': seconds(stalledMs),
    'late results written': String(late),
  })
  return verdict
}

/** Deliveries that had ended and are not what they were then. */
function changed(before: readonly DeliveryRow[], after: readonly DeliveryRow[]): number {
  const now = new Map(after.map((row) => [row.id, JSON.stringify(row)]))
  return before.filter((row) => row.status === 'delivered' && now.get(row.id) !== JSON.stringify(row)).length
}
