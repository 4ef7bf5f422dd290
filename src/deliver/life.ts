import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Queryable } from '../database/database.ts'

/**
 * One life of a worker: a row in `workers` with a lease that is renewed while it lives. All that it has in flight hangs
 * on this one lease. Whoever finds it run out deletes the row, and from then on nothing of this life is believed:
 *
 *     begin ─► renewed … renewed ─► end            the worker stopped
 *                   │
 *                   └─► run out, deleted ─► lost   it died, stood still, or lost the database
 *
 * A lease that ran out while nobody looked is renewed all the same: what counts is whether the row is there.
 */
export class Life {
  readonly id = randomUUID()
  readonly #leaseSeconds: number
  readonly #clock: Clock
  readonly #lost = new AbortController()
  #leaseUntil = new Date(0)

  constructor({ leaseSeconds, clock }: { leaseSeconds: number; clock: Clock }) {
    this.#leaseSeconds = leaseSeconds
    this.#clock = clock
  }

  /** Aborts when somebody else has taken over what was in flight. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** False from the moment on at which somebody may take over. */
  get holds(): boolean {
    return !this.#lost.signal.aborted && this.#clock.now() < this.#leaseUntil
  }

  async begin(queryable: Queryable): Promise<void> {
    const now = this.#clock.now()
    await queryable.query(
      `INSERT INTO postrider.workers (id, started_at, lease_until)
       VALUES ($1::uuid, $2::timestamptz, $2::timestamptz + make_interval(secs => $3::integer))
       ON CONFLICT (id) DO NOTHING`,
      [this.id, now, this.#leaseSeconds],
    )
    this.#leaseUntil = this.#until(now)
  }

  /** Answers whether it still lives. The lease counts from before the database was asked. */
  async renew(queryable: Queryable): Promise<boolean> {
    const now = this.#clock.now()
    const { rowCount } = await queryable.query(
      `UPDATE postrider.workers
       SET lease_until = $2::timestamptz + make_interval(secs => $3::integer)
       WHERE id = $1::uuid`,
      [this.id, now, this.#leaseSeconds],
    )
    if (rowCount === 0) this.#lost.abort()
    else this.#leaseUntil = this.#until(now)
    return rowCount !== 0
  }

  #until(now: Date): Date {
    return new Date(now.getTime() + this.#leaseSeconds * 1_000)
  }
}
