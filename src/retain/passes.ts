import type { Retaining } from './deletions.ts'
import { Pace } from './pace.ts'
import { stepRetention } from './retention.ts'

/** How often it is told how far the pass over one project is. */
const tellEveryMs = 10_000

/** Carries out what projects say of how long they keep their history, step by step, and tells how far that is. */
export class Passes {
  readonly #options: Retaining & { days: number }
  readonly #pace = new Pace()
  readonly #toldMs = new Map<string, number>()

  /** @param options `days` is how long a project keeps its history that does not say so */
  constructor(options: Retaining & { days: number }) {
    this.#options = options
  }

  /** Answers whether there is more to do now. */
  async step(): Promise<boolean> {
    const { database, clock, logger, days } = this.#options
    const step = await this.#pace.measured((size) =>
      stepRetention(database, { now: clock.now(), days, size }),
    )
    if (!step) return false
    const { is_over, ...told } = step
    const toldMs = this.#toldMs.get(told.project_id)
    if (is_over) {
      logger.info(told, 'history expired by the rules of its project')
      this.#toldMs.delete(told.project_id)
    } else if (toldMs === undefined || performance.now() - toldMs > tellEveryMs) {
      if (toldMs !== undefined) logger.info(told, 'expiring by the rules of a project')
      this.#toldMs.set(told.project_id, performance.now())
    }
    return true
  }
}
