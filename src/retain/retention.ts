import type { Database, Queryable, Transactable } from '../database/database.ts'
import type { Pace } from './pace.ts'
import { expirePayloads } from './payloads.ts'
import { beginning, expireDeliveries, expireEvents, type Position, type Slice } from './rule-steps.ts'
import { cutoffsOf, isRuled, readProjectRules, readRuledProjects } from './rules.ts'

/**
 * Carries out the rules that projects have of their own: once a day, and soon after one was changed, a pass over what is old
 * enough of a project's history. Where a pass stands moves in the transaction that does a step, so that it goes on after a
 * restart, and any number of processes may take part.
 */

type Phase = 'deliveries' | 'events' | 'payloads'

interface Pass {
  project_id: string
  phase: Phase
  last_created_at: string
  last_id: string
  deliveries: string
  events: string
  payloads: string
  payloads_from: string
  payloads_left_at: string | null
}

/** What a pass did until now. */
export interface PassStep {
  project_id: string
  deliveries: number
  events: number
  payloads: number
  is_over: boolean
}

export interface StepOptions {
  now: Date
  /** How long the deployment keeps its history. */
  days: number
  /** Rows to look at. */
  size: number
}

/** One step of the pass that waits longest; `undefined` when none is due. */
export function stepRetention(database: Transactable, options: StepOptions): Promise<PassStep | undefined> {
  return database.transaction(async (transaction) => {
    const pass = await takePass(transaction, options.now)
    if (!pass) return undefined
    const rules = await readProjectRules(transaction, pass.project_id)
    if (!rules || !isRuled(rules)) {
      await transaction.query(
        `DELETE FROM postrider.project_retention
         WHERE project_id = $1::uuid`,
        [pass.project_id],
      )
      return { ...told(pass), is_over: true }
    }
    const slice: Slice = {
      projectId: pass.project_id,
      cutoffs: cutoffsOf(rules, options),
      after: { createdAt: pass.last_created_at, id: pass.last_id },
      size: options.size,
    }
    const stepped = await stepOf[pass.phase](transaction, pass, slice, options.now)
    return storePass(transaction, stepped, options.now)
  })
}

/** How far a pass is after a step; `next` null: it is over. */
interface Stepped {
  pass: Pass
  next: { phase: Phase; after: Position } | null
}

async function steppedDeliveries(queryable: Queryable, pass: Pass, slice: Slice): Promise<Stepped> {
  const { done, last } = await expireDeliveries(queryable, slice)
  return {
    pass: { ...pass, deliveries: plus(pass.deliveries, done) },
    next: last ? { phase: 'deliveries', after: last } : { phase: 'events', after: beginning },
  }
}

async function steppedEvents(queryable: Queryable, pass: Pass, slice: Slice): Promise<Stepped> {
  const { done, last } = await expireEvents(queryable, slice)
  const payloads: Stepped['next'] = slice.cutoffs.payloads && {
    phase: 'payloads',
    after: { createdAt: pass.payloads_from, id: beginning.id },
  }
  return {
    pass: { ...pass, events: plus(pass.events, done) },
    next: last ? { phase: 'events', after: last } : payloads,
  }
}

/** The next pass begins with the first event that keeps its payload now, or where this one ends. */
async function steppedPayloads(queryable: Queryable, pass: Pass, slice: Slice, now: Date): Promise<Stepped> {
  const { payloads } = slice.cutoffs
  if (!payloads) return { pass, next: null }
  const { done, last, leftAt } = await expirePayloads(queryable, { ...slice, now })
  const left = pass.payloads_left_at ?? leftAt
  const after: Pass = { ...pass, payloads: plus(pass.payloads, done) }
  if (last) return { pass: { ...after, payloads_left_at: left }, next: { phase: 'payloads', after: last } }
  return {
    pass: { ...after, payloads_left_at: null, payloads_from: left ?? payloads.toISOString() },
    next: null,
  }
}

const stepOf: Record<Phase, (queryable: Queryable, pass: Pass, slice: Slice, now: Date) => Promise<Stepped>> =
  { deliveries: steppedDeliveries, events: steppedEvents, payloads: steppedPayloads }

async function takePass(transaction: Queryable, now: Date): Promise<Pass | undefined> {
  const { rows } = await transaction.query<Pass>(
    `SELECT project_id, phase, last_created_at::text AS last_created_at, last_id, deliveries, events, payloads,
            payloads_from::text AS payloads_from, payloads_left_at::text AS payloads_left_at
     FROM postrider.project_retention
     WHERE due_at <= $1::timestamptz
     ORDER BY due_at
     LIMIT 1
     FOR UPDATE SKIP LOCKED`,
    [now],
  )
  return rows[0]
}

async function storePass(transaction: Queryable, { pass, next }: Stepped, now: Date): Promise<PassStep> {
  const isOver = next === null
  const after = next?.after ?? beginning
  await transaction.query(
    `UPDATE postrider.project_retention
     SET due_at = $2::timestamptz + CASE WHEN $3::boolean THEN interval '1 day' ELSE interval '0' END,
         phase = $4::text,
         last_created_at = $5::timestamptz,
         last_id = $6::uuid,
         deliveries = CASE WHEN $3::boolean THEN 0 ELSE $7::bigint END,
         events = CASE WHEN $3::boolean THEN 0 ELSE $8::bigint END,
         payloads = CASE WHEN $3::boolean THEN 0 ELSE $9::bigint END,
         payloads_from = $10::timestamptz,
         payloads_left_at = $11::timestamptz
     WHERE project_id = $1::uuid`,
    [
      pass.project_id,
      now,
      isOver,
      next?.phase ?? 'deliveries',
      after.createdAt,
      after.id,
      pass.deliveries,
      pass.events,
      pass.payloads,
      pass.payloads_from,
      pass.payloads_left_at,
    ],
  )
  return { ...told(pass), is_over: isOver }
}

/**
 * Deletes at once what the rules of all projects that have some let go, where they say nothing as of `days`; answers how
 * much. Payloads are left to the passes.
 */
export async function expireByRules(
  database: Database,
  { now, days, pace }: { now: Date; days: number; pace: Pace },
): Promise<{ deliveries: number; events: number }> {
  const expired = { deliveries: 0, events: 0 }
  for (const projectId of await readRuledProjects(database)) {
    const rules = await readProjectRules(database, projectId)
    if (!rules) continue
    const cutoffs = cutoffsOf(rules, { now, days })
    const all = async (expire: typeof expireDeliveries): Promise<number> => {
      let total = 0
      for (let next: Position | null = beginning; next !== null;) {
        const after: Position = next
        const { done, last } = await pace.measured((size) =>
          database.transaction((transaction) => expire(transaction, { projectId, cutoffs, after, size })),
        )
        total += done
        next = last
      }
      return total
    }
    expired.deliveries += await all(expireDeliveries)
    expired.events += await all(expireEvents)
  }
  return expired
}

function told({ project_id, deliveries, events, payloads }: Pass): Omit<PassStep, 'is_over'> {
  return {
    project_id,
    deliveries: Number(deliveries),
    events: Number(events),
    payloads: Number(payloads),
  }
}

/** Counts that may outgrow a number come as text. */
function plus(count: string, more: number): string {
  return String(BigInt(count) + BigInt(more))
}
