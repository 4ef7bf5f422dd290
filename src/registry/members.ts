import { notFound } from '../contract/errors.ts'
import { type Member, MemberChanges } from '../contract/users.ts'
import { validate } from '../contract/validate.ts'
import type { Queryable } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'

/** Who is in a project, and as what. */
export class Members {
  readonly #database: Queryable

  constructor({ database }: { database: Queryable }) {
    this.#database = database
  }

  async list(projectId: string, page: PageRequest = {}): Promise<Page<Member>> {
    const { rows, next_cursor } = await readPage<Omit<Member, 'user_id'> & { id: string }>(
      this.#database,
      {
        columns: 'row.id, row.email, row.name, row.role, row.created_at',
        from: `(
         SELECT person.id, person.email, person.name, member.role, member.created_at, member.project_id
         FROM postrider.members AS member
         JOIN postrider.users AS person
           ON person.id = member.user_id
       )`,
        where: ['row.project_id = $1::uuid'],
        values: [projectId],
      },
      page,
    )
    return { rows: rows.map(({ id, ...row }) => ({ user_id: id, ...row })), next_cursor }
  }

  async update(projectId: string, userId: string, input: MemberChanges): Promise<Member> {
    const { role } = validate(MemberChanges, input)
    const { rows } = await this.#database.query<Member>(
      `UPDATE postrider.members AS member
       SET role = $3::text
       FROM postrider.users AS person
       WHERE member.project_id = $1::uuid
         AND member.user_id = $2::uuid
         AND person.id = member.user_id
       RETURNING member.user_id, person.email, person.name, member.role, member.created_at`,
      [projectId, userId, role],
    )
    if (!rows[0]) throw notFound('user')
    return rows[0]
  }

  /** The project is closed to the user from here on. */
  async remove(projectId: string, userId: string): Promise<void> {
    const { rowCount } = await this.#database.query(
      `DELETE FROM postrider.members
       WHERE project_id = $1::uuid
         AND user_id = $2::uuid`,
      [projectId, userId],
    )
    if (rowCount === 0) throw notFound('user')
  }
}
