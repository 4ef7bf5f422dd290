import type { Clock } from '../clock.ts'
import type { Queryable } from '../database/database.ts'
import type { Logger } from '../log.ts'
import { advanceLines, promote } from './let-out.ts'

export interface LettingOutOptions {
  database: Queryable
  clock: Clock
  logger: Logger
  /** There is more in the queue than before. */
  onMore: () => void
}

/** At most so often, by the machine's clock or by the database's. */
const everyMs = 100

/**
 * Lets into the queue what waited for its time or for the one before it: ten times a second at most, or at once when the
 * head of a line has ended. It runs beside the claim: in front of it, it would be two round trips for each. Never twice at
 * once.
 */
export class LettingOut {
  readonly #options: LettingOutOptions
  #lineMoves = false
  /** It was time again while it ran. */
  #isTimeAgain = false
  #running: Promise<void> | undefined
  #lastMs = -Infinity
  #lastAt = -Infinity

  constructor(options: LettingOutOptions) {
    this.#options = options
  }

  /** The head of a line has ended. */
  lineMoves(): void {
    this.#lineMoves = true
  }

  begin(): void {
    const now = this.#options.clock.now()
    const nowMs = performance.now()
    const isTime = nowMs - this.#lastMs >= everyMs || now.getTime() - this.#lastAt >= everyMs
    if (this.#running) {
      this.#isTimeAgain ||= isTime
      return
    }
    if (!isTime && !this.#lineMoves) return
    this.#lastMs = nowMs
    this.#lastAt = now.getTime()
    this.#lineMoves = false
    this.#isTimeAgain = false
    this.#running = this.#run(now).finally(() => {
      this.#running = undefined
    })
  }

  /** Until nothing of it runs. */
  async ended(): Promise<void> {
    await this.#running
  }

  async #run(now: Date): Promise<void> {
    const { database, logger, onMore } = this.#options
    // Of both the end is waited for: one that failed must not let the other run on beside the next turn.
    const moves = await Promise.allSettled([promote(database, now), advanceLines(database)])
    for (const move of moves) {
      if (move.status === 'rejected')
        logger.warn({ error: move.reason as unknown }, 'what waits could not be let out: trying again')
    }
    const hasMore = moves.some((move) => move.status === 'fulfilled' && move.value > 0)
    if (hasMore || this.#lineMoves || this.#isTimeAgain) onMore()
  }
}
