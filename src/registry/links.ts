import type { Clock } from '../clock.ts'
import { invalidField, notFound, PostriderError } from '../contract/errors.ts'
import type { KeyRole } from '../contract/projects.ts'
import { LinkAcceptance, type LinkDetails, NewPassword } from '../contract/users.ts'
import { validate } from '../contract/validate.ts'
import type { Database, Queryable } from '../database/database.ts'
import { newId } from '../ids.ts'
import { nameActor, noteLogin, userActor } from './actor.ts'
import { isTakenEmail } from './users.ts'
import { hashPassword, isRightPassword } from './passwords.ts'
import { endSessionsOf, type NewSession, type Sessions, type Visit } from './sessions.ts'
import { hashOfToken } from './token.ts'

interface StoredLink {
  kind: LinkDetails['kind']
  project_id: string | null
  project_name: string | null
  role: KeyRole | null
  email: string | null
  expires_at: Date
}

interface Account {
  id: string
  email: string
  name: string | null
  password_hash: string | null
  is_disabled: boolean
  /** Nobody can have logged in as this user yet, and there is nothing that it opens. */
  is_bare: boolean
}

/** What a link is for, and using it up: each lets in once. */
export class Links {
  readonly #database: Database
  readonly #sessions: Sessions
  readonly #clock: Clock

  constructor({ database, sessions, clock }: { database: Database; sessions: Sessions; clock: Clock }) {
    this.#database = database
    this.#sessions = sessions
    this.#clock = clock
  }

  async read(token: string): Promise<LinkDetails> {
    const { kind, project_name, role, email, expires_at } = await this.#find(token)
    const account = kind === 'member' ? await findAccount(this.#database, email!) : undefined
    const has_account = typeof account?.password_hash === 'string'
    return { kind, email, project_name, role, has_account, expires_at }
  }

  /**
   * Makes or finds the user, lets in, and logs in. With a wrong password of a user there is, `undefined`; the link stays.
   *
   * @throws {PostriderError} `not_found` for a link that was used, taken back or has expired, also by a call that came
   *   first by a moment; `conflict` if the user logs in by single sign-on
   */
  async accept(input: LinkAcceptance, visit: Visit): Promise<NewSession | undefined> {
    const { token, password, name, email: givenEmail } = validate(LinkAcceptance, input)
    const link = await this.#find(token)
    if (link.kind === 'owner' && givenEmail === undefined) throw invalidField('email', 'is needed')
    if (link.kind !== 'owner' && givenEmail !== undefined) {
      throw invalidField('email', 'is in the link already')
    }
    const email = link.email ?? givenEmail!
    const account = await findAccount(this.#database, email)
    const isLogin = link.kind === 'member' && account !== undefined && !account.is_bare
    if (isLogin) {
      if (account.password_hash === null) throw bySingleSignOn()
      const isRight = await isRightPassword(password, account.password_hash)
      if (!isRight || account.is_disabled) return undefined
    }
    const newHash = isLogin ? undefined : await hashPassword(checkedPassword(password))
    if (!account?.name && name === undefined) throw invalidField('name', 'is needed')
    const user = {
      id: account?.id ?? newId(),
      email: account?.email ?? email,
      name: name ?? account?.name ?? null,
    }
    try {
      return await this.#database.transaction(async (transaction) => {
        await nameActor(transaction, userActor(user, visit))
        await useUp(transaction, token, this.#clock.now())
        if (!account) await insertUser(transaction, user, newHash!)
        else if (newHash !== undefined) await setPassword(transaction, user, { newHash, link })
        else await confirm(transaction, account)
        if (link.kind === 'owner') await makeOwner(transaction, user.id)
        if (link.kind === 'member') await addMember(transaction, link, user.id)
        await noteLogin(transaction, user.id, { method: 'link' })
        return this.#sessions.open(transaction, { userId: user.id }, visit)
      })
    } catch (error) {
      if (isTakenEmail(error)) {
        throw new PostriderError('conflict', 'A user with this email was made meanwhile. Try again.')
      }
      throw error
    }
  }

  async #find(token: string): Promise<StoredLink> {
    const { rows } = await this.#database.query<StoredLink>(
      `SELECT
         invitation.kind,
         invitation.project_id,
         project.name AS project_name,
         invitation.role,
         COALESCE(invitation.email, person.email) AS email,
         invitation.expires_at
       FROM postrider.invitations AS invitation
       LEFT JOIN postrider.projects AS project
         ON project.id = invitation.project_id
       LEFT JOIN postrider.users AS person
         ON person.id = invitation.user_id
       WHERE invitation.token_hash = $1::bytea
         AND invitation.expires_at > $2::timestamptz
         AND person.disabled_at IS NULL`,
      [hashOfToken(token), this.#clock.now()],
    )
    if (!rows[0]) throw gone()
    return rows[0]
  }
}

function gone(): PostriderError {
  return notFound('link: it was used, was taken back, or has expired')
}

function bySingleSignOn(): PostriderError {
  return new PostriderError(
    'conflict',
    'There is a user with this email who logs in by single sign-on: that accepts the invitation, too.',
  )
}

function checkedPassword(password: string): string {
  const { minLength = 0, maxLength = Infinity } = NewPassword as { minLength?: number; maxLength?: number }
  if (password.length < minLength)
    throw invalidField('password', `must have at least ${minLength} characters`)
  if (password.length > maxLength) throw invalidField('password', `must have at most ${maxLength} characters`)
  return password
}

async function findAccount(queryable: Queryable, email: string): Promise<Account | undefined> {
  const { rows } = await queryable.query<Account>(
    `SELECT
       person.id,
       person.email,
       person.name,
       person.password_hash,
       person.disabled_at IS NOT NULL AS is_disabled,
       person.password_hash IS NULL
         AND person.oidc_subject IS NULL
         AND person.disabled_at IS NULL
         AND NOT person.is_owner
         AND NOT EXISTS (SELECT FROM postrider.members AS member WHERE member.user_id = person.id) AS is_bare
     FROM postrider.users AS person
     WHERE lower(person.email COLLATE "C") = lower($1::text COLLATE "C")`,
    [email],
  )
  return rows[0]
}

/** Of two who use a link at once, one finds it gone. */
async function useUp(transaction: Queryable, token: string, now: Date): Promise<void> {
  const { rowCount } = await transaction.query(
    `DELETE FROM postrider.invitations
     WHERE token_hash = $1::bytea
       AND expires_at > $2::timestamptz`,
    [hashOfToken(token), now],
  )
  if (rowCount === 0) throw gone()
}

interface Person {
  id: string
  email: string
  name: string | null
}

async function insertUser(transaction: Queryable, { id, email, name }: Person, hash: string): Promise<void> {
  await transaction.query(
    `INSERT INTO postrider.users (id, email, name, password_hash)
     VALUES ($1::uuid, $2::text, $3::text, $4::text)`,
    [id, email, name, hash],
  )
}

/** What opened the account before does not any more. By an invitation, nothing may have opened it. */
async function setPassword(
  transaction: Queryable,
  { id, name }: Person,
  { newHash, link }: { newHash: string; link: StoredLink },
): Promise<void> {
  const { rowCount } = await transaction.query(
    `UPDATE postrider.users
     SET password_hash = $2::text,
         name = $3::text,
         failed_logins = 0
     WHERE id = $1::uuid
       AND (NOT $4::boolean OR (password_hash IS NULL AND oidc_subject IS NULL))`,
    [id, newHash, name, link.kind === 'member'],
  )
  if (rowCount === 0) throw changedMeanwhile()
  await endSessionsOf(transaction, id)
}

/** The password that was right is still the one, and the user may log in. */
async function confirm(transaction: Queryable, { id, password_hash }: Account): Promise<void> {
  const { rows } = await transaction.query(
    `SELECT
     FROM postrider.users
     WHERE id = $1::uuid
       AND password_hash = $2::text
       AND disabled_at IS NULL
     FOR NO KEY UPDATE`,
    [id, password_hash],
  )
  if (rows.length === 0) throw changedMeanwhile()
}

function changedMeanwhile(): PostriderError {
  return new PostriderError('conflict', 'The user was changed meanwhile. Try again.')
}

/** The other links that were made for the same are of no use any more. */
async function makeOwner(transaction: Queryable, userId: string): Promise<void> {
  await transaction.query(
    `UPDATE postrider.users
     SET is_owner = true,
         disabled_at = NULL
     WHERE id = $1::uuid`,
    [userId],
  )
  await transaction.query(
    `DELETE FROM postrider.invitations
     WHERE kind = 'owner'`,
  )
}

async function addMember(
  transaction: Queryable,
  { project_id, role }: StoredLink,
  userId: string,
): Promise<void> {
  await transaction.query(
    `INSERT INTO postrider.members (project_id, user_id, role)
     VALUES ($1::uuid, $2::uuid, $3::text)
     ON CONFLICT DO NOTHING`,
    [project_id, userId, role],
  )
}
