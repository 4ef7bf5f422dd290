import { setTimeout as delay } from 'node:timers/promises'
import type { Database, Queryable } from '../database/database.ts'
import { isContended, isLockedOut } from '../database/transient.ts'

/** Whoever comes after us waits as long as we do: for a lock so long, and then until the change is done. */
const lockTimeoutMs = 100
const tries = 60
/** Between two tries those go on who waited behind us. */
const pauseMs = 500

/**
 * Changes tables that everybody uses: in one transaction that waits for a lock for 100 ms at most, and comes back later if
 * somebody holds it, up to a minute in all. So nobody waits for longer than 200 ms, as long as `change` takes less than 100.
 *
 * @throws the last error, when somebody held a lock all the time, such as a transaction that stays open
 */
export async function briefly<Result>(
  database: Database,
  change: (transaction: Queryable) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  for (let done = 1; ; done += 1) {
    try {
      return await database.transaction(async (transaction) => {
        await transaction.query(`SET LOCAL lock_timeout = ${lockTimeoutMs}`)
        return await change(transaction)
      })
    } catch (error) {
      if (done === tries || signal?.aborted || !(isLockedOut(error) || isContended(error))) throw error
      await delay(pauseMs * (0.5 + Math.random()), undefined, { ...(signal && { signal }) }).catch(() => {})
    }
  }
}
