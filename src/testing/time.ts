import { setTimeout as delay } from 'node:timers/promises'
import { Database, type DatabaseOptions, type Queryable } from '../database/database.ts'
import { Notifier } from '../database/wake.ts'

export type TimeOptions = DatabaseOptions & {
  /** Whose deliveries are moved; other projects of the database see nothing of it. */
  projectId: string
  /** How long a wait takes before it fails. 10,000 by default. */
  timeoutMs?: number
}

/**
 * The time of one project's deliveries, moved: what waits for its next try becomes due without waiting. It moves what the
 * database says, so it works with whatever process delivers, and the requests that come are signed at the real time: what
 * verifies them needs to know nothing of it.
 *
 *     const time = new TestTime({ pool, projectId })
 *     await time.advance(70)
 */
export class TestTime {
  readonly #database: Database
  readonly #notifier: Notifier
  readonly #projectId: string
  readonly #timeoutMs: number

  constructor({ projectId, timeoutMs = 10_000, ...database }: TimeOptions) {
    this.#database = new Database('pool' in database ? database : { maxConnections: 2, ...database })
    this.#notifier = new Notifier(this.#database)
    this.#projectId = projectId
    this.#timeoutMs = timeoutMs
  }

  /** Until everything that is due was tried, and what came of it is recorded: nothing is on its way any more. */
  async settled(): Promise<void> {
    const endMs = performance.now() + this.#timeoutMs
    while (await isUnsettled(this.#database, this.#projectId)) {
      if (performance.now() > endMs) {
        throw new Error(
          `waited ${this.#timeoutMs} ms for deliveries that are due: a receiver does not answer, or nobody delivers`,
        )
      }
      await delay(10)
    }
  }

  /**
   * As if so much time had passed: once everything has settled, what waits for its next try comes that much nearer, and
   * what is due by then is sent. Answers how many deliveries became due.
   *
   * A delay of 60 s is one of 60 to 66 s, since deliveries spread: `advanceToNextTry()` hits it exactly.
   */
  async advance(seconds: number): Promise<number> {
    await this.settled()
    const due = await bringNearer(this.#database, { projectId: this.#projectId, seconds })
    this.#notifier.notify()
    return due
  }

  /** Just so far that the next delivery is tried again; answers how many seconds that were, or `null` if none waits. */
  async advanceToNextTry(): Promise<number | null> {
    await this.settled()
    const seconds = await secondsToNextTry(this.#database, this.#projectId)
    if (seconds !== null) await this.advance(seconds)
    return seconds
  }

  /** Closes what this opened. */
  async close(): Promise<void> {
    this.#notifier.stop()
    await this.#database.close()
  }
}

/**
 * Due and not claimed, claimed and without a result, or next in a line whose head is finished. What waits for the next probe
 * of an endpoint that is down has settled, once what the last one found is written.
 */
async function isUnsettled(queryable: Queryable, projectId: string): Promise<boolean> {
  const { rows } = await queryable.query<{ is_unsettled: boolean }>(
    `SELECT EXISTS (
       SELECT
       FROM postrider.webhooks AS webhook
       JOIN postrider.delivery_queue AS queued
         ON queued.webhook_id = webhook.id
       WHERE webhook.project_id = $1::uuid
         AND webhook.is_active
         AND queued.scheduled_at <= clock_timestamp()
         AND NOT EXISTS (
           SELECT
           FROM postrider.webhook_breakers AS breaker
           WHERE breaker.webhook_id = webhook.id
             AND breaker.ends_at > clock_timestamp()
             AND breaker.probe_at > clock_timestamp()
             AND breaker.ends_at - interval '5 minutes'
               >= breaker.probe_at - postrider.probe_interval(breaker.failed_probes)
         )
     )
     OR EXISTS (
       SELECT
       FROM postrider.webhooks AS webhook
       JOIN postrider.delivery_schedule AS waiting
         ON waiting.webhook_id = webhook.id
       WHERE webhook.project_id = $1::uuid
         AND waiting.scheduled_at <= clock_timestamp()
     )
     OR EXISTS (
       SELECT
       FROM postrider.workers AS worker
       CROSS JOIN LATERAL unnest(worker.in_flight, worker.in_flight_attempts) AS entry (id, attempt)
       JOIN postrider.deliveries AS delivery
         ON delivery.id = entry.id
         AND delivery.attempts + delivery.rescues + 1 = entry.attempt
         AND delivery.status IN ('pending', 'delivering')
       WHERE delivery.project_id = $1::uuid
     )
     OR EXISTS (
       SELECT
       FROM postrider.webhooks AS webhook
       JOIN postrider.delivery_lines AS line
         ON line.webhook_id = webhook.id
       JOIN postrider.delivery_line_waiting AS waiting
         ON waiting.webhook_id = webhook.id
       WHERE webhook.project_id = $1::uuid
         AND webhook.is_active
         AND NOT EXISTS (
           SELECT
           FROM postrider.deliveries AS head
           WHERE head.id = line.active_delivery_id
             AND head.status IN ('pending', 'delivering')
         )
     ) AS is_unsettled`,
    [projectId],
  )
  return rows[0]!.is_unsettled
}

async function bringNearer(
  queryable: Queryable,
  { projectId, seconds }: { projectId: string; seconds: number },
): Promise<number> {
  const { rows } = await queryable.query<{ due: number }>(
    `WITH nearer AS (
       UPDATE postrider.delivery_schedule AS waiting
       SET scheduled_at = waiting.scheduled_at - make_interval(secs => $2::double precision)
       FROM postrider.webhooks AS webhook
       WHERE webhook.id = waiting.webhook_id
         AND webhook.project_id = $1::uuid
       RETURNING waiting.delivery_id, waiting.scheduled_at
     ),
     probed AS (
       UPDATE postrider.webhook_breakers AS breaker
       SET opened_at = breaker.opened_at - make_interval(secs => $2::double precision),
           probe_at = breaker.probe_at - make_interval(secs => $2::double precision),
           ends_at = breaker.ends_at - make_interval(secs => $2::double precision)
       WHERE breaker.project_id = $1::uuid
     ),
     told AS (
       UPDATE postrider.deliveries AS delivery
       SET scheduled_at = nearer.scheduled_at
       FROM nearer
       WHERE delivery.id = nearer.delivery_id
     )
     SELECT COUNT(*)::integer AS due
     FROM nearer
     WHERE nearer.scheduled_at <= clock_timestamp()`,
    [projectId, seconds],
  )
  return rows[0]!.due
}

async function secondsToNextTry(queryable: Queryable, projectId: string): Promise<number | null> {
  const { rows } = await queryable.query<{ seconds: number | null }>(
    `SELECT EXTRACT(EPOCH FROM MIN(waiting.scheduled_at) - clock_timestamp())::double precision AS seconds
     FROM postrider.delivery_schedule AS waiting
     JOIN postrider.webhooks AS webhook
       ON webhook.id = waiting.webhook_id
     WHERE webhook.project_id = $1::uuid`,
    [projectId],
  )
  return rows[0]!.seconds
}
