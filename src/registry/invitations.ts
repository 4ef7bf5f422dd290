import type { Clock } from '../clock.ts'
import { notFound, PostriderError } from '../contract/errors.ts'
import { type Invitation, NewInvitation } from '../contract/users.ts'
import { validate } from '../contract/validate.ts'
import type { Transactable } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'
import { violatedConstraint } from '../database/sqlstate.ts'
import { newToken } from './token.ts'

const hourMs = 3_600_000
/** Links that may do more, or that somebody waits for, end sooner. */
const memberHours = 7 * 24
const otherHours = 24

/** A link that was just made. Its token is shown this once: stored is only its hash. */
export interface NewLink {
  token: string
  expires_at: Date
}

/** Links that let somebody in: who gets one is said here, what becomes of it in `links.ts`. */
export class Invitations {
  readonly #database: Transactable
  readonly #clock: Clock

  constructor({ database, clock }: { database: Transactable; clock: Clock }) {
    this.#database = database
    this.#clock = clock
  }

  /** Again for the same email, it replaces the invitation before. */
  async create(projectId: string, input: NewInvitation): Promise<Invitation & { token: string }> {
    const { email, role } = validate(NewInvitation, input)
    const { token, hash } = newToken()
    try {
      return await this.#database.transaction(async (transaction) => {
        const { rows: members } = await transaction.query(
          `SELECT
           FROM postrider.members AS member
           JOIN postrider.users AS person
             ON person.id = member.user_id
           WHERE member.project_id = $1::uuid
             AND lower(person.email COLLATE "C") = lower($2::text COLLATE "C")`,
          [projectId, email],
        )
        if (members.length > 0) throw alreadyMember()
        const { rows } = await transaction.query<Invitation>(
          `INSERT INTO postrider.invitations AS invitation (
             kind, project_id, email, role, token_hash, created_at, expires_at
           )
           VALUES ('member', $1::uuid, $2::text, $3::text, $4::bytea, $5::timestamptz, $6::timestamptz)
           ON CONFLICT (project_id, lower(email COLLATE "C")) DO UPDATE
           SET role = $3::text,
               token_hash = $4::bytea,
               created_at = $5::timestamptz,
               expires_at = $6::timestamptz
           RETURNING id, email, role, created_at, expires_at`,
          [projectId, email, role, hash, this.#clock.now(), this.#in(memberHours)],
        )
        return { ...rows[0]!, token }
      })
    } catch (error) {
      if (violatedConstraint(error) === 'invitations_project_id_fkey') throw notFound('project')
      throw error
    }
  }

  list(projectId: string, page: PageRequest = {}): Promise<Page<Invitation>> {
    return readPage<Invitation>(
      this.#database,
      {
        columns: 'row.id, row.email, row.role, row.created_at, row.expires_at',
        from: 'postrider.invitations',
        where: ['row.project_id = $1::uuid'],
        values: [projectId],
      },
      page,
    )
  }

  async delete(projectId: string, id: string): Promise<void> {
    const { rowCount } = await this.#database.query(
      `DELETE FROM postrider.invitations
       WHERE project_id = $1::uuid
         AND id = $2::uuid`,
      [projectId, id],
    )
    if (rowCount === 0) throw notFound('invitation')
  }

  /** Makes whoever opens it the owner: for whom the operator of the server gives it to. */
  async createOwnerLink(): Promise<NewLink> {
    const { token, hash } = newToken()
    const expires_at = this.#in(otherHours)
    await this.#database.query(
      `WITH ended AS (
         DELETE FROM postrider.invitations
         WHERE kind = 'owner'
           AND expires_at <= $2::timestamptz
       )
       INSERT INTO postrider.invitations (kind, token_hash, created_at, expires_at)
       VALUES ('owner', $1::bytea, $2::timestamptz, $3::timestamptz)`,
      [hash, this.#clock.now(), expires_at],
    )
    return { token, expires_at }
  }

  /** Sets the password of a user anew; a link for it that was made before ends. */
  async createPasswordLink(userId: string): Promise<NewLink> {
    const { token, hash } = newToken()
    const expires_at = this.#in(otherHours)
    try {
      await this.#database.query(
        `INSERT INTO postrider.invitations (kind, user_id, token_hash, created_at, expires_at)
         VALUES ('password', $1::uuid, $2::bytea, $3::timestamptz, $4::timestamptz)
         ON CONFLICT (user_id) DO UPDATE
         SET token_hash = excluded.token_hash,
             created_at = excluded.created_at,
             expires_at = excluded.expires_at`,
        [userId, hash, this.#clock.now(), expires_at],
      )
    } catch (error) {
      if (violatedConstraint(error) === 'invitations_user_id_fkey') throw notFound('user')
      throw error
    }
    return { token, expires_at }
  }

  #in(hours: number): Date {
    return new Date(this.#clock.now().getTime() + hours * hourMs)
  }
}

function alreadyMember(): PostriderError {
  return new PostriderError('already_exists', 'There is a member with this email in this project.', {
    errors: [{ path: 'email', message: 'is of a member' }],
  })
}
