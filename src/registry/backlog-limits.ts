import { PostriderError } from '../contract/errors.ts'
import type { Queryable } from '../database/database.ts'
import { sqlstate, sqlstateOf } from '../database/sqlstate.ts'
import { isUuid } from '../ids.ts'

/** How long it is remembered which projects have a limit of their own, and how many deliveries of one wait. */
const rememberedMs = 1_000
/** Counting takes no more than this part of the time, however long it takes. */
const share = 1 / 20
/** When whoever was refused may try again: what waits is not sent in a moment. */
const retryAfterSeconds = 60

interface Count {
  /** No more than was counted to. */
  waiting: number
  untilMs: number
}

/**
 * Refuses to publish more for a project of which as many deliveries wait as it may have. Where there is no limit, nothing is
 * counted; where there is one, it is counted once a second at most, in each process, and never further than the limit. So it
 * is approximate: what others publish within that second is not seen, and what is published at once goes in whole.
 */
export class BacklogLimits {
  readonly #database: Queryable
  readonly #usual: number
  readonly #counts = new Map<string, Count>()
  #own: { limits: Promise<ReadonlyMap<string, number>>; untilMs: number } | undefined

  /** @param usual of a project that says nothing; 0 for no limit */
  constructor(database: Queryable, usual: number) {
    this.#database = database
    this.#usual = usual
  }

  /** @throws {PostriderError} `backlog_full` */
  async check(projectId: string): Promise<void> {
    if (!isUuid(projectId)) return
    const limits = await this.#ownLimits()
    const id = projectId.toLowerCase()
    const limit = limits.get(id) ?? this.#usual
    if (limit === 0) return
    const { waiting } = await this.#count(id, limit)
    if (waiting < limit) return
    const [least, most] = [waiting, limit].map((count) => count.toLocaleString('en'))
    throw new PostriderError(
      'backlog_full',
      `At least ${least} deliveries of this project wait to be sent, and its limit is ${most}: nothing more is published until receivers have taken some. Look for webhooks that fail or are inactive, cancel what is not to be sent any more, or raise backlog_limit.`,
      { retryAfterSeconds },
    )
  }

  /** What was just published waits, too. */
  published(projectId: string, publications: readonly { deliveries: number; duplicate: boolean }[]): void {
    const count = this.#counts.get(projectId.toLowerCase())
    if (!count) return
    for (const { deliveries, duplicate } of publications) count.waiting += duplicate ? 0 : deliveries
  }

  /** Of all projects in one statement, so that a project without one costs nothing of its own. */
  #ownLimits(): Promise<ReadonlyMap<string, number>> {
    const nowMs = performance.now()
    if (this.#own && nowMs < this.#own.untilMs) return this.#own.limits
    const limits = readLimits(this.#database)
    const own = { limits, untilMs: nowMs + rememberedMs }
    this.#own = own
    limits.catch(() => {
      if (this.#own === own) this.#own = undefined
    })
    return limits
  }

  async #count(projectId: string, limit: number): Promise<Count> {
    const startMs = performance.now()
    const known = this.#counts.get(projectId)
    if (known && startMs < known.untilMs) return known
    const waiting = await countWaiting(this.#database, projectId, limit)
    const endMs = performance.now()
    const count = { waiting, untilMs: endMs + Math.max(rememberedMs, (endMs - startMs) / share) }
    this.#forgetOld(endMs)
    this.#counts.set(projectId, count)
    return count
  }

  #forgetOld(nowMs: number): void {
    for (const [projectId, { untilMs }] of this.#counts) {
      if (untilMs < nowMs) this.#counts.delete(projectId)
    }
  }
}

/** None without a schema, or with one from before there were limits: publishing itself says what is missing. */
async function readLimits(queryable: Queryable): Promise<ReadonlyMap<string, number>> {
  try {
    const { rows } = await queryable.query<{ id: string; backlog_limit: number }>(
      `SELECT id, backlog_limit
       FROM postrider.projects
       WHERE backlog_limit IS NOT NULL`,
    )
    return new Map(rows.map(({ id, backlog_limit }) => [id, backlog_limit]))
  } catch (error) {
    if (missing.has(sqlstateOf(error))) return new Map()
    throw error
  }
}

const missing: ReadonlySet<string | undefined> = new Set([sqlstate.undefinedTable, sqlstate.undefinedColumn])

/** In the queue, in the schedule and in lines; no further than `limit`. */
async function countWaiting(queryable: Queryable, projectId: string, limit: number): Promise<number> {
  const { rows } = await queryable.query<{ count: number }>(
    `SELECT COUNT(*)::integer AS count
     FROM (
       SELECT
       FROM postrider.webhooks AS webhook
       CROSS JOIN LATERAL (
         SELECT FROM postrider.delivery_queue AS queued WHERE queued.webhook_id = webhook.id
         UNION ALL
         SELECT FROM postrider.delivery_schedule AS scheduled WHERE scheduled.webhook_id = webhook.id
         UNION ALL
         SELECT FROM postrider.delivery_line_waiting AS lined WHERE lined.webhook_id = webhook.id
       ) AS placed
       WHERE webhook.project_id = $1::uuid
       LIMIT $2::integer
     ) AS waiting`,
    [projectId, limit],
  )
  return rows[0]!.count
}
