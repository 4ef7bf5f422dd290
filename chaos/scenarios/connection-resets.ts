import { storedAttempts } from '../evidence.ts'
import type { Scenario } from '../scenario.ts'
import { Stage } from '../stage.ts'

const sizes = {
  long: { events: 4_000, perSecond: 400, answerMs: 10 },
  short: { events: 300, perSecond: 150, answerMs: 10 },
}
const resetEvery = 10

/** The receiver breaks connections that were kept alive: while they are idle, and when a request comes on them. */
export const connectionResets: Scenario = {
  name: 'connection-resets',
  fault: 'receiver resets kept-alive connections',
  async run(form) {
    const { events, perSecond, answerMs } = sizes[form]
    await using stage = await Stage.set({
      form,
      receiver: { delayMs: answerMs, resetReusedEvery: resetEvery, resetIdleEvery: resetEvery },
    })
    await stage.startWorkers(2)
    const { publisher, postgres, receiver } = stage
    await publisher.publish({ events, perSecond })
    await receiver.received(events)
    // A try that met a reset is made again after a minute; nobody need wait that long here.
    for (let round = 0; round < 10 && !(await stage.settled(2)); round += 1) await stage.retryWaiting()
    const verdict = await stage.verdict({ faults: [] })
    const resets = (await receiver.requests()).filter(({ answer }) => answer === 'reset').length
    const retries = (await storedAttempts(postgres)).filter(({ outcome }) => outcome === 'retry').length
    if (resets === 0) verdict.violations.push('no connection was used twice')
    Object.assign(verdict.figures.own, { 'requests reset': String(resets), retries: String(retries) })
    return verdict
  },
}
