import type { Queryable, Transactable } from '../database/database.ts'

/** What is left of a project or webhook that was deleted, and how much of it went until now. */
export interface DeletionStep {
  project_id: string
  /** null: of a project. */
  webhook_id: string | null
  deliveries: number
  events: number
  is_over: boolean
}

interface Deletion {
  id: string
  project_id: string
  webhook_id: string | null
  deliveries: string
  events: string
}

/**
 * Deletes at most `size` rows of what was deleted and waits longest; `undefined` where there is nothing to do. How far it is
 * moves in the same transaction: it goes on after a restart, and any number of processes may take part. A minute after the
 * end there is a last look, for what somebody held or had not committed then: `postrider.step_deletion` says how.
 */
export function stepDeletion(
  database: Transactable,
  { now, size }: { now: Date; size: number },
): Promise<DeletionStep | undefined> {
  return database.transaction(async (transaction) => {
    const before = await takeDeletion(transaction, now)
    if (!before) return undefined
    await transaction.query(`SELECT postrider.step_deletion($1::uuid, $2::integer)`, [before.id, size])
    const after = await readDeletion(transaction, before.id)
    const { project_id, webhook_id, deliveries, events } = after ?? before
    return {
      project_id,
      webhook_id,
      deliveries: Number(deliveries),
      events: Number(events),
      is_over: after === undefined,
    }
  })
}

async function takeDeletion(transaction: Queryable, now: Date): Promise<Deletion | undefined> {
  const { rows } = await transaction.query<Deletion>(
    `SELECT id, project_id, webhook_id, deliveries, events
     FROM postrider.deletions
     WHERE phase <> 'ended'
       OR stepped_at <= $1::timestamptz - interval '1 minute'
     ORDER BY stepped_at NULLS FIRST
     LIMIT 1
     FOR UPDATE SKIP LOCKED`,
    [now],
  )
  return rows[0]
}

async function readDeletion(transaction: Queryable, id: string): Promise<Deletion | undefined> {
  const { rows } = await transaction.query<Deletion>(
    `SELECT id, project_id, webhook_id, deliveries, events
     FROM postrider.deletions
     WHERE id = $1::uuid`,
    [id],
  )
  return rows[0]
}
