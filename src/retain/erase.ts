import { notFound } from '../contract/errors.ts'
import type { Queryable } from '../database/database.ts'
import { isContended, retrying } from '../database/transient.ts'

/**
 * Removes an event with all that came of it, in one transaction: its payload, deliveries, attempts and answers, what waits
 * to be sent, and what filters kept back. The audit log keeps that it was done, by whom, and nothing of what it held.
 * A request that is on its way cannot be called back; its result is dropped. Its id is free: published again, it is a new
 * event.
 *
 * @throws {PostriderError} `not_found`
 */
export async function eraseEvent(queryable: Queryable, projectId: string, id: string): Promise<void> {
  // Results that are being written hold the same rows in other orders: after a deadlock it is tried again.
  const { rows } = await retrying(
    () =>
      queryable.query<{ is_erased: boolean }>(
        `SELECT postrider.erase_event($1::uuid, $2::uuid) AS is_erased`,
        [projectId, id],
      ),
    { tries: 5, when: isContended },
  )
  if (!rows[0]!.is_erased) throw notFound('event')
}
