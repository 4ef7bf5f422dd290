import type { Clock } from '../clock.ts'
import type { Queryable } from '../database/database.ts'
import { isTransient, retrying } from '../database/transient.ts'
import type { Logger } from '../log.ts'
import { attemptNumber, type ClaimedDelivery } from './claim.ts'
import type { Outcome } from './judge.ts'
import type { Life } from './life.ts'

/** One try as the history keeps it. */
export interface Attempt {
  startedAt: Date
  durationMs: number
  /** Values of the webhook's own headers redacted. */
  requestHeaders: Record<string, string>
  responseHeaders: Record<string, string> | null
  responseBody: string | null
}

export interface Result {
  delivery: ClaimedDelivery
  outcome: Outcome
  attempt: Attempt
}

export interface RecorderOptions {
  database: Queryable
  /** Whose results they are. */
  life: Life
  clock: Clock
  logger: Logger
}

/** Results written in one statement. */
const maxBatch = 500

/**
 * Writes outcomes and attempts in batches: while one statement runs the next batch gathers. `record` resolves once its
 * result is written, `true`, or found to come too late, `false`: the life of this worker was ended by somebody else, who
 * has taken the delivery over.
 */
export class Recorder {
  readonly #database: Queryable
  readonly #life: Life
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #abort = new AbortController()
  #waiting: { result: Result; done: (written: boolean) => void; failed: (error: unknown) => void }[] = []
  #writing = false

  constructor({ database, life, clock, logger }: RecorderOptions) {
    this.#database = database
    this.#life = life
    this.#clock = clock
    this.#logger = logger
  }

  record(result: Result): Promise<boolean> {
    return new Promise((done, failed) => {
      this.#waiting.push({ result, done, failed })
      if (!this.#writing) void this.#write()
    })
  }

  /** Waits no longer for a database that is away: what is not written by now is rejected. */
  abort(): void {
    this.#abort.abort()
  }

  async #write(): Promise<void> {
    this.#writing = true
    // Results that are ready at the same moment share the first batch.
    await new Promise(setImmediate)
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, maxBatch)
      try {
        const { written, refused } = await this.#writeBatch(batch.map(({ result }) => result))
        for (const { result, done, failed } of batch) {
          const error = refused.get(result.delivery.id)
          if (error === undefined) done(written.has(result.delivery.id))
          else failed(error)
        }
      } catch (error) {
        for (const { failed } of batch) failed(error)
      }
    }
    this.#writing = false
  }

  /** The database may be away for long: results are kept until it is back. */
  async #writeBatch(batch: readonly Result[]): Promise<Written> {
    try {
      const written = await retrying(() => this.#writeResults(batch), {
        signal: this.#abort.signal,
        onRetry: (error) =>
          this.#logger.warn({ error, results: batch.length }, 'results wait for the database'),
      })
      return { written, refused: new Map() }
    } catch (error) {
      if (isTransient(error)) throw error
      return this.#writeOneByOne(batch, error)
    }
  }

  #writeResults(results: readonly Result[]): Promise<Set<string>> {
    return writeResults(this.#database, results, { workerId: this.#life.id, now: this.#clock.now() })
  }

  /** Something in the batch cannot be stored. Whatever a receiver sent, each delivery gets its outcome written. */
  async #writeOneByOne(batch: readonly Result[], cause: unknown): Promise<Written> {
    this.#logger.error(
      { error: cause, results: batch.length },
      'a batch of results was refused: writing one by one',
    )
    const written = new Set<string>()
    const refused = new Map<string, unknown>()
    for (const result of batch) {
      const { id } = result.delivery
      try {
        for (const each of await this.#writeAnyhow(result)) written.add(each)
      } catch (error) {
        refused.set(id, error)
      }
    }
    return { written, refused }
  }

  async #writeAnyhow(result: Result): Promise<Set<string>> {
    const write = (version: Result): Promise<Set<string>> =>
      retrying(() => this.#writeResults([version]), { signal: this.#abort.signal })
    try {
      return await write(result)
    } catch (error) {
      this.#logger.error(
        { error, delivery_id: result.delivery.id },
        'an answer was refused: writing the outcome alone',
      )
      return write(withoutAnswer(result))
    }
  }
}

/** The ids that were written, and those that the database refuses in any form; the others came too late. */
interface Written {
  written: ReadonlySet<string>
  refused: ReadonlyMap<string, unknown>
}

function withoutAnswer(result: Result): Result {
  return { ...result, attempt: { ...result.attempt, responseHeaders: null, responseBody: null } }
}

const statusOf = {
  delivered: 'delivered',
  retry: 'pending',
  failed: 'failed',
  gone: 'failed',
} as const satisfies Record<Outcome['kind'], string>

/**
 * The outcomes, the attempts, what waits for its next try, and the webhooks that are gone, in one statement. It counts
 * while the worker's row is there and the number of the try is not used up; the ids written are answered.
 */
async function writeResults(
  queryable: Queryable,
  results: readonly Result[],
  { workerId, now }: { workerId: string; now: Date },
): Promise<Set<string>> {
  const column = <Value>(value: (result: Result) => Value): Value[] => results.map(value)
  const { rows } = await queryable.query<{ id: string }>(
    `WITH life AS MATERIALIZED (
       SELECT worker.id
       FROM postrider.workers AS worker
       WHERE worker.id = $1::uuid
       FOR KEY SHARE
     ),
     result AS (
       SELECT *
       FROM unnest(
         $2::uuid[], $3::integer[], $4::postrider.webhook_delivery_status[], $5::timestamptz[],
         $6::timestamptz[], $7::integer[], $8::text[], $9::integer[], $10::text[], $11::text[], $12::text[],
         $13::text[], $14::boolean[]
       ) AS result (
         id, attempt, status, retry_at,
         started_at, duration_ms, request_headers, response_status, response_headers, response_body, error,
         outcome, is_gone
       )
     ),
     recorded AS (
       UPDATE postrider.deliveries AS delivery
       SET status = result.status,
           attempts = delivery.attempts + 1,
           scheduled_at = COALESCE(result.retry_at, delivery.scheduled_at),
           last_attempt_at = result.started_at,
           last_response_status = result.response_status,
           last_response_body = result.response_body,
           last_error = result.error,
           delivered_at = CASE WHEN result.status = 'delivered' THEN $15::timestamptz END
       FROM result
       WHERE delivery.id = ANY($2::uuid[])
         AND delivery.id = result.id
         AND delivery.attempts + delivery.rescues + 1 = result.attempt
         AND delivery.status IN ('pending', 'delivering')
         AND EXISTS (SELECT FROM life)
       RETURNING delivery.id, delivery.webhook_id, delivery.status, delivery.scheduled_at
     ),
     waiting AS (
       INSERT INTO postrider.delivery_schedule (scheduled_at, delivery_id, webhook_id)
       SELECT recorded.scheduled_at, recorded.id, recorded.webhook_id
       FROM recorded
       WHERE recorded.status = 'pending'
     ),
     kept AS (
       INSERT INTO postrider.webhook_delivery_attempts (
         delivery_id, attempt, started_at, duration_ms, request_headers,
         response_status, response_headers, response_body, error, outcome
       )
       SELECT
         result.id,
         result.attempt,
         result.started_at,
         result.duration_ms,
         result.request_headers::jsonb,
         result.response_status,
         result.response_headers::jsonb,
         result.response_body,
         result.error,
         result.outcome
       FROM recorded
       JOIN result
         ON result.id = recorded.id
     ),
     gone AS (
       UPDATE postrider.webhooks
       SET is_active = false,
           disabled_reason = 'gone'
       WHERE is_active
         AND id IN (
           SELECT recorded.webhook_id
           FROM recorded
           JOIN result
             ON result.id = recorded.id
           WHERE result.is_gone
         )
     )
     SELECT recorded.id
     FROM recorded`,
    [
      workerId,
      column(({ delivery }) => delivery.id),
      column(({ delivery }) => attemptNumber(delivery)),
      column(({ outcome }) => statusOf[outcome.kind]),
      column(({ outcome }) => (outcome.kind === 'retry' ? outcome.retryAt : null)),
      column(({ attempt }) => attempt.startedAt),
      column(({ attempt }) => attempt.durationMs),
      column(({ attempt }) => JSON.stringify(attempt.requestHeaders)),
      column(({ outcome }) => outcome.responseStatus),
      column(({ attempt }) => attempt.responseHeaders && JSON.stringify(attempt.responseHeaders)),
      column(({ attempt }) => attempt.responseBody),
      column(({ outcome }) => (outcome.kind === 'delivered' ? outcome.note : outcome.error)),
      column(({ outcome }) => (outcome.kind === 'gone' ? 'failed' : outcome.kind)),
      column(({ outcome }) => outcome.kind === 'gone'),
      now,
    ],
  )
  return new Set(rows.map(({ id }) => id))
}
