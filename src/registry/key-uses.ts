import type { Clock } from '../clock.ts'
import type { Queryable } from '../database/database.ts'

/** A key that was noted less than this long ago is not noted again. */
const noteEveryMs = 60_000
/** Uses gather for this long, and are written together. */
const gatherMs = 1_000

/**
 * Notes when keys were last used, beside the calls and never in them: at most once a minute for each key, all keys of a
 * second in one statement, and one that fails is dropped, since the next use brings it again.
 */
export class KeyUses {
  readonly #database: Queryable
  readonly #clock: Clock
  #ids = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  constructor({ database, clock }: { database: Queryable; clock: Clock }) {
    this.#database = database
    this.#clock = clock
  }

  /** `lastUsedAt` is what the row says. */
  note(id: string, lastUsedAt: Date | null): void {
    if (lastUsedAt !== null && this.#clock.now().getTime() - lastUsedAt.getTime() < noteEveryMs) return
    this.#ids.add(id)
    this.#timer ??= setTimeout(() => void this.write(), gatherMs).unref()
  }

  /** Writes what has gathered. Waits for no lock: whoever holds the row of a key changes it, deletes it or notes it too. */
  async write(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const ids = [...this.#ids]
    this.#ids.clear()
    if (ids.length === 0) return
    try {
      await this.#database.query(
        `UPDATE postrider.api_keys
         SET last_used_at = $2::timestamptz
         WHERE id = ANY(ARRAY(
           SELECT id
           FROM postrider.api_keys
           WHERE id = ANY($1::uuid[])
             AND (last_used_at IS NULL OR last_used_at <= $2::timestamptz - $3::integer * interval '1 millisecond')
           FOR NO KEY UPDATE SKIP LOCKED
         ))`,
        [ids, this.#clock.now(), noteEveryMs],
      )
    } catch {
      // A database that is away or read-only: no call fails for it.
    }
  }
}
