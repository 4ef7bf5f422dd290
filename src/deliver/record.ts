import type { Clock } from '../clock.ts'
import type { Queryable } from '../database/database.ts'
import { mayPass, retrying } from '../database/transient.ts'
import type { Logger } from '../log.ts'
import { attemptNumber, type ClaimedDelivery } from './claim.ts'
import type { Outcome } from './judge.ts'
import type { Life } from './life.ts'

/** One try as the history keeps it. */
export interface Attempt {
  startedAt: Date
  durationMs: number
  /** Values of the webhook's own headers redacted. */
  requestHeaders: Readonly<Record<string, string>>
  responseHeaders: Readonly<Record<string, string>> | null
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
 * Under load a batch gathers for this long, unless it is large by then: a statement costs the same for few and for many,
 * and the slots of what waits here are free already.
 */
const gatherMs = 5
const largeBatch = 200

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
  /** The last batch was not small. */
  #isBusy = false

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
      if (this.#isBusy && this.#waiting.length < largeBatch)
        await new Promise((resolve) => setTimeout(resolve, gatherMs))
      const batch = this.#waiting.splice(0, maxBatch)
      this.#isBusy = batch.length >= 10
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
        when: mayPass,
        onRetry: (error) =>
          this.#logger.warn({ error, results: batch.length }, 'results wait for the database'),
      })
      return { written, refused: new Map() }
    } catch (error) {
      if (mayPass(error)) throw error
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
      retrying(() => this.#writeResults([version]), { signal: this.#abort.signal, when: mayPass })
    try {
      return await write(result)
    } catch (error) {
      if (mayPass(error)) throw error
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
 * The outcomes, the attempts, what waits for its next try, and the webhooks that are gone, in one statement;
 * `postrider.record_results` says when a result counts. The ids written are answered.
 */
async function writeResults(
  queryable: Queryable,
  results: readonly Result[],
  { workerId, now }: { workerId: string; now: Date },
): Promise<Set<string>> {
  const { rows } = await queryable.query<{ id: string }>(
    `SELECT written.id
     FROM postrider.record_results($1::uuid, $2::timestamptz, $3::jsonb) AS written (id)`,
    [workerId, now, JSON.stringify(results.map(toJson))],
  )
  return new Set(rows.map(({ id }) => id))
}

/** A result with the names that the function in the database reads. */
function toJson({ delivery, outcome, attempt }: Result): object {
  return {
    id: delivery.id,
    attempt: attemptNumber(delivery),
    status: statusOf[outcome.kind],
    retry_at: outcome.kind === 'retry' ? outcome.retryAt : null,
    started_at: attempt.startedAt,
    duration_ms: attempt.durationMs,
    request_headers: attempt.requestHeaders,
    response_status: outcome.responseStatus,
    response_headers: attempt.responseHeaders,
    response_body: attempt.responseBody,
    error: outcome.kind === 'delivered' ? outcome.note : outcome.error,
    outcome: outcome.kind,
  }
}
