import { setTimeout as delay } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Queryable } from '../database/database.ts'
import type { ClaimedDelivery, KnownQueues } from './claim.ts'

/** A queue is remembered for as many others. */
const remembered = 500

/** Rows that were deleted and are still in the way. So many there may be between two vacuums, where nothing holds those up. */
const manyDeadRows = 3_000

/** A claim that looks into all queues takes less where they are not in the way: for itself, and for each delivery it finds. */
const slowMs = 2
const slowMsEach = 0.1

/** Looking into all queues may take a thirtieth of the time, and is not put off for longer than this. */
const restPerMs = 30
const longestRestMs = 2_000

/** What was queued before its transaction ended, or came back, stands a little before what was claimed last. */
const marginMs = 1_000

const pauseMs = 25

/** What one claim found is enough for another at once. */
const plenty = 32

/** Claims that changed a worker's row, each of which leaves a version of it. */
const mostVersions = 500

/**
 * While somebody holds a snapshot open, rows that were deleted from the queue stay in its index, and a claim that steps from
 * webhook to webhook walks them all: after ten minutes at 100 a second it takes fifty times as long. Then most claims look
 * only into the queues that this worker knows, each from where it was claimed last, and a few look into all of them: for
 * webhooks that are not known yet, and for what was put back.
 */
export class Queues {
  readonly #sinceMs = new LRUCache<string, number>({ max: remembered })
  #deadRows = 0
  #allMs = 0
  #allAtMs = -Infinity
  #isSlow = false
  #found = 0
  #versions = 0

  /** So many rows are in the queue's index that are there for nobody, as far as PostgreSQL counts them. */
  noteDeadRows(count: number): void {
    this.#deadRows = count
  }

  /** Where the claim that begins now is to look; undefined for all queues. By the machine's monotonic clock. */
  next(nowMs: number, afterWebhookId: string): KnownQueues | undefined {
    if (!this.#areInTheWay || !this.#isSlow || this.#sinceMs.size === 0) return undefined
    if (nowMs - this.#allAtMs >= Math.min(this.#allMs * restPerMs, longestRestMs)) return undefined
    const known = [...this.#sinceMs.entries()].toSorted(([one], [other]) => (one < other ? -1 : 1))
    const ahead = known.findIndex(([id]) => id > afterWebhookId)
    const inTurn = ahead === -1 ? known : [...known.slice(ahead), ...known.slice(0, ahead)]
    return {
      webhookIds: inTurn.map(([id]) => id),
      since: inTurn.map(([, sinceMs]) => new Date(sinceMs - marginMs)),
    }
  }

  /** Each claim walks the versions of this worker's row, too: with a new life it has a new one. */
  get isRowWorn(): boolean {
    return this.#areInTheWay && this.#versions >= mostVersions
  }

  get #areInTheWay(): boolean {
    return this.#deadRows >= manyDeadRows
  }

  noteNewRow(): void {
    this.#versions = 0
  }

  /**
   * Between two claims: each changes this worker's row, whose older versions stay as well. A little later there is more for
   * one claim.
   */
  async pause(): Promise<void> {
    if (this.#found < plenty) await delay(pauseMs)
  }

  /** A claim that began at `startedMs` has ended. */
  note(
    claimed: readonly ClaimedDelivery[],
    {
      known,
      startedMs,
      endedMs,
      now,
    }: { known: KnownQueues | undefined; startedMs: number; endedMs: number; now: Date },
  ): void {
    if (!known) {
      this.#allMs = endedMs - startedMs
      this.#allAtMs = endedMs
      this.#isSlow = this.#allMs >= slowMs + claimed.length * slowMsEach
    }
    this.#found = claimed.length
    if (claimed.length > 0) this.#versions += 1
    for (const { id, webhook_id } of claimed) {
      if (!isByTime(id)) continue
      const sinceMs = Math.min(madeAtMs(id), now.getTime())
      this.#sinceMs.set(webhook_id, Math.max(sinceMs, this.#sinceMs.get(webhook_id) ?? -Infinity))
    }
  }
}

/** Whether it is a UUIDv7, as all are that we make: who writes to the table may take others. */
function isByTime(id: string): boolean {
  return id[14] === '7'
}

/**
 * How many rows of the queue are deleted and not cleared away, as far as PostgreSQL counts them. None where the schema is not
 * yet one whose claim can leave queues out.
 */
export async function readDeadRows(queryable: Queryable): Promise<number> {
  const { rows } = await queryable.query<{ count: number }>(
    `SELECT
       CASE
         WHEN to_regprocedure(
           'postrider.claim_deliveries(uuid,timestamptz,integer,integer,uuid,uuid[],integer[],uuid[],integer[],uuid[],uuid[],timestamptz[])'
         ) IS NULL THEN 0
         ELSE pg_stat_get_dead_tuples('postrider.delivery_queue'::regclass)
       END::double precision AS count`,
  )
  return rows[0]!.count
}

/** When it was made, which is hardly later than its delivery was first due. */
function madeAtMs(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}
