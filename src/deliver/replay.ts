import { invalidField, notFound } from '../contract/errors.ts'
import type { Database, Queryable, Transactable } from '../database/database.ts'
import { sqlstate, sqlstateOf } from '../database/sqlstate.ts'
import { retriedColumns } from './deliveries.ts'

/** Which finished deliveries of a webhook to send again. */
export interface ReplayRequest {
  since: Date
  until?: Date | undefined
  status?: 'failed' | 'delivered' | undefined
  /** Entries as in a webhook's `event_types`. */
  event_types?: readonly string[] | undefined
  dry_run?: boolean | undefined
}

export interface Replay {
  /** Deliveries that match. */
  count: number
  /** The stored job; none for a dry run. */
  replay_id?: string
}

interface ReplayJob {
  id: string
  webhook_id: string
  status: 'failed' | 'delivered'
  since: Date
  /** To the microsecond, which a Date would cut off. */
  until: string
  event_types: string[]
  last_created_at: string | null
  last_id: string | null
}

/** Deliveries in one step, which is one transaction. */
const stepSize = 500

/** The rows of a replay: $1 webhook, $2 status, $3 since, $4 until, $5 event types. */
const matches = `row.webhook_id = $1::uuid
  AND row.status = $2::postrider.webhook_delivery_status
  AND row.payload_expired_at IS NULL
  AND row.created_at >= $3::timestamptz
  AND row.created_at < COALESCE($4::timestamptz, now())
  AND ARRAY(SELECT jsonb_array_elements_text($5::jsonb)) && postrider.event_type_patterns(row.event_type)`

/**
 * Stores a replay for the workers to carry out, and answers how many deliveries match it. Asked for again while it runs
 * it is the same replay.
 */
export async function createReplay(
  database: Transactable,
  { projectId, webhookId }: { projectId: string; webhookId: string },
  { since, until, status = 'failed', event_types = ['*'], dry_run = false }: ReplayRequest,
): Promise<Replay> {
  if (until && until <= since) throw invalidField('until', 'must be later than since')
  return database.transaction(async (transaction) => {
    // Held until the replay is stored, in the order in which a project is deleted: what is being deleted meanwhile is
    // waited for, and then not there.
    const webhook = await transaction.query(
      `SELECT webhook.id
       FROM postrider.projects AS project
       JOIN postrider.webhooks AS webhook
         ON webhook.project_id = project.id
       WHERE project.id = $1::uuid
         AND webhook.id = $2::uuid
       FOR KEY SHARE OF project, webhook`,
      [projectId, webhookId],
    )
    if (webhook.rows.length === 0) throw notFound('webhook')
    const types = JSON.stringify(event_types)
    const counted = await transaction.query<{ count: number }>(
      `SELECT COUNT(*)::integer AS count
       FROM postrider.deliveries AS row
       WHERE ${matches}`,
      [webhookId, status, since, until ?? null, types],
    )
    const { count } = counted.rows[0]!
    if (dry_run) return { count }

    const stored = await storing(
      transaction.query<{ id: string; count: number }>(
        `INSERT INTO postrider.replays (project_id, webhook_id, status, since, until, event_types, count)
       VALUES ($1::uuid, $2::uuid, $3::postrider.webhook_delivery_status, $4::timestamptz, $5::timestamptz, $6::jsonb,
               $7::integer)
       ON CONFLICT (webhook_id, status, since, until, event_types) WHERE finished_at IS NULL
       DO UPDATE SET count = replays.count
       RETURNING id, count`,
        [projectId, webhookId, status, since, until ?? null, types, count],
      ),
    )
    return { count: stored.rows[0]!.count, replay_id: stored.rows[0]!.id }
  })
}

/** The event types stand in an index, whose entries have at most 2.7 kB: some hundreds of types, compressed, are more. */
async function storing<Result>(insert: Promise<Result>): Promise<Result> {
  try {
    return await insert
  } catch (error) {
    if (sqlstateOf(error) !== sqlstate.programLimitExceeded) throw error
    throw invalidField('event_types', 'are too many for one replay: ask for several', { cause: error })
  }
}

/**
 * Carries out one step of the oldest unfinished replay; answers false when there is none. The place where it stands
 * moves in the same transaction as the deliveries, and any number of processes may call this at once.
 */
export function stepReplay(
  database: Database,
  { now, scheduleLength }: { now: Date; scheduleLength: number },
): Promise<boolean> {
  return database.transaction(async (transaction) => {
    const job = await takeJob(transaction)
    if (!job) return false
    const { rows } = await transaction.query<{ id: string; created_at: string }>(
      `WITH step AS MATERIALIZED (
         SELECT row.id, row.created_at
         FROM postrider.deliveries AS row
         WHERE ${matches}
           AND ($6::timestamptz IS NULL OR (row.created_at, row.id) > ($6::timestamptz, $7::uuid))
         ORDER BY row.created_at, row.id
         LIMIT ${stepSize}
         FOR UPDATE
       ),
       retried AS (
         UPDATE postrider.deliveries AS row
         SET ${retriedColumns('$8', '$9')}
         WHERE row.id = ANY(ARRAY(SELECT step.id FROM step))
         RETURNING row.webhook_id, row.scheduled_at, row.id
       ),
       queued AS (
         INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
         SELECT retried.webhook_id, retried.scheduled_at, retried.id
         FROM retried
       )
       SELECT step.id, step.created_at::text AS created_at
       FROM step
       ORDER BY step.created_at, step.id`,
      [
        job.webhook_id,
        job.status,
        job.since,
        job.until,
        JSON.stringify(job.event_types),
        job.last_created_at,
        job.last_id,
        now,
        scheduleLength,
      ],
    )
    const last = rows.at(-1)
    await transaction.query(
      `UPDATE postrider.replays
       SET replayed = replayed + $2::integer,
           last_created_at = COALESCE($3::timestamptz, last_created_at),
           last_id = COALESCE($4::uuid, last_id),
           finished_at = CASE WHEN $2::integer < ${stepSize} THEN $5::timestamptz END
       WHERE id = $1::uuid`,
      [job.id, rows.length, last?.created_at ?? null, last?.id ?? null, now],
    )
    return true
  })
}

async function takeJob(transaction: Queryable): Promise<ReplayJob | undefined> {
  const { rows } = await transaction.query<ReplayJob>(
    `SELECT id, webhook_id, status, since, COALESCE(until, created_at)::text AS until, event_types,
            last_created_at::text AS last_created_at, last_id
     FROM postrider.replays
     WHERE finished_at IS NULL
     ORDER BY created_at
     LIMIT 1
     FOR UPDATE SKIP LOCKED`,
  )
  return rows[0]
}
