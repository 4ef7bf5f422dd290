import type { JobFilter, JobKind } from '../contract/jobs.ts'
import type { Database, Queryable } from '../database/database.ts'
import { isTransient } from '../database/transient.ts'
import { retriedColumns } from './deliveries.ts'
import { condition, filterValues } from './jobs.ts'

interface RunningJob {
  id: string
  project_id: string
  kind: JobKind
  filter: JobFilter
  /** To the microsecond, which a Date would cut off. */
  until: string
  last_created_at: string | null
  last_id: string | null
}

interface Step {
  /** Rows that were looked at; fewer than the size of a step at the end. */
  looked_at: number
  done: number
  last_created_at: string | null
  last_id: string | null
}

interface StepOptions {
  now: Date
  /** Tries in the deployment's full schedule. */
  scheduleLength: number
  /** Rows to look at. */
  stepSize?: number
}

/**
 * Carries out one step of the job whose last one is the longest ago; answers false when none runs. How far it is moves in
 * the transaction that does the step, and any number of processes may call this at once.
 *
 * @throws what a database throws that is away; any other error ends the job, not the others
 */
export async function stepJob(database: Database, options: StepOptions): Promise<boolean> {
  let job: RunningJob | undefined
  try {
    return await database.transaction(async (transaction) => {
      job = await takeJob(transaction)
      if (!job) return false
      await stepOf(transaction, job, { stepSize: 1_000, ...options })
      return true
    })
  } catch (error) {
    if (!job || isTransient(error)) throw error
    await database.query(
      `UPDATE postrider.jobs
       SET status = 'failed',
           finished_at = $2::timestamptz
       WHERE id = $1::uuid
         AND status = 'running'`,
      [job.id, options.now],
    )
    throw error
  }
}

async function takeJob(transaction: Queryable): Promise<RunningJob | undefined> {
  const { rows } = await transaction.query<RunningJob>(
    `SELECT id, project_id, kind, filter, until::text AS until, last_created_at::text AS last_created_at, last_id
     FROM postrider.jobs
     WHERE status = 'running'
     ORDER BY stepped_at NULLS FIRST
     LIMIT 1
     FOR UPDATE SKIP LOCKED`,
  )
  return rows[0]
}

async function stepOf(
  transaction: Queryable,
  job: RunningJob,
  options: Required<StepOptions>,
): Promise<void> {
  const { stepSize, now } = options
  const [text, values] = statementOf(job, options)
  if (job.kind === 'backfill') {
    const { rows } = await transaction.query<{ held: string[] }>(heldForBackfill, values)
    values.push(rows[0]!.held)
  }
  const [step] = (await transaction.query<Step>(text, values)).rows
  await transaction.query(
    `UPDATE postrider.jobs
     SET done = done + $2::integer,
         last_created_at = COALESCE($3::timestamptz, last_created_at),
         last_id = COALESCE($4::uuid, last_id),
         stepped_at = clock_timestamp(),
         status = CASE WHEN $5::boolean THEN 'finished' ELSE status END,
         finished_at = CASE WHEN $5::boolean THEN $6::timestamptz END
     WHERE id = $1::uuid`,
    [job.id, step!.done, step!.last_created_at, step!.last_id, step!.looked_at < stepSize, now],
  )
}

function statementOf(
  { kind, filter, project_id, until, last_created_at, last_id }: RunningJob,
  { now, scheduleLength, stepSize }: Required<StepOptions>,
): [string, unknown[]] {
  const values = [project_id, ...filterValues({ ...filter, until }), last_created_at, last_id, stepSize]
  if (kind === 'backfill') return [backfill, values]
  const isOfFailed = kind === 'retry' && (filter.status ?? 'failed') === 'failed' && !filter.delivery_ids
  const source = isOfFailed
    ? { table: 'postrider.failed_deliveries', id: 'delivery_id' }
    : { table: 'postrider.deliveries', id: 'id' }
  const candidates = candidatesIn(source, condition(kind, filter))
  if (kind === 'cancel') return [`WITH ${candidates}, ${cancelled} ${summary}`, values]
  const work = kind === 'retry' ? retried : sentNow
  return [`WITH ${candidates}, ${work} ${summary}`, [...values, now, scheduleLength]]
}

/**
 * The next rows of the history, oldest first: $1 project, $2 webhook, $3 since, $4 until, $5 event type, $6 their ids, $7
 * and $8 the last row that was looked at, $9 how many. Of them those that meet the condition, but for what somebody is just
 * writing: that is being sent.
 */
function candidatesIn({ table, id }: { table: string; id: string }, met: string): string {
  return `candidate AS MATERIALIZED (
       SELECT source.${id} AS id, source.created_at
       FROM ${table} AS source
       WHERE source.project_id = $1::uuid
         AND ($2::uuid IS NULL OR source.webhook_id = $2::uuid)
         AND ($3::timestamptz IS NULL OR source.created_at >= $3::timestamptz)
         AND source.created_at < $4::timestamptz
         AND ($6::uuid[] IS NULL OR source.${id} = ANY($6::uuid[]))
         AND ($7::timestamptz IS NULL OR (source.created_at, source.${id}) > ($7::timestamptz, $8::uuid))
       ORDER BY source.created_at, source.${id}
       LIMIT $9::integer
     ),
     target AS MATERIALIZED (
       SELECT row.id, row.webhook_id, row.scheduled_at
       FROM postrider.deliveries AS row
       WHERE row.id = ANY(ARRAY(SELECT candidate.id FROM candidate))
         AND ${met}
       ORDER BY row.id
       FOR UPDATE SKIP LOCKED
     )`
}

const summary = `SELECT
       COUNT(*)::integer AS looked_at,
       (SELECT COUNT(*)::integer FROM changed) AS done,
       MAX(candidate.created_at)::text AS last_created_at,
       (array_agg(candidate.id ORDER BY candidate.created_at DESC, candidate.id DESC))[1] AS last_id
     FROM candidate`

/** Finished ones, with a full schedule anew. */
const retried = `changed AS (
       UPDATE postrider.deliveries AS row
       SET ${retriedColumns('$10', '$11')}
       WHERE row.id = ANY(ARRAY(SELECT target.id FROM target))
       RETURNING row.webhook_id, row.scheduled_at, row.id
     ),
     queued AS (
       INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
       SELECT changed.webhook_id, changed.scheduled_at, changed.id
       FROM changed
     )`

const unscheduled = `unscheduled AS (
       DELETE FROM postrider.delivery_schedule AS waiting
       USING target
       WHERE waiting.scheduled_at = target.scheduled_at
         AND waiting.delivery_id = target.id
       RETURNING waiting.delivery_id
     )`

/** What waits for its next try goes into the queue. */
const sentNow = `${unscheduled},
     changed AS (
       UPDATE postrider.deliveries AS row
       SET ${retriedColumns('$10', '$11')}
       WHERE row.id = ANY(ARRAY(SELECT unscheduled.delivery_id FROM unscheduled))
       RETURNING row.webhook_id, row.scheduled_at, row.id
     ),
     queued AS (
       INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
       SELECT changed.webhook_id, changed.scheduled_at, changed.id
       FROM changed
     )`

/** Taken out of wherever it waits. A pending one that stands nowhere is just being sent. */
const cancelled = `${unscheduled},
     unqueued AS (
       DELETE FROM postrider.delivery_queue AS queued
       USING target
       WHERE queued.webhook_id = target.webhook_id
         AND queued.scheduled_at = target.scheduled_at
         AND queued.delivery_id = target.id
       RETURNING queued.delivery_id
     ),
     unlined AS (
       DELETE FROM postrider.delivery_line_waiting AS lined
       USING target
       WHERE lined.webhook_id = target.webhook_id
         AND lined.delivery_id = target.id
       RETURNING lined.delivery_id
     ),
     changed AS (
       UPDATE postrider.deliveries
       SET status = 'failed',
           last_error = 'cancelled'
       WHERE id = ANY(ARRAY(
         SELECT delivery_id FROM unscheduled
         UNION ALL
         SELECT delivery_id FROM unqueued
         UNION ALL
         SELECT delivery_id FROM unlined
       ))
       RETURNING id
     )`

/**
 * The next events, oldest first; parameters as those of deliveries. They are held, so that none loses its payload meanwhile.
 */
const candidateEvents = `candidate AS MATERIALIZED (
       SELECT event.id, event.created_at, event.type, event.application_id, event.environment_name, event.operational,
              event.payload_expired_at
       FROM postrider.events AS event
       WHERE event.project_id = $1::uuid
         AND ($3::timestamptz IS NULL OR event.created_at >= $3::timestamptz)
         AND event.created_at < $4::timestamptz
         AND $6::uuid[] IS NULL
         AND ($7::timestamptz IS NULL OR (event.created_at, event.id) > ($7::timestamptz, $8::uuid))
       ORDER BY event.created_at, event.id
       LIMIT $9::integer
       FOR SHARE
     ),
     webhook AS MATERIALIZED (
       SELECT webhook.*
       FROM postrider.webhooks AS webhook
       WHERE webhook.id = $2::uuid
         AND webhook.project_id = $1::uuid
       FOR KEY SHARE
     )`

/** That the webhook would get today and has not got. */
const isMissing = `webhook.event_types ?| postrider.event_type_patterns(candidate.type)
         AND webhook.operational = candidate.operational
         AND candidate.payload_expired_at IS NULL
         AND (webhook.application_id IS NULL OR webhook.application_id = candidate.application_id)
         AND (webhook.environment_name IS NULL OR webhook.environment_name = candidate.environment_name)
         AND ($5::text IS NULL OR candidate.type = $5::text)
         AND NOT EXISTS (
           SELECT
           FROM postrider.deliveries AS delivery
           WHERE delivery.event_id = candidate.id
             AND delivery.webhook_id = webhook.id
           OFFSET 0
         )`

/**
 * Comes before the backfill, in a statement of its own: of its events, those of which nobody else makes deliveries from here on.
 * What somebody made meanwhile, the next statement sees.
 */
const heldForBackfill = `WITH ${candidateEvents}
     SELECT postrider.hold_event_ids($1::uuid, ARRAY(
       SELECT candidate.id
       FROM candidate
       CROSS JOIN webhook
       WHERE ${isMissing}
     )) AS held`

/**
 * A delivery of each event that the webhook would get today and has not got, what a filter kept back too: the filter of
 * today looks at it. To an ordered webhook they go in the order of the events, behind those that stand in its line already.
 */
const backfill = `WITH ${candidateEvents},
     changed AS (
       INSERT INTO postrider.deliveries (webhook_id, project_id, event_id, event_type, max_attempts, shape_id)
       SELECT
         webhook.id,
         webhook.project_id,
         candidate.id,
         candidate.type,
         COALESCE(cardinality(webhook.retry_seconds) + 1, 6),
         webhook.shape_id
       FROM candidate
       CROSS JOIN webhook
       WHERE ${isMissing}
         AND candidate.id = ANY($10::uuid[])
       ORDER BY candidate.created_at, candidate.id
       ON CONFLICT DO NOTHING
       RETURNING webhook_id, scheduled_at, id, event_id
     ),
     looked_at_again AS (
       DELETE FROM postrider.filtered_deliveries AS filtered
       WHERE filtered.webhook_id = $2::uuid
         AND filtered.event_id = ANY(ARRAY(SELECT changed.event_id FROM changed))
     ),
     queued AS (
       INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
       SELECT changed.webhook_id, changed.scheduled_at, changed.id
       FROM changed
       CROSS JOIN webhook
       WHERE NOT webhook.ordered
     ),
     lined_up AS (
       INSERT INTO postrider.delivery_line_waiting (webhook_id, delivery_id)
       SELECT changed.webhook_id, changed.id
       FROM changed
       CROSS JOIN webhook
       JOIN candidate
         ON candidate.id = changed.event_id
       WHERE webhook.ordered
       ORDER BY candidate.created_at, candidate.id
     )
     ${summary}`
