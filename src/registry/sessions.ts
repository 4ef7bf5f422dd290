import { createHmac } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { notFound } from '../contract/errors.ts'
import type { KeyRole } from '../contract/projects.ts'
import type { Session, SessionState } from '../contract/users.ts'
import type { Queryable } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'
import { isSameHash } from './api-key.ts'
import type { KeyOwner } from './api-keys.ts'
import { hashOfToken, newToken } from './token.ts'

/** A session ends so long after its last use, and so long after the login. */
const idleDays = 7
export const wholeDays = 30
/** As often a session that is in use is written down as used. */
const noteMinutes = 5
const dayMs = 86_400_000

/** Where a call comes from. */
export interface Visit {
  address: string | undefined
  userAgent: string | undefined
  requestId: string | undefined
}

export interface SessionUser {
  id: string
  email: string
  name: string | null
  is_owner: boolean
  has_password: boolean
}

/** For whom a session stands. */
export type Holder =
  | { kind: 'admin' }
  | ({ kind: 'key' } & KeyOwner)
  /** With the role in the project that was asked for, if there is one. */
  | ({ kind: 'user'; role: KeyRole | null } & SessionUser)

export interface OpenSession {
  id: string
  expires_at: Date
  holder: Holder
}

export interface NewSession {
  id: string
  /** Shown to the browser alone, this once. */
  token: string
}

type SessionOwner = { userId: string } | { apiKeyId: string } | { adminKeyHash: Buffer }

interface StoredSession {
  id: string
  created_at: Date
  last_used_at: Date
  expires_at: Date
  admin_proof: Buffer | null
  user: SessionUser | null
  key: KeyOwner | null
  role: KeyRole | null
}

/** Who is logged in, and where. Asked of the database at every call: what was ended is refused at once, everywhere. */
export class Sessions {
  readonly #database: Queryable
  readonly #clock: Clock

  constructor({ database, clock }: { database: Queryable; clock: Clock }) {
    this.#database = database
    this.#clock = clock
  }

  /** In the transaction of a login that has found out who it is. */
  async open(
    transaction: Queryable,
    owner: SessionOwner,
    { address, userAgent }: Visit,
  ): Promise<NewSession> {
    const { token, hash } = newToken()
    const now = this.#clock.now()
    const { rows } = await transaction.query<{ id: string }>(
      `INSERT INTO postrider.sessions (
         token_hash, user_id, api_key_id, admin_proof, address, user_agent, created_at, last_used_at, expires_at
       )
       VALUES (
         $1::bytea, $2::uuid, $3::uuid, $4::bytea, $5::text, $6::text, $7::timestamptz, $7::timestamptz,
         $8::timestamptz
       )
       RETURNING id`,
      [
        hash,
        'userId' in owner ? owner.userId : null,
        'apiKeyId' in owner ? owner.apiKeyId : null,
        'adminKeyHash' in owner ? proofOf(token, owner.adminKeyHash) : null,
        address ?? null,
        userAgent?.slice(0, 500) ?? null,
        now,
        new Date(now.getTime() + idleDays * dayMs),
      ],
    )
    return { id: rows[0]!.id, token }
  }

  /** Whose session it is, as it stands now, or `undefined` if it has ended, or never was. */
  async authenticate(
    token: string,
    { projectId, adminKeyHash }: { projectId?: string | undefined; adminKeyHash: Buffer | undefined },
  ): Promise<OpenSession | undefined> {
    const now = this.#clock.now()
    const { rows } = await this.#database.query<StoredSession>(
      `SELECT
         session.id,
         session.created_at,
         session.last_used_at,
         session.expires_at,
         session.admin_proof,
         CASE WHEN person.id IS NOT NULL THEN jsonb_build_object(
           'id', person.id,
           'email', person.email,
           'name', person.name,
           'is_owner', person.is_owner,
           'has_password', person.password_hash IS NOT NULL
         ) END AS "user",
         CASE WHEN key.id IS NOT NULL THEN jsonb_build_object(
           'id', key.id,
           'project_id', key.project_id,
           'name', key.name,
           'role', key.role
         ) END AS key,
         member.role
       FROM postrider.sessions AS session
       LEFT JOIN postrider.users AS person
         ON person.id = session.user_id
         AND person.disabled_at IS NULL
       LEFT JOIN postrider.api_keys AS key
         ON key.id = session.api_key_id
         AND (key.expires_at IS NULL OR key.expires_at > $2::timestamptz)
       LEFT JOIN postrider.members AS member
         ON member.user_id = session.user_id
         AND member.project_id = $3::uuid
       WHERE session.token_hash = $1::bytea
         AND session.expires_at > $2::timestamptz`,
      [hashOfToken(token), now, projectId ?? null],
    )
    const [session] = rows
    const holder = session && holderOf(session, token, adminKeyHash)
    if (!holder) return undefined
    const expires_at = await this.#prolong(session, now)
    return { id: session.id, expires_at, holder }
  }

  /** Of a user, newest first, without those that have run out. */
  async list(userId: string, currentId: string, page: PageRequest = {}): Promise<Page<Session>> {
    const { rows, next_cursor } = await readPage<Omit<Session, 'is_current'>>(
      this.#database,
      {
        columns: 'row.id, row.address, row.user_agent, row.last_used_at, row.expires_at, row.created_at',
        from: 'postrider.sessions',
        where: ['row.user_id = $1::uuid', 'row.expires_at > $2::timestamptz'],
        values: [userId, this.#clock.now()],
      },
      page,
    )
    return { rows: rows.map((row) => ({ ...row, is_current: row.id === currentId })), next_cursor }
  }

  /** Logs out. */
  async end(id: string): Promise<void> {
    await this.#database.query(
      `DELETE FROM postrider.sessions
       WHERE id = $1::uuid`,
      [id],
    )
  }

  async endOne(userId: string, id: string): Promise<void> {
    const { rowCount } = await this.#database.query(
      `DELETE FROM postrider.sessions
       WHERE user_id = $1::uuid
         AND id = $2::uuid
         AND expires_at > $3::timestamptz`,
      [userId, id, this.#clock.now()],
    )
    if (rowCount === 0) throw notFound('session')
  }

  async endOthers(userId: string, currentId: string): Promise<void> {
    await endSessionsOf(this.#database, userId, currentId)
  }

  /** Removes those that have run out; answers how many. */
  async forgetEnded(): Promise<number> {
    const { rowCount } = await this.#database.query(
      `DELETE FROM postrider.sessions
       WHERE expires_at <= $1::timestamptz`,
      [this.#clock.now()],
    )
    return rowCount ?? 0
  }

  /** In which projects a user is, and as what. */
  async projectsOf(userId: string): Promise<NonNullable<NonNullable<SessionState['session']>['projects']>> {
    const { rows } = await this.#database.query<{ id: string; name: string; role: KeyRole }>(
      `SELECT project.id, project.name, member.role
       FROM postrider.members AS member
       JOIN postrider.projects AS project
         ON project.id = member.project_id
       WHERE member.user_id = $1::uuid
       ORDER BY project.name, project.id`,
      [userId],
    )
    return rows
  }

  /** Every few minutes of use, so that hardly any call writes. */
  async #prolong({ id, created_at, last_used_at, expires_at }: StoredSession, now: Date): Promise<Date> {
    if (now.getTime() - last_used_at.getTime() < noteMinutes * 60_000) return expires_at
    const longer = new Date(
      Math.min(now.getTime() + idleDays * dayMs, created_at.getTime() + wholeDays * dayMs),
    )
    await this.#database.query(
      `UPDATE postrider.sessions
       SET last_used_at = $2::timestamptz,
           expires_at = $3::timestamptz
       WHERE id = $1::uuid`,
      [id, now, longer],
    )
    return longer
  }
}

/** All of a user, but for one if it is given. */
export async function endSessionsOf(
  queryable: Queryable,
  userId: string,
  exceptId: string | null = null,
): Promise<void> {
  await queryable.query(
    `DELETE FROM postrider.sessions
     WHERE user_id = $1::uuid
       AND id IS DISTINCT FROM $2::uuid`,
    [userId, exceptId],
  )
}

/** The admin key stands in no table: another one since the login is found out by this. */
function holderOf(
  { user, key, role, admin_proof }: StoredSession,
  token: string,
  adminKeyHash: Buffer | undefined,
): Holder | undefined {
  if (user) return { kind: 'user', ...user, role }
  if (key) return { kind: 'key', ...key }
  if (!admin_proof || !adminKeyHash) return undefined
  return isSameHash(admin_proof, proofOf(token, adminKeyHash)) ? { kind: 'admin' } : undefined
}

function proofOf(token: string, adminKeyHash: Buffer): Buffer {
  return createHmac('sha256', token).update(adminKeyHash).digest()
}
