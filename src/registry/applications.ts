import { notFound, PostriderError } from '../contract/errors.ts'
import { type Application, NewApplication } from '../contract/projects.ts'
import { validate } from '../contract/validate.ts'
import type { Transactable } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'
import { violatedConstraint } from '../database/sqlstate.ts'

export class Applications {
  readonly #database: Transactable

  constructor({ database }: { database: Transactable }) {
    this.#database = database
  }

  /** @throws {PostriderError} `already_exists` if the caller's own id is taken within the project */
  async create(projectId: string, input: NewApplication): Promise<Application> {
    const { name, id } = validate(NewApplication, input)
    try {
      const { rows } = await this.#database.query<Application>(
        `INSERT INTO postrider.applications (project_id, id, name)
         VALUES ($1::uuid, COALESCE($2::uuid, postrider.uuid_generate_v7()), $3::text)
         RETURNING id, name, created_at`,
        [projectId, id ?? null, name],
      )
      return rows[0]!
    } catch (error) {
      throw describe(error)
    }
  }

  list(projectId: string, page: PageRequest = {}): Promise<Page<Application>> {
    return readPage<Application>(
      this.#database,
      {
        columns: 'row.id, row.name, row.created_at',
        from: 'postrider.applications',
        where: ['row.project_id = $1::uuid'],
        values: [projectId],
      },
      page,
    )
  }

  async get(projectId: string, id: string): Promise<Application> {
    const { rows } = await this.#database.query<Application>(
      `SELECT id, name, created_at
       FROM postrider.applications
       WHERE project_id = $1::uuid
         AND id = $2::uuid`,
      [projectId, id],
    )
    if (!rows[0]) throw notFound('application')
    return rows[0]
  }

  /** Webhooks that were for it alone become inactive: see the trigger of the table. */
  async delete(projectId: string, id: string): Promise<void> {
    const { rowCount } = await this.#database.query(
      `DELETE FROM postrider.applications
       WHERE project_id = $1::uuid
         AND id = $2::uuid`,
      [projectId, id],
    )
    if (rowCount === 0) throw notFound('application')
  }
}

function describe(error: unknown): unknown {
  switch (violatedConstraint(error)) {
    case 'applications_pkey':
      return new PostriderError('already_exists', 'There is an application with this id in this project.', {
        cause: error,
        errors: [{ path: 'id', message: 'is taken' }],
      })
    case 'applications_project_id_fkey':
      return notFound('project')
    default:
      return error
  }
}
