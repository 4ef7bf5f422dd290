import { timingSafeEqual } from 'node:crypto'
import { invalidField, PostriderError } from '../contract/errors.ts'
import type { LinkAcceptance, LinkDetails, Login, PasswordChange, SessionState } from '../contract/users.ts'
import { hashOfKey } from '../registry/api-key.ts'
import type { KeyOwner } from '../registry/api-keys.ts'
import type { NewSession, OpenSession, SessionUser, Visit } from '../registry/sessions.ts'
import { csrfTokenOf } from '../registry/token.ts'
import type { Users } from '../registry/users.ts'
import type { Gate } from './gate.ts'
import {
  noSessionCookie,
  readSession,
  refuseOtherOrigins,
  requireOwnPage,
  sessionCookie,
  type UsedSession,
} from './session.ts'
import { homeOf, linkOf } from './site.ts'

/** Somebody at a browser: what they send, and what the answer brings beside its body. */
export interface Visitor extends Visit {
  request: Request
  /** The one that the call was let pass with, if it had to be. */
  session: UsedSession | undefined
  answerHeaders: Headers
}

type ShownHolder = Pick<NonNullable<SessionState['session']>, 'kind' | 'user' | 'is_owner' | 'projects'>

/** Logging in and out, and what one does with one's own login. */
export class FrontDesk {
  readonly #gate: Gate
  readonly #hasProvider: boolean
  #hasOwner = false

  constructor(gate: Gate, { hasProvider }: { hasProvider: boolean }) {
    this.#gate = gate
    this.#hasProvider = hasProvider
  }

  /** Who is logged in. A session that has ended is none, and its cookie goes. */
  async state(visitor: Visitor): Promise<SessionState> {
    return this.#stateOf(await this.#currentSession(visitor))
  }

  async logIn(visitor: Visitor, login: Login): Promise<SessionState> {
    refuseOtherOrigins(this.#gate.site, visitor.request)
    const session = await this.#open(visitor, login)
    if (!session) throw new PostriderError('unauthorized', 'The email or the password is wrong.')
    return this.#stateOf(await this.enter(visitor, session))
  }

  async logOut(visitor: Visitor): Promise<void> {
    const session = await this.#currentSession(visitor)
    if (!session) return
    requireOwnPage(this.#gate.site, visitor.request, session.token)
    await this.#gate.engine.sessions.end(session.id)
    visitor.answerHeaders.append('set-cookie', noSessionCookie(this.#gate.site, visitor.request))
  }

  async readLink(visitor: Visitor, token: string): Promise<LinkDetails> {
    try {
      return await this.#gate.engine.links.read(token)
    } catch (error) {
      if (error instanceof PostriderError && error.code === 'not_found') {
        this.#gate.limits.refused(undefined, addressOf(visitor))
      }
      throw error
    }
  }

  async acceptLink(visitor: Visitor, acceptance: LinkAcceptance): Promise<SessionState> {
    refuseOtherOrigins(this.#gate.site, visitor.request)
    const { email, has_account } = await this.readLink(visitor, acceptance.token)
    this.#gate.limits.login(has_account ? email! : undefined, addressOf(visitor))
    const session = await this.#gate.engine.links.accept(acceptance, visitor)
    if (!session) throw new PostriderError('unauthorized', 'The password is wrong.')
    return this.#stateOf(await this.enter(visitor, session))
  }

  /** A wrong one may be a guess. */
  async changePassword(
    users: Pick<Users, 'changePassword'>,
    visitor: Visitor,
    change: PasswordChange,
  ): Promise<void> {
    const { user, sessionId } = userOf(visitor)
    this.#gate.limits.login(user.email, addressOf(visitor))
    await users.changePassword(user.id, sessionId, change)
  }

  /** The link to a page of ours that a token opens. */
  linkTo(page: 'setup' | 'invitation', { request }: Visitor, token: string): string {
    return linkOf(homeOf(this.#gate.site, request), page, token)
  }

  /** The browser gets the new session; the one that it had ends, whoever gave it that one. */
  async enter(visitor: Visitor, { token }: NewSession): Promise<UsedSession> {
    const { engine, site, adminKeyHash } = this.#gate
    // That it ends is no reason to refuse whoever has just proved who they are.
    const before = await this.#currentSession(visitor).catch(() => undefined)
    if (before) await engine.sessions.end(before.id)
    const session = await engine.sessions.authenticate(token, { adminKeyHash })
    if (!session) throw new PostriderError('unauthorized', 'This session has ended: log in again.')
    visitor.answerHeaders.delete('set-cookie')
    visitor.answerHeaders.append('set-cookie', sessionCookie(site, visitor.request, token))
    return { ...session, token }
  }

  async #open(visitor: Visitor, { email, password, key }: Login): Promise<NewSession | undefined> {
    const { engine, limits } = this.#gate
    if (key !== undefined) {
      if (email !== undefined || password !== undefined) {
        throw invalidField('key', 'must stand alone, without email and password')
      }
      limits.login(undefined, addressOf(visitor))
      return this.#openByKey(visitor, key)
    }
    if (email === undefined) throw invalidField('email', 'is needed')
    if (password === undefined) throw invalidField('password', 'is needed')
    limits.login(email, addressOf(visitor))
    return engine.logins.withPassword({ email, password }, visitor)
  }

  async #openByKey(visitor: Visitor, key: string): Promise<NewSession> {
    const { engine, adminKeyHash } = this.#gate
    // Before it is looked at: whether it is right is told to nobody then.
    if (await this.#knowsOwner()) {
      throw new PostriderError('forbidden', 'There is an owner: log in by email and password, not by a key.')
    }
    const keyHash = hashOfKey(key)
    if (adminKeyHash && timingSafeEqual(keyHash, adminKeyHash)) {
      return engine.logins.withAdminKey(adminKeyHash, visitor)
    }
    const owner: KeyOwner | undefined = await engine.apiKeys.authenticate(key)
    if (owner) return engine.logins.withKey(owner, visitor)
    throw new PostriderError('unauthorized', 'This key is not known, was revoked, or has expired.')
  }

  async #currentSession(visitor: Visitor): Promise<UsedSession | undefined> {
    try {
      return await readSession(this.#gate, visitor.request, { address: addressOf(visitor) })
    } catch (error) {
      if (!(error instanceof PostriderError) || error.code !== 'unauthorized') throw error
      visitor.answerHeaders.append('set-cookie', noSessionCookie(this.#gate.site, visitor.request))
      return undefined
    }
  }

  async #stateOf(session: UsedSession | undefined): Promise<SessionState> {
    return {
      session: session
        ? {
            id: session.id,
            ...(await this.#holderOf(session)),
            csrf_token: csrfTokenOf(session.token),
            expires_at: session.expires_at,
          }
        : null,
      login: { key: !(await this.#knowsOwner()), single_sign_on: this.#hasProvider },
    }
  }

  async #holderOf({ holder }: OpenSession): Promise<ShownHolder> {
    const { engine } = this.#gate
    if (holder.kind === 'admin') return { kind: 'admin_key', user: null, is_owner: true, projects: null }
    if (holder.kind === 'key') {
      const { id, name } = await engine.projects.get(holder.project_id)
      return { kind: 'api_key', user: null, is_owner: false, projects: [{ id, name, role: holder.role }] }
    }
    const { id, email, name, has_password, is_owner } = holder
    const projects = is_owner ? null : await engine.sessions.projectsOf(id)
    return { kind: 'user', user: { id, email, name, has_password }, is_owner, projects }
  }

  /** There is an owner from the first one on for ever. */
  async #knowsOwner(): Promise<boolean> {
    return (this.#hasOwner ||= await this.#gate.engine.logins.hasOwner())
  }
}

/** Of a call that only the session of a user may make. */
export function userOf({ session }: Visitor): { user: SessionUser; sessionId: string } {
  if (session?.holder.kind !== 'user') throw new PostriderError('unauthorized', 'Log in first.')
  return { user: session.holder, sessionId: session.id }
}

function addressOf({ address }: Visitor): string {
  return address ?? 'unknown'
}
