import type { Committed } from '../protocol.ts'
import type { Scenario } from '../scenario.ts'
import { Stage } from '../stage.ts'
import { delay } from '../wait.ts'

const sizes = {
  long: { events: 6_000, perSecond: 200, answerMs: 50, losses: 10 },
  short: { events: 300, perSecond: 100, answerMs: 50, losses: 2 },
}

/**
 * PostgreSQL has committed, and the connection breaks before the worker hears so. It does not know whether it holds
 * what it claimed, or whether what it recorded is recorded.
 */
function lostReplies(what: string, matches: (committed: Committed) => boolean): Scenario {
  return {
    name: `lost-reply-${what}`,
    fault: `reply to the COMMIT of a ${what} lost`,
    async run(form) {
      const { events, perSecond, answerMs, losses } = sizes[form]
      await using stage = await Stage.set({ form, receiver: { delayMs: answerMs } })
      const proxy = await stage.startProxy()
      await stage.startWorker({ through: proxy })
      const { publisher, receiver } = stage
      let lost = 0
      const loseReplies = async (): Promise<void> => {
        await receiver.received(events / 10)
        for (; lost < losses; lost += 1) {
          await proxy.loseReply(matches)
          await delay(200)
        }
      }
      const published = publisher.publish({ events, perSecond })
      // All may be delivered before enough was lost.
      const settled = published.then(() => stage.settled(stage.leaseSeconds + 5))
      await Promise.all([published, Promise.race([loseReplies(), settled])])
      // What was not heard of was not sent, and what was recorded need not be sent again.
      const verdict = await stage.verdict({ faults: [] })
      verdict.figures.own['replies lost'] = String(lost)
      if (lost < losses) verdict.violations.push(`only ${lost} replies could be lost`)
      return verdict
    },
  }
}

/** The statement called this function, which answered at least one row, and was not rolled back. */
function calls(name: string): (committed: Committed) => boolean {
  return ({ statements, tags }) =>
    statements.some((text) => text.includes(`postrider.${name}(`)) &&
    tags.some((tag) => /^SELECT [1-9]/.test(tag))
}

export const lostReplyClaim = lostReplies('claim', calls('claim_deliveries'))
export const lostReplyResult = lostReplies('result', calls('record_results'))
