import type { AuditEntry } from '../contract/audit.ts'
import type { Queryable } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'

export interface AuditFilter {
  project_id?: string | undefined
  action?: string | undefined
  resource_id?: string | undefined
  since?: Date | undefined
  until?: Date | undefined
}

/** Who changed what. Triggers of the tables write it, so that no change is forgotten; here it is read. */
export class AuditLog {
  readonly #database: Queryable

  constructor({ database }: { database: Queryable }) {
    this.#database = database
  }

  /** What was changed in one project, newest first. */
  list(
    projectId: string,
    filter: Omit<AuditFilter, 'project_id'> = {},
    page: PageRequest = {},
  ): Promise<Page<AuditEntry>> {
    return this.listAll({ ...filter, project_id: projectId }, page)
  }

  /** The same over all projects, those that were deleted too, and what was changed outside of them. */
  listAll(filter: AuditFilter = {}, page: PageRequest = {}): Promise<Page<AuditEntry>> {
    const values: unknown[] = []
    const where: string[] = []
    const add = (comparison: string, type: string, value: unknown): void => {
      if (value === undefined) return
      values.push(value)
      where.push(`row.${comparison} $${values.length}::${type}`)
    }
    add('project_id =', 'uuid', filter.project_id)
    add('action =', 'text', filter.action)
    add('resource_id =', 'text', filter.resource_id)
    add('created_at >=', 'timestamptz', filter.since)
    add('created_at <', 'timestamptz', filter.until)
    return readPage<AuditEntry>(
      this.#database,
      {
        columns: `row.id, row.created_at, row.project_id, row.action, row.resource_type, row.resource_id,
          json_build_object('kind', row.actor_kind, 'id', row.actor_id, 'name', row.actor_name) AS actor,
          row.before, row.after, row.address, row.request_id`,
        from: 'postrider.audit_log',
        where,
        values,
      },
      page,
    )
  }
}

/** Writes down what an administrator did that is no row of any table. */
export async function noteAction(
  queryable: Queryable,
  { action, after }: { action: string; after: Record<string, unknown> },
): Promise<void> {
  await queryable.query(`SELECT postrider.audit(NULL, $1::text, NULL, NULL, NULL, $2::jsonb)`, [
    action,
    JSON.stringify(after),
  ])
}
