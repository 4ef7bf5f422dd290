import type { Queryable } from '../database/database.ts'
import { attemptNumber, type ClaimedDelivery } from './claim.ts'
import type { Outcome } from './judge.ts'

/** One try as the history keeps it. */
export interface Attempt {
  startedAt: Date
  durationMs: number
  /** Values of the webhook's own headers redacted. */
  requestHeaders: Readonly<Record<string, string>>
  responseHeaders: Readonly<Record<string, string>> | null
  responseBody: string | null
}

export interface Result {
  delivery: ClaimedDelivery
  outcome: Outcome
  attempt: Attempt
}

/** Nothing was sent: the webhook's filter keeps it back, and why, in words. */
export interface Filtered {
  delivery: ClaimedDelivery
  filtered: string
}

/** A result that can be stored whatever its receiver answered. */
export function withoutAnswer(result: Result | Filtered): Result | Filtered {
  if ('filtered' in result) return { ...result, filtered: 'the filter does not let it through' }
  return { ...result, attempt: { ...result.attempt, responseHeaders: null, responseBody: null } }
}

/** What a delivery is after an outcome. */
export const statusOf = {
  delivered: 'delivered',
  retry: 'pending',
  failed: 'failed',
  gone: 'failed',
} as const satisfies Record<Outcome['kind'], string>

/** Of these deliveries, those whose rows somebody else is changing. Nothing is held on to. */
export async function findLocked(queryable: Queryable, ids: readonly string[]): Promise<Set<string>> {
  const { rows } = await queryable.query<{ id: string }>(
    `WITH free AS MATERIALIZED (
       SELECT delivery.id
       FROM postrider.deliveries AS delivery
       WHERE delivery.id = ANY($1::uuid[])
       FOR NO KEY UPDATE SKIP LOCKED
     )
     SELECT delivery.id
     FROM postrider.deliveries AS delivery
     WHERE delivery.id = ANY($1::uuid[])
       AND delivery.id <> ALL(ARRAY(SELECT free.id FROM free))`,
    [ids],
  )
  return new Set(rows.map(({ id }) => id))
}

/** All of one kind. The ids written are answered. */
export async function writeResults(
  queryable: Queryable,
  results: readonly (Result | Filtered)[],
  written: { workerId: string; now: Date },
): Promise<Set<string>> {
  const filtered = results.filter((result) => 'filtered' in result)
  const sent = results.filter((result) => 'outcome' in result)
  return new Set(
    filtered.length > 0
      ? await writeFiltered(queryable, filtered, written)
      : await writeSent(queryable, sent, written),
  )
}

/**
 * The outcomes, the attempts, what waits for its next try, and the webhooks that are gone, in one statement;
 * `postrider.record_results` says when a result counts.
 */
async function writeSent(
  queryable: Queryable,
  results: readonly Result[],
  { workerId, now }: { workerId: string; now: Date },
): Promise<string[]> {
  const { rows } = await queryable.query<{ id: string }>(
    `SELECT written.id
     FROM postrider.record_results($1::uuid, $2::timestamptz, $3::jsonb) AS written (id)`,
    [workerId, now, JSON.stringify(results.map(toJson))],
  )
  return rows.map(({ id }) => id)
}

/** They leave the history and are noted as filtered, by the same rule. */
async function writeFiltered(
  queryable: Queryable,
  results: readonly Filtered[],
  { workerId, now }: { workerId: string; now: Date },
): Promise<string[]> {
  const entries = results.map(({ delivery, filtered }) => ({
    id: delivery.id,
    attempt: attemptNumber(delivery),
    reason: filtered,
  }))
  const { rows } = await queryable.query<{ id: string }>(
    `SELECT written.id
     FROM postrider.record_filtered($1::uuid, $2::timestamptz, $3::jsonb) AS written (id)`,
    [workerId, now, JSON.stringify(entries)],
  )
  return rows.map(({ id }) => id)
}

/** A result with the names that the function in the database reads. */
function toJson({ delivery, outcome, attempt }: Result): object {
  return {
    id: delivery.id,
    attempt: attemptNumber(delivery),
    status: statusOf[outcome.kind],
    retry_at: outcome.kind === 'retry' ? outcome.retryAt : null,
    started_at: attempt.startedAt,
    duration_ms: attempt.durationMs,
    request_headers: attempt.requestHeaders,
    response_status: outcome.responseStatus,
    response_headers: attempt.responseHeaders,
    response_body: attempt.responseBody,
    error: outcome.kind === 'delivered' ? outcome.note : outcome.error,
    outcome: outcome.kind,
  }
}
