import type { Clock } from '../clock.ts'
import { PostriderError } from '../contract/errors.ts'
import type { LoginError } from '../contract/users.ts'
import type { Database, Queryable } from '../database/database.ts'
import { newId } from '../ids.ts'
import { nameActor, noteLogin, placeOf, userActor } from './actor.ts'
import type { KeyOwner } from './api-keys.ts'
import { hashPassword, isOutdated, isRightPassword } from './passwords.ts'
import { endSessionsOf, type NewSession, type Sessions, type Visit } from './sessions.ts'
import { hasOwner, isTakenEmail } from './users.ts'

export interface LoginsOptions {
  database: Database
  sessions: Sessions
  clock: Clock
}

/** Somebody for whom the provider vouches, with an email that it has verified. */
export interface ProvenPerson {
  issuer: string
  subject: string
  email: string
  name: string | undefined
}

interface KnownUser {
  id: string
  email: string
  name: string | null
  is_disabled: boolean
  oidc_issuer: string | null
  oidc_subject: string | null
}

/** The ways in, but for links. Each ends in a new session, whatever the browser had before. */
export class Logins {
  readonly #database: Database
  readonly #sessions: Sessions
  readonly #clock: Clock

  constructor({ database, sessions, clock }: LoginsOptions) {
    this.#database = database
    this.#sessions = sessions
    this.#clock = clock
  }

  /** Until there is an owner a key can log in. */
  hasOwner(): Promise<boolean> {
    return hasOwner(this.#database)
  }

  /**
   * `undefined` for an unknown email, a wrong password and a user who is disabled: with the same steps in the same time,
   * so that nobody learns who there is.
   */
  async withPassword(
    { email, password }: { email: string; password: string },
    visit: Visit,
  ): Promise<NewSession | undefined> {
    const { rows } = await this.#database.query<{ id: string; password_hash: string | null }>(
      `SELECT id, password_hash
       FROM postrider.users
       WHERE lower(email COLLATE "C") = lower($1::text COLLATE "C")
         AND disabled_at IS NULL`,
      [email],
    )
    const [user] = rows
    // Counted while the hash is computed, which takes longer, and so that tries at once are all counted.
    const [isRight] = await Promise.all([
      isRightPassword(password, user?.password_hash),
      countTry(this.#database, user?.id ?? newId()),
    ])
    if (!user?.password_hash || !isRight) return undefined
    const hash = user.password_hash
    const newHash = isOutdated(hash) ? await hashPassword(password) : undefined
    return this.#database.transaction(async (transaction) => {
      const known = await confirmPassword(transaction, { id: user.id, hash })
      if (!known) return undefined
      await nameActor(transaction, userActor(known, visit))
      if (newHash !== undefined) await storeHash(transaction, user.id, newHash)
      await noteLogin(transaction, user.id, { method: 'password', failed_logins: known.failed_logins - 1 })
      return this.#sessions.open(transaction, { userId: user.id }, visit)
    })
  }

  /** The session ends with the key. */
  withKey(key: KeyOwner, visit: Visit): Promise<NewSession> {
    return this.#database.transaction(async (transaction) => {
      await refuseKeys(transaction)
      const { id, name, project_id } = key
      await nameActor(transaction, { kind: 'api_key', id, name, ...placeOf(visit) })
      await transaction.query(
        `SELECT postrider.audit($1::uuid, 'session.created', 'api_key', $2::text, NULL, '{"method": "key"}')`,
        [project_id, id],
      )
      return this.#sessions.open(transaction, { apiKeyId: id }, visit)
    })
  }

  /** The session ends when the admin key is another one. */
  withAdminKey(adminKeyHash: Buffer, visit: Visit): Promise<NewSession> {
    return this.#database.transaction(async (transaction) => {
      await refuseKeys(transaction)
      await nameActor(transaction, { kind: 'admin', ...placeOf(visit) })
      await transaction.query(
        `SELECT postrider.audit(NULL, 'session.created', NULL, NULL, NULL, '{"method": "key"}')`,
      )
      return this.#sessions.open(transaction, { adminKeyHash }, visit)
    })
  }

  /**
   * Somebody who was here before by the provider's own name for them, else by the verified email: a user there is, or
   * one who was invited. What was invited by then is accepted with it.
   */
  async withProvider(person: ProvenPerson, visit: Visit): Promise<NewSession | LoginError> {
    try {
      return await this.#database.transaction((transaction) => this.#letIn(transaction, person, visit))
    } catch (error) {
      if (isTakenEmail(error)) return 'failed'
      throw error
    }
  }

  async #letIn(transaction: Queryable, person: ProvenPerson, visit: Visit): Promise<NewSession | LoginError> {
    const known = await findPerson(transaction, person)
    if (known?.is_disabled) return 'disabled'
    const isLinked = known?.oidc_issuer === person.issuer
    // The same email under another name of the provider's is somebody else who got the address later.
    if (isLinked && known.oidc_subject !== person.subject) return 'uninvited'
    const invitations = { email: person.email, now: this.#clock.now() }
    if (!known && !(await isInvited(transaction, invitations))) return 'uninvited'
    const user = known ?? { id: newId(), email: person.email, name: person.name ?? null }
    await nameActor(transaction, userActor(user, visit))
    if (!known) await insertUser(transaction, user.id, person)
    else if (!isLinked) await linkUser(transaction, user.id, person)
    await acceptAll(transaction, user.id, invitations)
    await noteLogin(transaction, user.id, { method: 'single sign-on' })
    return this.#sessions.open(transaction, { userId: user.id }, visit)
  }
}

async function countTry(queryable: Queryable, userId: string): Promise<void> {
  await queryable.query(
    `UPDATE postrider.users
     SET failed_logins = failed_logins + 1
     WHERE id = $1::uuid`,
    [userId],
  )
}

/** Holds the user until the session is there: a password that is changed meanwhile ends it, too. */
async function confirmPassword(
  transaction: Queryable,
  { id, hash }: { id: string; hash: string },
): Promise<{ id: string; email: string; name: string | null; failed_logins: number } | undefined> {
  const { rows } = await transaction.query<{
    id: string
    email: string
    name: string | null
    failed_logins: number
  }>(
    `WITH known AS (
       SELECT id, email, name, failed_logins
       FROM postrider.users
       WHERE id = $1::uuid
         AND password_hash = $2::text
         AND disabled_at IS NULL
       FOR NO KEY UPDATE
     )
     UPDATE postrider.users AS person
     SET failed_logins = 0
     FROM known
     WHERE person.id = known.id
     RETURNING known.id, known.email, known.name, known.failed_logins`,
    [id, hash],
  )
  return rows[0]
}

async function storeHash(transaction: Queryable, userId: string, hash: string): Promise<void> {
  await transaction.query(
    `UPDATE postrider.users
     SET password_hash = $2::text
     WHERE id = $1::uuid`,
    [userId, hash],
  )
}

async function refuseKeys(transaction: Queryable): Promise<void> {
  if (!(await hasOwner(transaction))) return
  throw new PostriderError('forbidden', 'There is an owner: log in by email and password, not by a key.')
}

async function findPerson(
  transaction: Queryable,
  { issuer, subject, email }: ProvenPerson,
): Promise<KnownUser | undefined> {
  const { rows } = await transaction.query<KnownUser>(
    `SELECT id, email, name, disabled_at IS NOT NULL AS is_disabled, oidc_issuer, oidc_subject
     FROM postrider.users
     WHERE (oidc_issuer = $1::text AND oidc_subject = $2::text)
       OR lower(email COLLATE "C") = lower($3::text COLLATE "C")
     ORDER BY (oidc_issuer = $1::text AND oidc_subject = $2::text) IS TRUE DESC
     LIMIT 1
     FOR NO KEY UPDATE`,
    [issuer, subject, email],
  )
  return rows[0]
}

interface InvitationsOf {
  email: string
  now: Date
}

async function isInvited(transaction: Queryable, { email, now }: InvitationsOf): Promise<boolean> {
  const { rows } = await transaction.query(
    `SELECT
     FROM postrider.invitations
     WHERE kind = 'member'
       AND lower(email COLLATE "C") = lower($1::text COLLATE "C")
       AND expires_at > $2::timestamptz
     LIMIT 1`,
    [email, now],
  )
  return rows.length > 0
}

async function insertUser(
  transaction: Queryable,
  id: string,
  { issuer, subject, email, name }: ProvenPerson,
): Promise<void> {
  await transaction.query(
    `INSERT INTO postrider.users (id, email, name, oidc_issuer, oidc_subject)
     VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::text)`,
    [id, email, name ?? null, issuer, subject],
  )
}

/**
 * Whoever accepted an invitation by password may have been somebody else who got hold of the link: from here on the
 * account is of whom the provider vouches for, and what opened it before does not any more.
 */
async function linkUser(
  transaction: Queryable,
  id: string,
  { issuer, subject, name }: ProvenPerson,
): Promise<void> {
  await transaction.query(
    `UPDATE postrider.users
     SET oidc_issuer = $2::text,
         oidc_subject = $3::text,
         name = COALESCE(name, $4::text),
         password_hash = NULL
     WHERE id = $1::uuid`,
    [id, issuer, subject, name ?? null],
  )
  await endSessionsOf(transaction, id)
}

async function acceptAll(
  transaction: Queryable,
  userId: string,
  { email, now }: InvitationsOf,
): Promise<void> {
  await transaction.query(
    `WITH accepted AS (
       DELETE FROM postrider.invitations
       WHERE kind = 'member'
         AND lower(email COLLATE "C") = lower($2::text COLLATE "C")
         AND expires_at > $3::timestamptz
       RETURNING project_id, role
     )
     INSERT INTO postrider.members (project_id, user_id, role)
     SELECT project_id, $1::uuid, role
     FROM accepted
     ON CONFLICT DO NOTHING`,
    [userId, email, now],
  )
}
