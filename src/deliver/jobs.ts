import { invalidField, notFound, PostriderError } from '../contract/errors.ts'
import type { AcceptedJob, Job, JobFilter, JobKind, NewJob } from '../contract/jobs.ts'
import type { Queryable, Transactable } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'
import { codeCondition, waitingPlaces } from './list.ts'

/** Counted at most where the place alone tells, and where each delivery must be looked at: 200 ms either way. */
const countedTo = 100_000
const lookedAtTo = 10_000

/** Without a thousand ids, which whoever follows a job would be told every second. */
const shown = `row.id, row.kind, row.filter - 'delivery_ids' AS filter, row.status, row.count, row.count_is_exact,
  row.done, row.created_at, row.finished_at`

/** Counts what a job would do, and stores it for the upkeep to carry out unless it is a dry run. */
export function createJob(
  database: Transactable,
  projectId: string,
  { kind, filter = {}, dry_run = false }: NewJob,
): Promise<AcceptedJob> {
  checkFilter(kind, filter)
  return database.transaction(async (transaction) => {
    if (filter.webhook_id !== undefined) await checkWebhook(transaction, projectId, kind, filter.webhook_id)
    const counted = await countJob(transaction, projectId, kind, filter)
    if (dry_run) return { ...counted, job: null }
    const { rows } = await transaction.query<Job>(
      `INSERT INTO postrider.jobs AS row (project_id, kind, filter, count, count_is_exact, until)
       VALUES ($1::uuid, $2::text, $3::jsonb, $4::integer, $5::boolean, LEAST($6::timestamptz, now()))
       RETURNING ${shown}`,
      [projectId, kind, JSON.stringify(filter), counted.count, counted.count_is_exact, filter.until ?? null],
    )
    return { ...counted, job: rows[0]! }
  })
}

export function listJobs(queryable: Queryable, projectId: string, page: PageRequest): Promise<Page<Job>> {
  const where = ['row.project_id = $1::uuid']
  return readPage<Job>(
    queryable,
    { columns: shown, from: 'postrider.jobs', where, values: [projectId] },
    page,
  )
}

export async function getJob(queryable: Queryable, projectId: string, id: string): Promise<Job> {
  const { rows } = await queryable.query<Job>(
    `SELECT ${shown}
     FROM postrider.jobs AS row
     WHERE row.project_id = $1::uuid
       AND row.id = $2::uuid`,
    [projectId, id],
  )
  if (!rows[0]) throw notFound('job')
  return rows[0]
}

/** No further step of it is done. What it did stays. */
export async function stopJob(queryable: Queryable, projectId: string, id: string): Promise<void> {
  const { rowCount } = await queryable.query(
    `UPDATE postrider.jobs
     SET status = 'stopped',
         finished_at = now()
     WHERE project_id = $1::uuid
       AND id = $2::uuid
       AND status = 'running'`,
    [projectId, id],
  )
  if (rowCount === 1) return
  const { status } = await getJob(queryable, projectId, id)
  throw new PostriderError('conflict', `The job has ended. It is ${status}.`)
}

function checkFilter(
  kind: JobKind,
  { status, delivery_ids, webhook_id, code, since, until }: JobFilter,
): void {
  const allowed = {
    retry: ['failed', 'delivered'],
    cancel: ['pending'],
    send_waiting_now: ['pending'],
    backfill: [],
  }
  if (status !== undefined && !(allowed[kind] as string[]).includes(status)) {
    const words = allowed[kind].join(' or ')
    throw invalidField(
      'filter.status',
      words === '' ? `says nothing for ${kind}` : `must be ${words} for ${kind}`,
    )
  }
  if (kind === 'backfill' && webhook_id === undefined) {
    throw invalidField('filter.webhook_id', 'is missing: a backfill is for one webhook')
  }
  for (const [name, value] of Object.entries({ code, delivery_ids })) {
    if (kind === 'backfill' && value !== undefined)
      throw invalidField(`filter.${name}`, 'says nothing for backfill')
  }
  if (since !== undefined && until !== undefined && new Date(until) <= new Date(since)) {
    throw invalidField('filter.until', 'must be later than since')
  }
}

async function checkWebhook(
  queryable: Queryable,
  projectId: string,
  kind: JobKind,
  webhookId: string,
): Promise<void> {
  const { rows } = await queryable.query<{ is_active: boolean }>(
    `SELECT is_active FROM postrider.webhooks WHERE project_id = $1::uuid AND id = $2::uuid`,
    [projectId, webhookId],
  )
  if (!rows[0]) throw invalidField('filter.webhook_id', 'names no webhook of this project')
  if (kind === 'backfill' && !rows[0].is_active) {
    throw new PostriderError('conflict', 'The webhook is inactive: make it active first.')
  }
}

async function countJob(
  queryable: Queryable,
  projectId: string,
  kind: JobKind,
  filter: JobFilter,
): Promise<Pick<Job, 'count' | 'count_is_exact'>> {
  const isPlain = isToldByPlace(kind, filter)
  const limit = isPlain ? countedTo : lookedAtTo
  const text =
    kind === 'backfill' ? countMissing : isPlain ? countPlaces(kind, filter) : countMet(kind, filter)
  const { rows } = await queryable.query<{ count: number; looked_at: number }>(text, [
    projectId,
    ...filterValues(filter),
    limit,
  ])
  const { count, looked_at } = rows[0]!
  return { count: Math.min(count, limit), count_is_exact: looked_at <= limit }
}

/** Whether nothing of a delivery itself must be known to count it. */
function isToldByPlace(
  kind: JobKind,
  { delivery_ids, event_type, code, since, until, status = 'failed' }: JobFilter,
): boolean {
  if (delivery_ids !== undefined || event_type !== undefined || code !== undefined) return false
  if (kind === 'backfill') return false
  return kind === 'retry' ? status === 'failed' : since === undefined && until === undefined
}

function countPlaces(kind: JobKind, filter: JobFilter): string {
  return `SELECT COUNT(*)::integer AS count, COUNT(*)::integer AS looked_at
     FROM (${sourceOf(kind, filter)} LIMIT $7::integer + 1) AS candidate
     WHERE ${everyParameter}`
}

function countMet(kind: JobKind, filter: JobFilter): string {
  return `WITH candidate AS MATERIALIZED (${sourceOf(kind, filter)} LIMIT $7::integer + 1)
     SELECT
       (
         SELECT COUNT(*)::integer
         FROM postrider.deliveries AS row
         WHERE row.id = ANY(ARRAY(SELECT candidate.id FROM candidate))
           AND ${condition(kind, filter)}
       ) AS count,
       (SELECT COUNT(*)::integer FROM candidate) AS looked_at`
}

/** Gives a type to those that a statement does not need. */
const everyParameter = `($2::uuid, $3::timestamptz, $4::timestamptz, $5::text, $6::uuid[]) IS NOT DISTINCT FROM ($2, $3, $4, $5, $6)`

/** $2 webhook, $3 since, $4 until, $5 event type, $6 deliveries. */
export function filterValues({ webhook_id, since, until, event_type, delivery_ids }: JobFilter): unknown[] {
  return [webhook_id, since, until, event_type, delivery_ids].map((value) => value ?? null)
}

/** On the row of a delivery: those of this kind of job, whatever place they were found in. */
export function condition(kind: JobKind, { status, delivery_ids, code }: JobFilter): string {
  return [
    kind !== 'retry'
      ? `row.status = 'pending'`
      : status === undefined && delivery_ids !== undefined
        ? `row.status IN ('failed', 'delivered')`
        : `row.status = '${status ?? 'failed'}'`,
    ...(kind === 'retry' ? ['row.payload_expired_at IS NULL'] : []),
    `($2::uuid IS NULL OR row.webhook_id = $2::uuid)`,
    `($3::timestamptz IS NULL OR row.created_at >= $3::timestamptz)`,
    `($4::timestamptz IS NULL OR row.created_at < $4::timestamptz)`,
    `($5::text IS NULL OR row.event_type = $5::text)`,
    `($6::uuid[] IS NULL OR row.id = ANY($6::uuid[]))`,
    ...(code === undefined ? [] : [codeCondition(code)]),
  ].join(' AND ')
}

/** Where to count them: $1 project, and as `filterValues`. */
function sourceOf(kind: JobKind, { delivery_ids, webhook_id, status = 'failed' }: JobFilter): string {
  if (delivery_ids !== undefined) {
    const scheduled = `JOIN postrider.delivery_schedule AS scheduled
            ON scheduled.scheduled_at = source.scheduled_at
            AND scheduled.delivery_id = source.id`
    return `SELECT source.id
          FROM postrider.deliveries AS source
          ${kind === 'send_waiting_now' ? scheduled : ''}
          WHERE source.project_id = $1::uuid
            AND source.id = ANY($6::uuid[])`
  }
  if (kind === 'cancel') return `SELECT placed.delivery_id AS id ${waitingPlaces(webhook_id)}`
  if (kind === 'send_waiting_now') {
    return `SELECT scheduled.delivery_id AS id
          FROM postrider.webhooks AS webhook
          JOIN postrider.delivery_schedule AS scheduled
            ON scheduled.webhook_id = webhook.id
          WHERE webhook.project_id = $1::uuid
            AND ($2::uuid IS NULL OR webhook.id = $2::uuid)`
  }
  return `SELECT ${status === 'failed' ? 'source.delivery_id AS id' : 'source.id'}
          FROM ${status === 'failed' ? 'postrider.failed_deliveries' : 'postrider.deliveries'} AS source
          WHERE source.project_id = $1::uuid
            AND ($2::uuid IS NULL OR source.webhook_id = $2::uuid)
            AND ($3::timestamptz IS NULL OR source.created_at >= $3::timestamptz)
            AND ($4::timestamptz IS NULL OR source.created_at < $4::timestamptz)`
}

/** Events that the webhook would get today and has not got; each type is matched once. */
const countMissing = `WITH event AS MATERIALIZED (
       SELECT event.id, event.type, event.application_id, event.environment_name, event.operational
       FROM postrider.events AS event
       WHERE event.project_id = $1::uuid
         AND ($3::timestamptz IS NULL OR event.created_at >= $3::timestamptz)
         AND ($4::timestamptz IS NULL OR event.created_at < $4::timestamptz)
         AND $6::uuid[] IS NULL
         AND event.payload_expired_at IS NULL
       LIMIT $7::integer + 1
     ),
     matching AS MATERIALIZED (
       SELECT kind.type, webhook.id AS webhook_id, webhook.application_id, webhook.environment_name, webhook.operational
       FROM (SELECT DISTINCT type FROM event) AS kind
       JOIN postrider.webhooks AS webhook
         ON webhook.event_types ?| postrider.event_type_patterns(kind.type)
       WHERE webhook.id = $2::uuid
         AND ($5::text IS NULL OR kind.type = $5::text)
     )
     SELECT
       (
         SELECT COUNT(*)::integer
         FROM event
         JOIN matching
           ON matching.type = event.type
           AND matching.operational = event.operational
         WHERE (matching.application_id IS NULL OR matching.application_id = event.application_id)
           AND (matching.environment_name IS NULL OR matching.environment_name = event.environment_name)
           AND NOT EXISTS (
             SELECT
             FROM postrider.deliveries AS delivery
             WHERE delivery.event_id = event.id
               AND delivery.webhook_id = matching.webhook_id
             OFFSET 0
           )
       ) AS count,
       (SELECT COUNT(*)::integer FROM event) AS looked_at`
