import { createHash, timingSafeEqual } from 'node:crypto'
import { notFound, PostriderError } from '../contract/errors.ts'
import { type KeyRole, keyRoles } from '../contract/projects.ts'
import type { Access } from '../contract/routes.ts'
import { isUuid } from '../ids.ts'
import { idOfKey } from '../registry/api-key.ts'
import type { KeyOwner } from '../registry/api-keys.ts'
import type { Engine } from './engine.ts'
import type { RateLimits } from './rate-limit.ts'

/** Who makes a call. */
export type Caller = { kind: 'admin' } | ({ kind: 'key' } & KeyOwner)

export interface Gate {
  engine: Engine
  /** SHA-256 of the admin key; without one nobody is admin. */
  adminKeyHash: Buffer | undefined
  limits: RateLimits
}

interface Asked {
  authorization: string | null
  address: string
  access: Exclude<Access, 'anyone'>
  /** As it stands in the path; `undefined` for a call outside of projects. */
  projectId: string | undefined
}

/**
 * Lets a call pass or refuses it: no right key is 401; a project that is not the key's is 404, exactly as one that
 * does not exist; a role that is too low is 403.
 */
export async function authorize(gate: Gate, asked: Asked): Promise<Caller> {
  const caller = await identify(gate, asked)
  // What is no UUID is no project.
  if (asked.projectId !== undefined && !isUuid(asked.projectId)) throw notFound('project')
  if (caller.kind === 'admin') {
    if (asked.projectId !== undefined) await gate.engine.projects.get(asked.projectId)
    return caller
  }
  if (asked.projectId !== undefined && asked.projectId.toLowerCase() !== caller.project_id)
    throw notFound('project')
  if (!allows(caller.role, asked.access)) {
    const needed = asked.access === 'admin' ? 'the admin key' : `the role "${asked.access}"`
    throw new PostriderError(
      'forbidden',
      `This call needs ${needed}; this key has the role "${caller.role}".`,
    )
  }
  return caller
}

async function identify(gate: Gate, { authorization, address }: Asked): Promise<Caller> {
  const { adminKeyHash, limits } = gate
  const [, key] = /^Bearer +([\x21-\x7e]+) *$/i.exec(authorization ?? '') ?? []
  if (key === undefined) {
    limits.refused(undefined, address)
    throw new PostriderError('unauthorized', 'Send a key as authorization: Bearer KEY.')
  }
  const keyHash = hash(key)
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

export function hash(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

function allows(role: KeyRole, access: Exclude<Access, 'anyone'>): boolean {
  return access !== 'admin' && keyRoles.indexOf(role) >= keyRoles.indexOf(access)
}
