import type { PoolClient } from 'pg'
import type { Logger } from '../log.ts'
import type { Database } from './database.ts'

const channel = 'postrider_due'

/**
 * Tells workers that something is due, at most once every `everyMs` however much is published: NOTIFY takes a lock that
 * all committing transactions of the server share. It is a courtesy: a worker that hears nothing polls.
 */
export class Notifier {
  readonly #database: Database
  readonly #everyMs: number
  #timer: NodeJS.Timeout | undefined
  #lastMs = -Infinity

  constructor(database: Database, everyMs = 5) {
    this.#database = database
    this.#everyMs = everyMs
  }

  /**
   * The channel to notify with a statement that is about to commit, where it is time for that: one round trip and one
   * commit less than `notify()` after it. Whoever gets `null` calls that.
   */
  turn(): string | null {
    if (this.#timer || performance.now() < this.#lastMs + this.#everyMs) return null
    this.#lastMs = performance.now()
    return channel
  }

  /** Soon after this call every listening worker wakes. */
  notify(): void {
    if (this.#timer) return
    const waitMs = Math.max(this.#lastMs + this.#everyMs - performance.now(), 0)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#lastMs = performance.now()
      // Nothing to make durable: without a wait for the disk workers hear it sooner.
      this.#database
        .query(`SELECT set_config('synchronous_commit', 'off', true), pg_notify('${channel}', '')`)
        .catch(() => {})
    }, waitMs)
    this.#timer.unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

/** Hears a `Notifier` of any process, on a connection of its own that is opened again whenever it is lost. */
export class Listener {
  readonly #database: Database
  readonly #onWake: () => void
  readonly #logger: Logger
  #client: PoolClient | undefined
  #retry: NodeJS.Timeout | undefined
  #stopped = true

  constructor(options: { database: Database; onWake: () => void; logger: Logger }) {
    this.#database = options.database
    this.#onWake = options.onWake
    this.#logger = options.logger
  }

  async start(): Promise<void> {
    this.#stopped = false
    await this.#listen()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#retry)
    this.#release()
  }

  async #listen(): Promise<void> {
    try {
      const client = await this.#database.pool.connect()
      this.#client = client
      client.on('notification', this.#onWake)
      client.on('error', () => this.#lost())
      client.on('end', () => this.#lost())
      await client.query(`LISTEN ${channel}`)
      if (this.#stopped) this.#release()
      // What was told while nobody listened.
      else this.#onWake()
    } catch (error) {
      this.#logger.warn({ error }, 'cannot listen for new deliveries: polling')
      this.#lost()
    }
  }

  #lost(): void {
    this.#release()
    if (this.#stopped) return
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => void this.#listen(), 1_000)
    this.#retry.unref()
  }

  /** The connection is closed, not given back: it would go on listening for whoever gets it next. */
  #release(): void {
    const client = this.#client
    this.#client = undefined
    client?.removeAllListeners('notification')
    client?.release(true)
  }
}
