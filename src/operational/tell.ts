import type { Transactable } from '../database/database.ts'

/** Events in one transaction. */
const batchSize = 500

interface Signal {
  id: string
  type: string
  data: string
  application_id: string | null
  environment_name: string | null
  created_at: Date
}

/**
 * Publishes what was noted to be told, of one project, to its operational webhooks: each signal once, under its own id.
 * Answers whether there may be more. Any number of processes may call this at once.
 */
export function tellSignals(database: Transactable): Promise<boolean> {
  return database.transaction(async (transaction) => {
    const { rows } = await transaction.query<{ project_id: string; exists: boolean }>(
      `SELECT
         signal.project_id,
         EXISTS (SELECT FROM postrider.projects AS project WHERE project.id = signal.project_id) AS exists
       FROM postrider.signals AS signal
       ORDER BY signal.id
       LIMIT 1
       FOR UPDATE OF signal SKIP LOCKED`,
    )
    const [first] = rows
    if (!first) return false
    const { rows: signals } = await transaction.query<Signal>(
      `DELETE FROM postrider.signals
       WHERE id = ANY(ARRAY(
         SELECT signal.id
         FROM postrider.signals AS signal
         WHERE signal.project_id = $1::uuid
         ORDER BY signal.id
         LIMIT ${batchSize}
         FOR UPDATE SKIP LOCKED
       ))
       RETURNING
         id,
         type,
         -- Whoever writes to the history in SQL may have written more than an event may hold.
         CASE
           WHEN length(data ->> 'error') > 1000 THEN data || jsonb_build_object('error', left(data ->> 'error', 1000))
           ELSE data
         END::text AS data,
         -- It may have been deleted since.
         (
           SELECT application.id
           FROM postrider.applications AS application
           WHERE application.project_id = signals.project_id
             AND application.id = signals.application_id
         ) AS application_id,
         -- The same for a name that no event can have: it would hold up what all others are told.
         CASE
           WHEN environment_name <> ''
             AND length(environment_name) <= 255
             AND environment_name !~ '[[:cntrl:]]'
             THEN environment_name
         END AS environment_name,
         created_at`,
      [first.project_id],
    )
    if (!first.exists) return true
    // In the order in which they were noted, for a webhook that keeps to it.
    signals.sort((one, other) => (one.id < other.id ? -1 : 1))
    await transaction.query(
      `SELECT published.id
       FROM postrider.publish_columns(
         project_id => $1::uuid,
         is_batch => true,
         ids => $2::uuid[],
         types => $3::text[],
         data => $4::text[]::jsonb[],
         application_ids => $5::uuid[],
         environment_names => $6::text[],
         timestamps => $7::timestamptz[],
         is_operational => true
       ) AS published`,
      [
        first.project_id,
        signals.map(({ id }) => id),
        signals.map(({ type }) => type),
        signals.map(({ data }) => data),
        signals.map(({ application_id }) => application_id),
        signals.map(({ environment_name }) => environment_name),
        signals.map(({ created_at }) => created_at),
      ],
    )
    return true
  })
}
