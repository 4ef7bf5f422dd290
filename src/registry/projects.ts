import { notFound } from '../contract/errors.ts'
import { NewProject, type Project, ProjectChanges } from '../contract/projects.ts'
import { validate } from '../contract/validate.ts'
import type { Transactable } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'
import { isContended, retrying } from '../database/transient.ts'

const columns =
  'row.id, row.name, row.retention_days, row.payload_retention_days, row.backlog_limit, row.created_at, row.updated_at'

export class Projects {
  readonly #database: Transactable

  constructor({ database }: { database: Transactable }) {
    this.#database = database
  }

  async create(input: NewProject): Promise<Project> {
    const { name, retention_days, payload_retention_days, backlog_limit } = validate(NewProject, input)
    const { rows } = await this.#database.query<Project>(
      `INSERT INTO postrider.projects AS row (name, retention_days, payload_retention_days, backlog_limit)
       VALUES ($1::text, $2::integer, $3::integer, $4::integer)
       RETURNING ${columns}`,
      [name, retention_days ?? null, payload_retention_days ?? null, backlog_limit ?? null],
    )
    return rows[0]!
  }

  list(page: PageRequest = {}): Promise<Page<Project>> {
    return readPage<Project>(
      this.#database,
      {
        columns,
        from: 'postrider.projects',
        where: [],
        values: [],
      },
      page,
    )
  }

  async get(id: string): Promise<Project> {
    const { rows } = await this.#database.query<Project>(
      `SELECT ${columns}
       FROM postrider.projects AS row
       WHERE row.id = $1::uuid`,
      [id],
    )
    if (!rows[0]) throw notFound('project')
    return rows[0]
  }

  /** A rule that is null is the deployment's again; shorter ones are carried out within minutes, not at once. */
  async update(id: string, input: ProjectChanges): Promise<Project> {
    const changes = validate(ProjectChanges, input)
    if (Object.keys(changes).length === 0) return this.get(id)
    const { rows } = await this.#database.query<Project>(
      `UPDATE postrider.projects AS row
       SET name = COALESCE($2::jsonb ->> 'name', row.name),
           retention_days = CASE
             WHEN $2::jsonb ? 'retention_days' THEN ($2::jsonb ->> 'retention_days')::integer
             ELSE row.retention_days
           END,
           payload_retention_days = CASE
             WHEN $2::jsonb ? 'payload_retention_days' THEN ($2::jsonb ->> 'payload_retention_days')::integer
             ELSE row.payload_retention_days
           END,
           backlog_limit = CASE
             WHEN $2::jsonb ? 'backlog_limit' THEN ($2::jsonb ->> 'backlog_limit')::integer
             ELSE row.backlog_limit
           END
       WHERE row.id = $1::uuid
       RETURNING ${columns}`,
      [id, JSON.stringify(changes)],
    )
    if (!rows[0]) throw notFound('project')
    return rows[0]
  }

  /**
   * It is gone when this is done, with its keys, applications and webhooks: nothing of it can be read or published any more,
   * and nothing is claimed. Its events and the history of its deliveries go after it, in the background: see
   * `retain/deletion.ts`.
   */
  async delete(id: string): Promise<void> {
    // What is published or changed in it meanwhile holds its rows in other orders: after a deadlock it is tried again.
    const { rowCount } = await retrying(
      () =>
        this.#database.query(
          `DELETE FROM postrider.projects
           WHERE id = $1::uuid`,
          [id],
        ),
      { tries: 5, when: isContended },
    )
    if (rowCount === 0) throw notFound('project')
  }
}
