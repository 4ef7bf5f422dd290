import type { Clock } from '../clock.ts'
import { invalidField, notFound, PostriderError } from '../contract/errors.ts'
import { PasswordChange, type User, UserChanges } from '../contract/users.ts'
import { validate } from '../contract/validate.ts'
import type { Queryable, Transactable } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'
import { violatedConstraint } from '../database/sqlstate.ts'
import { hashPassword, isRightPassword } from './passwords.ts'
import { endSessionsOf } from './sessions.ts'

const shown = `row.id, row.email, row.name, row.is_owner,
  row.disabled_at IS NOT NULL AS is_disabled,
  row.password_hash IS NOT NULL AS has_password,
  row.oidc_subject IS NOT NULL AS has_single_sign_on,
  (
    SELECT MAX(session.last_used_at)
    FROM postrider.sessions AS session
    WHERE session.user_id = row.id
  ) AS last_seen_at,
  row.created_at`

/** People, for those who may do everything, and for themselves. */
export class Users {
  readonly #database: Transactable
  readonly #clock: Clock

  constructor({ database, clock }: { database: Transactable; clock: Clock }) {
    this.#database = database
    this.#clock = clock
  }

  list(page: PageRequest = {}): Promise<Page<User>> {
    return readPage<User>(
      this.#database,
      { columns: shown, from: 'postrider.users', where: [], values: [] },
      page,
    )
  }

  /** @throws {PostriderError} `conflict` if there would be no owner left who can log in */
  update(id: string, input: UserChanges): Promise<User> {
    const { name, is_owner, is_disabled } = validate(UserChanges, input)
    return this.#database.transaction(async (transaction) => {
      if (is_owner === false || is_disabled === true) await keepAnOwner(transaction, id)
      const { rows } = await transaction.query<User>(
        `UPDATE postrider.users AS row
         SET name = COALESCE($2::text, row.name),
             is_owner = COALESCE($3::boolean, row.is_owner),
             disabled_at = CASE
               WHEN $4::boolean THEN COALESCE(row.disabled_at, $5::timestamptz)
               WHEN NOT $4::boolean THEN NULL
               ELSE row.disabled_at
             END
         WHERE row.id = $1::uuid
         RETURNING ${shown}`,
        [id, name ?? null, is_owner ?? null, is_disabled ?? null, this.#clock.now()],
      )
      if (!rows[0]) throw notFound('user')
      if (!is_disabled) return rows[0]
      // Else they would open again when the user may log in again.
      await endSessionsOf(transaction, id)
      return { ...rows[0], last_seen_at: null }
    })
  }

  /** All other sessions of the user end, and so does a link that would set another password. */
  async changePassword(userId: string, sessionId: string, input: PasswordChange): Promise<void> {
    const { current_password, new_password } = validate(PasswordChange, input)
    const { rows } = await this.#database.query<{ password_hash: string | null }>(
      `SELECT password_hash
       FROM postrider.users
       WHERE id = $1::uuid`,
      [userId],
    )
    const before = rows[0]?.password_hash
    if (!(await isRightPassword(current_password, before))) throw invalidField('current_password', 'is wrong')
    const after = await hashPassword(new_password)
    await this.#database.transaction(async (transaction) => {
      const { rowCount } = await transaction.query(
        `UPDATE postrider.users
         SET password_hash = $3::text
         WHERE id = $1::uuid
           AND password_hash = $2::text`,
        [userId, before, after],
      )
      if (rowCount === 0) throw new PostriderError('conflict', 'The password was changed meanwhile.')
      await endSessionsOf(transaction, userId, sessionId)
      await transaction.query(
        `DELETE FROM postrider.invitations
         WHERE user_id = $1::uuid`,
        [userId],
      )
    })
  }
}

/** Whether somebody is there who may do everything: until then a key may log in, and each start makes a link. */
export async function hasOwner(queryable: Queryable): Promise<boolean> {
  const { rows } = await queryable.query<{ has_owner: boolean }>(
    `SELECT EXISTS (
       SELECT
       FROM postrider.users
       WHERE is_owner
         AND disabled_at IS NULL
     ) AS has_owner`,
  )
  return rows[0]!.has_owner
}

/** Somebody else was made with this email, or linked with this name of the provider's, at the same moment. */
export function isTakenEmail(error: unknown): boolean {
  const names = ['users_email_key', 'users_email_any_case_key', 'users_oidc_key']
  return names.includes(violatedConstraint(error) ?? '')
}

/** Two who take each other's rights away at once do it one after the other. */
async function keepAnOwner(transaction: Queryable, id: string): Promise<void> {
  const { rows } = await transaction.query<{ id: string }>(
    `SELECT id
     FROM postrider.users
     WHERE is_owner
       AND disabled_at IS NULL
     ORDER BY id
     FOR NO KEY UPDATE`,
  )
  if (rows.some((owner) => owner.id === id) && rows.length === 1) {
    throw new PostriderError('conflict', 'This is the last owner: make somebody else one first.')
  }
}
