import type { Clock } from '../clock.ts'
import type { Transactable } from '../database/database.ts'
import type { Logger } from '../log.ts'
import { stepDeletion } from './deletion.ts'
import { Pace } from './pace.ts'

/** How often it is told how far the rows of one project or webhook are. */
const tellEveryMs = 10_000

export interface Retaining {
  database: Transactable
  clock: Clock
  logger: Logger
}

/** Deletes what is left of deleted projects and webhooks, step by step, and tells how far that is. */
export class Deletions {
  readonly #retaining: Retaining
  readonly #pace = new Pace()
  /** By the id of a webhook or project: when it was told last. */
  readonly #toldMs = new Map<string, number>()

  constructor(retaining: Retaining) {
    this.#retaining = retaining
  }

  /** Answers whether there is more to do now. */
  async step(): Promise<boolean> {
    const { database, clock, logger } = this.#retaining
    const step = await this.#pace.measured((size) => stepDeletion(database, { now: clock.now(), size }))
    if (!step) return false
    const { is_over, ...told } = step
    const id = told.webhook_id ?? told.project_id
    if (is_over) {
      logger.info(told, 'nothing is left of what was deleted')
      this.#toldMs.delete(id)
    } else if (performance.now() - (this.#toldMs.get(id) ?? -Infinity) > tellEveryMs) {
      logger.info(told, 'deleting what is left')
      this.#toldMs.set(id, performance.now())
    }
    return true
  }
}
