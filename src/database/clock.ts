import type { Clock } from '../clock.ts'
import type { Queryable } from './database.ts'

/**
 * The database's time, asked for once in a while and carried on between by this machine's monotonic clock. Every
 * process agrees on it to within a round trip, and setting a machine's wall clock changes nothing.
 */
export class DatabaseClock implements Clock {
  #offsetMs: number = performance.timeOrigin
  #bestRoundTripMs = Infinity
  #server: string | undefined

  now(): Date {
    return new Date(performance.now() + this.#offsetMs)
  }

  /** Asks the database. An answer that took long tells less than an older one that was quick, unless that is stale. */
  async synchronize(database: Queryable): Promise<void> {
    const askedMs = performance.now()
    const { rows } = await database.query<{ now_ms: string; server: string }>(
      `SELECT
         EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS now_ms,
         pg_postmaster_start_time()::text AS server`,
    )
    const { now_ms, server } = rows[0]!
    const answeredMs = performance.now()
    const roundTripMs = answeredMs - askedMs
    // After a failover it is another server, with a time of its own.
    if (server !== this.#server) this.#bestRoundTripMs = Infinity
    this.#server = server
    // Half a minute old, an answer counts as 1 ms worse for each further ask: clocks drift.
    this.#bestRoundTripMs += 1
    if (roundTripMs > this.#bestRoundTripMs && roundTripMs > 5) return
    this.#bestRoundTripMs = roundTripMs
    this.#offsetMs = Number(now_ms) - (askedMs + answeredMs) / 2
  }
}
