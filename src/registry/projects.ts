import { notFound } from '../contract/errors.ts'
import { NewProject, type Project, ProjectChanges } from '../contract/projects.ts'
import { validate } from '../contract/validate.ts'
import type { Transactable } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'
import { isContended, retrying } from '../database/transient.ts'

export class Projects {
  readonly #database: Transactable

  constructor({ database }: { database: Transactable }) {
    this.#database = database
  }

  async create(input: NewProject): Promise<Project> {
    const { name } = validate(NewProject, input)
    const { rows } = await this.#database.query<Project>(
      `INSERT INTO postrider.projects (name)
       VALUES ($1::text)
       RETURNING id, name, created_at, updated_at`,
      [name],
    )
    return rows[0]!
  }

  list(page: PageRequest = {}): Promise<Page<Project>> {
    return readPage<Project>(
      this.#database,
      {
        columns: 'row.id, row.name, row.created_at, row.updated_at',
        from: 'postrider.projects',
        where: [],
        values: [],
      },
      page,
    )
  }

  async get(id: string): Promise<Project> {
    const { rows } = await this.#database.query<Project>(
      `SELECT id, name, created_at, updated_at
       FROM postrider.projects
       WHERE id = $1::uuid`,
      [id],
    )
    if (!rows[0]) throw notFound('project')
    return rows[0]
  }

  async update(id: string, changes: ProjectChanges): Promise<Project> {
    const { name } = validate(ProjectChanges, changes)
    if (name === undefined) return this.get(id)
    const { rows } = await this.#database.query<Project>(
      `UPDATE postrider.projects
       SET name = $2::text
       WHERE id = $1::uuid
       RETURNING id, name, created_at, updated_at`,
      [id, name],
    )
    if (!rows[0]) throw notFound('project')
    return rows[0]
  }

  /** Everything in it goes with it: keys, applications, webhooks, events, and the history of deliveries. */
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
