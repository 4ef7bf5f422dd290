import { storedAttempts, storedDeliveries } from '../evidence.ts'
import type { Scenario } from '../scenario.ts'
import { seconds } from '../seconds.ts'
import { Stage } from '../stage.ts'

const sizes = {
  long: { events: 2_000, perSecond: 200, answerMs: 100 },
  short: { events: 200, perSecond: 100, answerMs: 100 },
}
const hourMs = 3_600_000
/** The first retry: 60 s and up to a tenth, from when the answer was judged. */
const retryAfterMs = { least: 60_000, most: 60_000 * 1.1 + 2_000 }
const signedWithinMs = 5_000

/** Two workers whose clocks are wrong, one an hour ahead and one an hour behind. Nobody else can tell. */
export const workerClock: Scenario = {
  name: 'worker-clock',
  fault: 'clock of one worker an hour ahead, of another an hour behind',
  async run(form) {
    const { events, perSecond, answerMs } = sizes[form]
    await using stage = await Stage.set({ form, receiver: { delayMs: answerMs, refuseFirstEvery: 10 } })
    for (const shiftMs of [hourMs, -hourMs]) {
      const settings = { CHAOS_CLOCK_SHIFT_MS: String(shiftMs) }
      await stage.startWorker({ preload: ['clock.ts'], settings })
    }
    const { publisher, postgres, receiver } = stage
    await publisher.publish({ events, perSecond })
    await receiver.received(events)
    await stage.settled(30, events / 10)

    const waits = (await storedDeliveries(postgres))
      .filter(({ status }) => status === 'pending')
      .map(({ scheduled_ms, last_attempt_ms }) => scheduled_ms - (last_attempt_ms ?? 0))
    await stage.retryWaiting()
    const verdict = await stage.verdict({ faults: [] })

    const requests = await receiver.requests()
    const wrongWaits = waits.filter((ms) => ms < retryAfterMs.least || ms > retryAfterMs.most)
    const signedOffMs = Math.max(
      ...requests.map(({ signedMs, receivedMs }) => Math.abs(signedMs - receivedMs)),
    )
    const rescued = (await storedAttempts(postgres)).filter(({ outcome }) => outcome === 'interrupted')
    if (waits.length < events / 10)
      verdict.violations.push(`only ${waits.length} retries waited for their time`)
    if (wrongWaits.length > 0) {
      verdict.violations.push(
        `${wrongWaits.length} retries were scheduled ${wrongWaits[0]} ms after their try`,
      )
    }
    if (signedOffMs > signedWithinMs) verdict.violations.push(`a request was signed ${signedOffMs} ms off`)
    if (rescued.length > 0) verdict.violations.push(`${rescued.length} tries of living workers were cut off`)
    Object.assign(verdict.figures.own, {
      'retries in time': String(waits.length - wrongWaits.length),
      'signed off by at most': seconds(signedOffMs),
    })
    return verdict
  },
}
