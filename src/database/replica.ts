import { PostriderError } from '../contract/errors.ts'
import type { Logger } from '../log.ts'
import { Database, type Queryable, type Transactable } from './database.ts'
import type { Scope } from './scope.ts'
import { isUnavailable } from './transient.ts'

/** What is further behind the primary is not asked. */
export const mostLagMs = 5_000

const everyMs = 1_000

/** So long after the last call nobody measures any more. */
const idleAfterMs = 60_000

/** Where the primary was, and when it was asked; by this process's monotonic clock. */
interface Mark {
  atMs: number
  position: bigint
}

/**
 * A streaming replica beside the primary, which answers what may be some seconds old. Once a second the primary is asked how
 * far its WAL has come and the replica how far it has replayed it: what the primary had at such a moment, the replica has
 * as soon as it has passed that position. That needs no rights, and is true while nothing is written and when the stream
 * has broken, of which `pg_last_xact_replay_timestamp()` tells neither.
 *
 * The primary is asked instead
 * - where the replica is away, is no standby, or has not got what the primary had 5 s ago,
 * - where the same caller has changed something in this process that the replica may not have yet,
 * - and whenever the replica fails: rows that it does not know, a query that its replay has cancelled.
 */
export class Replica {
  readonly #primary: Database
  readonly #replica: Database
  readonly #logger: Logger
  #marks: Mark[] = []
  /** All that was committed before, the replica has. */
  #freshUntilMs = -Infinity
  /** By caller: when it changed something. */
  readonly #changedMs = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #lastReadMs = -Infinity
  #measuring: Promise<void> | undefined
  /** Why it is not read from, once that was told. */
  #told: string | undefined = 'it was not asked yet'

  constructor({
    primary,
    connectionString,
    logger,
  }: {
    primary: Database
    connectionString: string
    logger: Logger
  }) {
    this.#primary = primary
    this.#logger = logger
    this.#replica = new Database({ connectionString, queryTimeoutMs: 10_000 })
  }

  get pool(): Database['pool'] {
    return this.#replica.pool
  }

  /** A database to read from alone: the replica where it will do, else `primary`. What is read may be read twice. */
  readingFor(scope: Scope, primary: Transactable): Transactable {
    const replica = this.#replica.scopedTo(scope)
    const read = async <Result>(work: (database: Transactable) => Promise<Result>): Promise<Result> => {
      if (!this.#serves(callerOf(scope))) return work(primary)
      try {
        return await work(replica)
      } catch (error) {
        if (error instanceof PostriderError && error.code !== 'not_found') throw error
        if (isUnavailable(error)) this.#lose(error)
        return work(primary)
      }
    }
    return {
      query: (text, values) => read((database) => database.query(text, values)),
      transaction: <Result>(work: (transaction: Queryable) => Promise<Result>) =>
        read((database) => database.transaction(work)),
    }
  }

  /** The primary, remembering for this caller what it changes. */
  changingFor(scope: Scope, primary: Transactable): Transactable {
    return {
      query: <Row>(text: string, values?: unknown[]) => {
        const asked = primary.query<Row>(text, values)
        return mayChange.test(text) ? asked.finally(() => this.noteChange(scope)) : asked
      },
      transaction: async <Result>(work: (transaction: Queryable) => Promise<Result>) => {
        let isChange = false
        const noting = (transaction: Queryable): Queryable => ({
          query: (text, values) => {
            isChange ||= mayChange.test(text)
            return transaction.query(text, values)
          },
        })
        return primary
          .transaction((transaction) => work(noting(transaction)))
          .finally(() => isChange && this.noteChange(scope))
      },
    }
  }

  /** This caller has just changed something, and is to see it. */
  noteChange(scope: Scope): void {
    const nowMs = performance.now()
    const caller = callerOf(scope)
    this.#changedMs.delete(caller)
    this.#changedMs.set(caller, nowMs)
    // Oldest first: what was changed so long ago, a replica that will do has.
    for (const [caller, atMs] of this.#changedMs) {
      if (atMs >= nowMs - mostLagMs) break
      this.#changedMs.delete(caller)
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    await this.#measuring
    await this.#replica.close()
  }

  #serves(caller: string): boolean {
    this.#lastReadMs = performance.now()
    this.#keepMeasuring()
    const isFresh = this.#freshUntilMs >= this.#lastReadMs - mostLagMs
    return isFresh && this.#freshUntilMs > (this.#changedMs.get(caller) ?? -Infinity)
  }

  #keepMeasuring(): void {
    if (this.#timer) return
    const measure = (): void => {
      if (performance.now() - this.#lastReadMs > idleAfterMs) {
        clearInterval(this.#timer)
        this.#timer = undefined
        return
      }
      this.#measuring ??= this.#measure().finally(() => (this.#measuring = undefined))
    }
    this.#timer = setInterval(measure, everyMs)
    this.#timer.unref()
    measure()
  }

  async #measure(): Promise<void> {
    try {
      const mark = { atMs: performance.now(), position: await readPosition(this.#primary) }
      this.#marks.push(mark)
      const replayed = await readReplayed(this.#replica)
      if (replayed === null) {
        this.#lose(new Error('it is no standby'))
        return
      }
      const passed = this.#marks.findLast(({ position }) => position <= replayed)
      if (passed) this.#freshUntilMs = passed.atMs
      this.#marks = this.#marks.filter(
        ({ atMs }) => atMs > Math.max(this.#freshUntilMs, mark.atMs - 2 * mostLagMs),
      )
      const lagMs = performance.now() - this.#freshUntilMs
      this.#tell(lagMs <= mostLagMs ? undefined : 'it is behind')
    } catch (error) {
      this.#lose(error)
    }
  }

  #lose(error: unknown): void {
    this.#freshUntilMs = -Infinity
    this.#tell(error instanceof Error ? error.message : String(error))
  }

  /** Once for each change. */
  #tell(reason: string | undefined): void {
    if (reason === this.#told) return
    this.#told = reason
    if (reason === undefined) this.#logger.info({}, 'history is read from the replica')
    else this.#logger.warn({ reason }, 'history is read from the primary: the replica will not do')
  }
}

/** A statement that writes, or calls one of our functions, which may. */
const mayChange = /\b(?:INSERT|UPDATE|DELETE)\b|\bpostrider\.\w+\(/

function callerOf({ actor }: Scope): string {
  return actor ? `${actor.kind} ${actor.id ?? ''}` : ''
}

async function readPosition(primary: Queryable): Promise<bigint> {
  const { rows } = await primary.query<{ position: string }>(
    `SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text AS position`,
  )
  return BigInt(rows[0]!.position)
}

/**
 * null for a server that is no standby, or not any more. The connection to that is closed: another one may lead to one that
 * is.
 */
async function readReplayed({ pool }: Database): Promise<bigint | null> {
  const client = await pool.connect()
  let replayed: bigint | null = null
  // A lost connection fails the statement. Without a listener it would also end the process.
  client.on('error', ignore)
  try {
    const { rows } = await client.query<{ position: string | null }>(
      `SELECT CASE WHEN pg_is_in_recovery()
         THEN pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::text
       END AS position`,
    )
    const { position } = rows[0]!
    if (position !== null) replayed = BigInt(position)
    return replayed
  } finally {
    client.off('error', ignore)
    client.release(replayed === null)
  }
}

function ignore(): void {}
