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

const isWrite = (text: string): boolean => /\b(INSERT INTO|UPDATE|DELETE FROM)\s+postrider\./.test(text)
const writesAttempts = (text: string): boolean =>
  /INSERT INTO\s+postrider\.webhook_delivery_attempts\b/.test(text)

/** It changed at least one row, and was not rolled back. */
const changedRows = ({ tags }: Committed): boolean => tags.some((tag) => / [1-9]\d*$/.test(tag))

/** Whatever takes hold of deliveries, in whichever way: it writes of leases, and no attempts. */
const isClaim = (committed: Committed): boolean =>
  changedRows(committed) &&
  committed.statements.some((text) => isWrite(text) && /lease|epoch|'delivering'/.test(text)) &&
  !committed.statements.some(writesAttempts)

const isResult = (committed: Committed): boolean =>
  changedRows(committed) && committed.statements.some(writesAttempts)

export const lostReplyClaim = lostReplies('claim', isClaim)
export const lostReplyResult = lostReplies('result', isResult)
