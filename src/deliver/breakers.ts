import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'
import type { Queryable, Transactable } from '../database/database.ts'
import type { Logger } from '../log.ts'
import type { Answer, SendError } from './answer.ts'
import {
  failuresAfter,
  type Health,
  healthOf,
  opened,
  type OpenBreaker,
  opensAfter,
  probed,
} from './breaker.ts'
import type { ClaimedDelivery } from './claim.ts'

/** Endpoints that were down lately, whose failures in a row are counted. */
const remembered = 1_024

interface BreakersOptions {
  database: Transactable
  clock: Clock
  logger: Logger
  /** Of some endpoint more may go out than before, or what is held of it must go back. */
  onChange: () => void
}

type Attempted = Pick<ClaimedDelivery, 'webhook_id' | 'project_id' | 'is_probe'>

/**
 * What the attempts of one worker do to the breakers that all workers share. An endpoint that is well costs a look into a
 * map that is empty; rows of `webhook_breakers` are written when one opens, and for each probe. What cannot be written is
 * tried again with the next attempt.
 */
export class Breakers {
  readonly #options: BreakersOptions
  /** Failures in a row, of endpoints whose breaker is closed as far as it is known here. */
  readonly #failures = new LRUCache<string, number>({ max: remembered })
  /** Being opened: nothing of it is sent. With true it is written, and what is held goes back into the queue. */
  readonly #opening = new Map<string, boolean>()
  readonly #writing = new Set<Promise<void>>()

  constructor(options: BreakersOptions) {
    this.#options = options
  }

  note(attempted: Attempted, answer: Answer | SendError): void {
    const { webhook_id } = attempted
    const health = healthOf(answer)
    const error = health === 'down' ? wordsOf(answer) : null
    if (attempted.is_probe) {
      if (health !== 'unknown') this.#write(() => this.#noteProbe(attempted, health, error))
      return
    }
    const before = this.#failures.get(webhook_id) ?? 0
    const failures = failuresAfter(before, health)
    if (failures === before) return
    if (failures === 0) this.#failures.delete(webhook_id)
    else this.#failures.set(webhook_id, failures)
    if (failures < opensAfter || this.#opening.has(webhook_id)) return
    this.#failures.delete(webhook_id)
    this.#opening.set(webhook_id, false)
    this.#write(() => this.#open(attempted, error))
  }

  /** Not to be sent: its breaker has just opened. */
  holdsBack({ webhook_id }: Pick<ClaimedDelivery, 'webhook_id'>): boolean {
    return this.#opening.has(webhook_id)
  }

  /** Webhooks of which nothing is to be held any more; from here on what is claimed of them are probes. */
  takeOpened(): Set<string> {
    const ids = [...this.#opening].filter(([, isWritten]) => isWritten).map(([id]) => id)
    for (const id of ids) this.#opening.delete(id)
    return new Set(ids)
  }

  get hasOpened(): boolean {
    for (const isWritten of this.#opening.values()) if (isWritten) return true
    return false
  }

  /** Until everything is written that was noted. */
  async settled(): Promise<void> {
    await Promise.all(this.#writing)
  }

  #write(work: () => Promise<void>): void {
    const writing = work()
      .catch((error: unknown) => this.#options.logger.warn({ error }, 'a breaker could not be written'))
      .finally(() => {
        this.#writing.delete(writing)
        this.#options.onChange()
      })
    this.#writing.add(writing)
  }

  async #open({ webhook_id, project_id }: Attempted, error: string | null): Promise<void> {
    const { database, clock, logger } = this.#options
    try {
      const isNew = await openBreaker(database, webhook_id, clock.now(), error)
      this.#opening.set(webhook_id, true)
      if (isNew) logger.warn({ webhook_id, project_id, reason: error }, 'endpoint down: probing it')
    } catch (failure) {
      this.#opening.delete(webhook_id)
      throw failure
    }
  }

  async #noteProbe(
    { webhook_id, project_id }: Attempted,
    health: Health,
    error: string | null,
  ): Promise<void> {
    const { database, clock, logger } = this.#options
    const isClosed = await noteProbe(database, { webhookId: webhook_id, health, now: clock.now(), error })
    if (isClosed) logger.info({ webhook_id, project_id }, 'endpoint is back')
  }
}

function wordsOf(answer: Answer | SendError): string {
  return answer.kind === 'error' ? answer.error : `http ${answer.status}`
}

/** Answers whether it was closed before. One that has lapsed opens anew. */
async function openBreaker(
  queryable: Queryable,
  webhookId: string,
  now: Date,
  error: string | null,
): Promise<boolean> {
  const { probeAt, endsAt } = opened(now)
  const { rowCount } = await queryable.query(
    `INSERT INTO postrider.webhook_breakers AS breaker (
       webhook_id, project_id, opened_at, probe_at, ends_at, last_error
     )
     SELECT webhook.id, webhook.project_id, $2::timestamptz, $3::timestamptz, $4::timestamptz, left($5::text, 200)
     FROM postrider.webhooks AS webhook
     WHERE webhook.id = $1::uuid
       AND webhook.is_active
     FOR KEY SHARE
     ON CONFLICT (webhook_id) DO UPDATE
     SET opened_at = EXCLUDED.opened_at,
         probe_at = EXCLUDED.probe_at,
         ends_at = EXCLUDED.ends_at,
         last_error = EXCLUDED.last_error,
         failed_probes = 0,
         good_probes = 0
     WHERE breaker.ends_at <= EXCLUDED.opened_at`,
    [webhookId, now, probeAt, endsAt, error],
  )
  return rowCount === 1
}

/** Answers whether the breaker is closed by it. */
function noteProbe(
  database: Transactable,
  { webhookId, health, now, error }: { webhookId: string; health: Health; now: Date; error: string | null },
): Promise<boolean> {
  return database.transaction(async (transaction) => {
    const { rows } = await transaction.query<OpenBreaker>(
      `SELECT
         breaker.failed_probes AS "failedProbes",
         breaker.good_probes AS "goodProbes",
         breaker.probe_at AS "probeAt",
         breaker.ends_at AS "endsAt"
       FROM postrider.webhook_breakers AS breaker
       WHERE breaker.webhook_id = $1::uuid
       FOR UPDATE`,
      [webhookId],
    )
    if (!rows[0]) return false
    const after = probed(rows[0], health, now)
    if (after === 'closed') {
      await transaction.query(`DELETE FROM postrider.webhook_breakers WHERE webhook_id = $1::uuid`, [
        webhookId,
      ])
      return true
    }
    await transaction.query(
      `UPDATE postrider.webhook_breakers
       SET failed_probes = $2::integer,
           good_probes = $3::integer,
           probe_at = $4::timestamptz,
           ends_at = $5::timestamptz,
           last_error = COALESCE(left($6::text, 200), last_error)
       WHERE webhook_id = $1::uuid`,
      [webhookId, after.failedProbes, after.goodProbes, after.probeAt, after.endsAt, error],
    )
    return false
  })
}
