import type { Verdict } from '../shape/filter.ts'
import type { ClaimedDelivery } from './claim.ts'

/**
 * The filter and the template of a delivery, asked between all the rest that a worker does: those of a large event take
 * milliseconds, and many may be ready at the same moment.
 */

/** Since the event loop went round last; at most so much of it before something else has its turn. */
let spentMs = 0
const mostMs = 4

/** Until there is time for one more. */
export async function shapingTurn(): Promise<void> {
  if (spentMs <= mostMs) return
  await new Promise(setImmediate)
  await shapingTurn()
}

/** Once tried, it has passed: neither the event nor the filter that it was published with changes. */
export function judgeByFilter({ attempts, shape, payload }: ClaimedDelivery): Verdict | undefined {
  return shape && attempts === 0 ? timed(() => shape.judge(payload)) : undefined
}

/**
 * What is sent.
 *
 * @throws {ShapeError}
 */
export function bodyOf({ shape, payload }: ClaimedDelivery): string {
  return shape ? timed(() => shape.bodyOf(payload)) : payload
}

function timed<Result>(work: () => Result): Result {
  const beganMs = performance.now()
  try {
    return work()
  } finally {
    if (spentMs === 0) {
      setImmediate(() => {
        spentMs = 0
      })
    }
    spentMs += performance.now() - beganMs
  }
}
