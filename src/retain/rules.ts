import type { Queryable } from '../database/database.ts'

const msPerDay = 86_400_000

/** How long a project keeps what, where it says something of it. */
export interface ProjectRules {
  project_id: string
  /** null: as the deployment says. */
  retention_days: number | null
  /** null: as long as the history. */
  payload_retention_days: number | null
  /** By the names of event types. */
  types: Record<string, number>
}

/** Before which moments what a project has may go. */
export interface Cutoffs {
  usual: Date
  /** By the names of those types that say something else. */
  byType: Record<string, Date>
  /** Of all these, the latest: nothing after it may go. */
  latest: Date
  payloads: Date | null
}

/** What the deployment's age means where some projects have rules of their own. */
export interface Rules {
  /** Nothing finished that is older is to stay, of whatever project. */
  longestDays: number
  /**
   * The projects to which the deployment's age applies, with those that are gone and left something; null where that is all of them. The others are left to
   * `stepRetention`.
   */
  usualProjectIds: string[] | null
}

/** @param days how long the deployment keeps its history */
export async function readRules(queryable: Queryable, days: number): Promise<Rules> {
  const { rows } = await queryable.query<{ longest: number; has_rules: boolean }>(
    `SELECT
       GREATEST(
         $1::integer,
         (SELECT MAX(project.retention_days) FROM postrider.projects AS project),
         (SELECT MAX(type.retention_days) FROM postrider.webhook_event_types AS type)
       ) AS longest,
       EXISTS (SELECT FROM postrider.project_retention) AS has_rules`,
    [days],
  )
  const { longest, has_rules } = rows[0]!
  return { longestDays: longest, usualProjectIds: has_rules ? await readUsualProjects(queryable) : null }
}

/**
 * What is published to one that is made meanwhile is not old. Those that are gone count, too, of which an event is left: who
 * published it committed after the last look at what was deleted. Their ids are found by one step in the index for each.
 */
async function readUsualProjects(queryable: Queryable): Promise<string[]> {
  const { rows } = await queryable.query<{ id: string }>(
    `WITH RECURSIVE publishing (id) AS (
       (SELECT event.project_id FROM postrider.events AS event ORDER BY event.project_id LIMIT 1)
       UNION ALL
       SELECT (
         SELECT event.project_id
         FROM postrider.events AS event
         WHERE event.project_id > publishing.id
         ORDER BY event.project_id
         LIMIT 1
       )
       FROM publishing
       WHERE publishing.id IS NOT NULL
     )
     SELECT usual.id
     FROM (
       SELECT project.id FROM postrider.projects AS project
       UNION
       SELECT publishing.id FROM publishing WHERE publishing.id IS NOT NULL
     ) AS usual
     WHERE NOT EXISTS (
       SELECT
       FROM postrider.project_retention AS ruled
       WHERE ruled.project_id = usual.id
     )
     ORDER BY usual.id`,
  )
  return rows.map(({ id }) => id)
}

/** The projects that are not left to the deployment's age. */
export async function readRuledProjects(queryable: Queryable): Promise<string[]> {
  const { rows } = await queryable.query<{ project_id: string }>(
    `SELECT ruled.project_id
     FROM postrider.project_retention AS ruled
     ORDER BY ruled.project_id`,
  )
  return rows.map(({ project_id }) => project_id)
}

/** What one project says; `undefined` where it is gone. */
export async function readProjectRules(
  queryable: Queryable,
  projectId: string,
): Promise<ProjectRules | undefined> {
  const { rows } = await queryable.query<ProjectRules>(
    `SELECT
       project.id AS project_id,
       project.retention_days,
       project.payload_retention_days,
       COALESCE((
         SELECT jsonb_object_agg(type.name, type.retention_days)
         FROM postrider.webhook_event_types AS type
         WHERE type.project_id = project.id
           AND type.retention_days IS NOT NULL
       ), '{}') AS types
     FROM postrider.projects AS project
     WHERE project.id = $1::uuid`,
    [projectId],
  )
  return rows[0]
}

export function isRuled({ retention_days, payload_retention_days, types }: ProjectRules): boolean {
  return retention_days !== null || payload_retention_days !== null || Object.keys(types).length > 0
}

/** Of a delivery, its type's rule holds, or else its project's, or else the deployment's. */
export function cutoffsOf(
  { retention_days, payload_retention_days, types }: ProjectRules,
  { now, days }: { now: Date; days: number },
): Cutoffs {
  const before = (age: number): Date => new Date(now.getTime() - age * msPerDay)
  const usual = before(retention_days ?? days)
  const byType = Object.fromEntries(Object.entries(types).map(([name, age]) => [name, before(age)]))
  return {
    usual,
    byType,
    latest: new Date(Math.max(usual.getTime(), ...Object.values(byType).map(Number))),
    payloads: payload_retention_days === null ? null : before(payload_retention_days),
  }
}
