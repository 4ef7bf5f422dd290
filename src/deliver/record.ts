import type { Clock } from '../clock.ts'
import type { Queryable } from '../database/database.ts'
import { isLockedOut, mayPass, retrying } from '../database/transient.ts'
import { isDebugging, type Logger } from '../log.ts'
import { batchLine } from './batch-line.ts'
import type { Life } from './life.ts'
import { type Filtered, findLocked, type Result, withoutAnswer, writeResults } from './results.ts'

export interface RecorderOptions {
  database: Queryable
  /** Whose results they are. */
  life: Life
  clock: Clock
  logger: Logger
  /** Of each batch that was written, with those that came too late. */
  onRecord?: ((results: number, durationMs: number) => void) | undefined
}

interface Waiting {
  result: Result | Filtered
  done: (written: boolean) => void
  failed: (error: unknown) => void
}

/** Results written in one statement. */
const maxBatch = 500

/**
 * Under load a batch gathers for this long, unless it is large by then: a statement costs the same for few and for many,
 * and the slots of what waits here are free already.
 */
const gatherMs = 5
const largeBatch = 200

/** How often to look whether rows that somebody else held are free, and how long to look for such before writing. */
const lockedAgainMs = 500
const lookForLockedMs = 10_000

/**
 * Writes outcomes and attempts in batches: while one statement runs the next batch gathers. `record` resolves once its
 * result is written, `true`, or found to come too late, `false`: the life of this worker was ended by somebody else, who
 * has taken the delivery over. Results whose rows somebody else holds for long, such as who deletes many webhooks, hold up
 * no others.
 */
export class Recorder {
  readonly #database: Queryable
  readonly #life: Life
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #onRecord: RecorderOptions['onRecord']
  readonly #abort = new AbortController()
  #waiting: Waiting[] = []
  #writing = false
  /** The last batch was not small. */
  #isBusy = false
  /** Somebody else holds their rows. */
  #locked: Waiting[] = []
  #lockedTimer: NodeJS.Timeout | undefined
  #lookForLockedUntilMs = -Infinity

  constructor({ database, life, clock, logger, onRecord }: RecorderOptions) {
    this.#database = database
    this.#life = life
    this.#clock = clock
    this.#logger = logger
    this.#onRecord = onRecord
  }

  record(result: Result | Filtered): Promise<boolean> {
    return new Promise((done, failed) => {
      this.#waiting.push({ result, done, failed })
      if (!this.#writing) void this.#write()
    })
  }

  /** Waits no longer for a database that is away: what is not written by now is rejected. */
  abort(): void {
    this.#abort.abort()
    this.#tryLocked()
  }

  async #write(): Promise<void> {
    this.#writing = true
    // Results that are ready at the same moment share the first batch.
    await new Promise(setImmediate)
    while (this.#waiting.length > 0) {
      if (this.#isBusy && this.#waiting.length < largeBatch)
        await new Promise((resolve) => setTimeout(resolve, gatherMs))
      const taken = this.#waiting.splice(0, maxBatch)
      this.#isBusy = taken.length >= 10
      const batch = performance.now() < this.#lookForLockedUntilMs ? await this.#withoutLocked(taken) : taken
      const filtered = batch.filter(({ result }) => 'filtered' in result)
      const sent = filtered.length === 0 ? batch : batch.filter(({ result }) => 'outcome' in result)
      if (sent.length > 0) await this.#settle(sent)
      if (filtered.length > 0) await this.#settle(filtered)
    }
    this.#writing = false
  }

  async #settle(batch: readonly Waiting[]): Promise<void> {
    const results = batch.map(({ result }) => result)
    const startedMs = performance.now()
    try {
      const { written, refused } = await this.#writeBatch(results)
      this.#tell(results, written.size, performance.now() - startedMs)
      for (const { result, done, failed } of batch) {
        const error = refused.get(result.delivery.id)
        if (error === undefined) done(written.has(result.delivery.id))
        else failed(error)
      }
    } catch (error) {
      if (isLockedOut(error) && !this.#abort.signal.aborted) {
        this.#logger.warn(
          { error, results: batch.length },
          'somebody holds deliveries whose results are here',
        )
        this.#lookForLockedUntilMs = performance.now() + lookForLockedMs
        this.#waiting.unshift(...batch)
        return
      }
      for (const { failed } of batch) failed(error)
    }
  }

  #tell(results: readonly (Result | Filtered)[], written: number, durationMs: number): void {
    this.#onRecord?.(results.length, durationMs)
    if (!isDebugging(this.#logger)) return
    const deliveries = results.map(({ delivery }) => delivery)
    this.#logger.debug(batchLine(deliveries, { workerId: this.#life.id, durationMs, written }), 'recorded')
  }

  /** Those whose rows nobody holds; the others are put aside for a while. */
  async #withoutLocked(batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    const ids = batch.map(({ result }) => result.delivery.id)
    const signal = this.#abort.signal
    const locked = await retrying(() => findLocked(this.#database, ids), { signal, when: mayPass }).catch(
      () => new Set<string>(),
    )
    if (locked.size === 0 || signal.aborted) return batch
    this.#lookForLockedUntilMs = performance.now() + lookForLockedMs
    this.#locked.push(...batch.filter(({ result }) => locked.has(result.delivery.id)))
    this.#lockedTimer ??= setTimeout(() => this.#tryLocked(), lockedAgainMs)
    return batch.filter(({ result }) => !locked.has(result.delivery.id))
  }

  #tryLocked(): void {
    clearTimeout(this.#lockedTimer)
    this.#lockedTimer = undefined
    this.#waiting.push(...this.#locked.splice(0))
    if (this.#waiting.length > 0 && !this.#writing) void this.#write()
  }

  /** The database may be away for long: results are kept until it is back. */
  async #writeBatch(batch: readonly (Result | Filtered)[]): Promise<Written> {
    try {
      const written = await retrying(() => this.#writeResults(batch), {
        signal: this.#abort.signal,
        when: (error) => mayPass(error) && !isLockedOut(error),
        onRetry: (error) =>
          this.#logger.warn({ error, results: batch.length }, 'results wait for the database'),
      })
      return { written, refused: new Map() }
    } catch (error) {
      if (mayPass(error)) throw error
      return this.#writeOneByOne(batch, error)
    }
  }

  #writeResults(results: readonly (Result | Filtered)[]): Promise<Set<string>> {
    return writeResults(this.#database, results, { workerId: this.#life.id, now: this.#clock.now() })
  }

  /** Something in the batch cannot be stored. Whatever a receiver sent, each delivery gets its outcome written. */
  async #writeOneByOne(batch: readonly (Result | Filtered)[], cause: unknown): Promise<Written> {
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

  async #writeAnyhow(result: Result | Filtered): Promise<Set<string>> {
    const write = (version: Result | Filtered): Promise<Set<string>> =>
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
