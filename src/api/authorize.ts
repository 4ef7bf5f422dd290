import { timingSafeEqual } from 'node:crypto'
import { notFound, PostriderError } from '../contract/errors.ts'
import { type KeyRole, keyRoles } from '../contract/projects.ts'
import type { Access } from '../contract/routes.ts'
import { isUuid } from '../ids.ts'
import { hashOfKey, idOfKey } from '../registry/api-key.ts'
import type { KeyOwner } from '../registry/api-keys.ts'
import type { Holder } from '../registry/sessions.ts'
import type { Gate } from './gate.ts'
import { readSession, requireOwnPage, type UsedSession } from './session.ts'

/** Who makes a call. */
export type Caller = Holder

interface Asked {
  request: Request
  address: string
  access: Exclude<Access, 'anyone'>
  /** As it stands in the path; `undefined` for a call outside of projects. */
  projectId: string | undefined
}

interface Admitted {
  caller: Caller
  /** What a browser was logged in with; `undefined` for a key that was sent. */
  session?: UsedSession | undefined
}

/**
 * Lets a call pass or refuses it: no right key or session is 401; a project that is not the caller's is 404, exactly as
 * one that does not exist; a role that is too low is 403, and so is a session that a page of others uses.
 */
export async function authorize(gate: Gate, asked: Asked): Promise<Admitted> {
  const { caller, session } = await identify(gate, asked)
  const { access, projectId } = asked
  // What is no UUID is no project.
  if (projectId !== undefined && !isUuid(projectId)) throw notFound('project')
  if (isSupreme(caller)) {
    if (projectId !== undefined) await gate.engine.projects.get(projectId)
  } else if (projectId !== undefined && !isOpenTo(caller, projectId)) throw notFound('project')
  if (!allows(caller, access, session)) throw tooLow(caller, access)
  return { caller, session }
}

async function identify(gate: Gate, asked: Asked): Promise<Admitted> {
  const { request, address, projectId } = asked
  const authorization = request.headers.get('authorization')
  if (authorization === null) {
    const session = await readSession(gate, request, {
      address,
      projectId: projectId !== undefined && isUuid(projectId) ? projectId : undefined,
    })
    if (session) {
      requireOwnPage(gate.site, request, session.token)
      return { caller: session.holder, session }
    }
  }
  return { caller: await identifyKey(gate, { authorization, address }) }
}

async function identifyKey(
  gate: Gate,
  { authorization, address }: { authorization: string | null; address: string },
): Promise<Caller> {
  const { adminKeyHash, limits } = gate
  const [, key] = /^Bearer +([\x21-\x7e]+) *$/i.exec(authorization ?? '') ?? []
  if (key === undefined) {
    limits.refused(undefined, address)
    throw new PostriderError('unauthorized', 'Send a key as authorization: Bearer KEY.')
  }
  const keyHash = hashOfKey(key)
  const limited = { keyHash: keyHash.toString('base64'), address }
  if (adminKeyHash && timingSafeEqual(keyHash, adminKeyHash)) {
    limits.known(limited.keyHash)
    limits.call(limited.keyHash, address)
    return { kind: 'admin' }
  }
  const owner = await ownerOf(gate, key, limited)
  if (owner) return { kind: 'key', ...owner }
  limits.refused(limited.keyHash, address)
  throw new PostriderError('unauthorized', 'This key is not known, was revoked, or has expired.')
}

async function ownerOf(
  { engine, limits }: Gate,
  key: string,
  { keyHash, address }: { keyHash: string; address: string },
): Promise<KeyOwner | undefined> {
  // What cannot be a key asks nobody, and uses up nothing that a right one may need.
  if (idOfKey(key) === undefined) return undefined
  limits.call(keyHash, address)
  const owner = await engine.apiKeys.authenticate(key)
  if (owner) limits.known(keyHash)
  return owner
}

function isSupreme(caller: Caller): boolean {
  return caller.kind === 'admin' || (caller.kind === 'user' && caller.is_owner)
}

function isOpenTo(caller: Caller, projectId: string): boolean {
  if (caller.kind === 'key') return caller.project_id === projectId.toLowerCase()
  // The role is that in the project which was asked for.
  return caller.kind === 'user' && caller.role !== null
}

function allows(caller: Caller, access: Asked['access'], session: UsedSession | undefined): boolean {
  if (access === 'session') return session !== undefined && caller.kind === 'user'
  if (isSupreme(caller)) return true
  if (access === 'admin' || caller.kind === 'admin' || caller.role === null) return false
  return keyRoles.indexOf(caller.role) >= keyRoles.indexOf(access)
}

function tooLow(caller: Caller, access: Asked['access']): PostriderError {
  const needed: Record<Asked['access'], string> = {
    session: 'the session of a user',
    view: roleInWords('view'),
    publish: roleInWords('publish'),
    manage: roleInWords('manage'),
    admin: caller.kind === 'key' ? 'the admin key' : 'an owner or the admin key',
  }
  const role = caller.kind === 'admin' ? null : caller.role
  const has = role === null ? '' : `; this ${caller.kind} has the role "${role}"`
  return new PostriderError('forbidden', `This call needs ${needed[access]}${has}.`)
}

function roleInWords(role: KeyRole): string {
  return `the role "${role}"`
}
