import { createHash, timingSafeEqual } from 'node:crypto'
import { notFound, PostriderError } from '../contract/errors.ts'
import { type KeyRole, keyRoles } from '../contract/projects.ts'
import type { Access } from '../contract/routes.ts'
import type { KeyOwner } from '../registry/api-keys.ts'
import type { Engine } from './engine.ts'
import type { RateLimits } from './rate-limit.ts'

/** Who makes a call. */
export type Caller = { kind: 'admin' } | ({ kind: 'key' } & KeyOwner)

export interface Gate {
  engine: Pick<Engine, 'apiKeys' | 'projects'>
  /** SHA-256 of the admin key; without one nobody is admin. */
  adminKeyHash: Buffer | undefined
  limits: RateLimits
}

interface Asked {
  authorization: string | null
  address: string
  access: Exclude<Access, 'anyone'>
  projectId: string | undefined
}

/**
 * Lets a call pass or refuses it: no right key is 401; a project that is not the key's is 404, exactly as one that
 * does not exist; a role that is too low is 403.
 */
export async function authorize(gate: Gate, asked: Asked): Promise<Caller> {
  const caller = await identify(gate, asked)
  if (caller.kind === 'admin') {
    if (asked.projectId !== undefined) await gate.engine.projects.get(asked.projectId)
    return caller
  }
  gate.limits.call(caller.id)
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

async function identify(
  { engine, adminKeyHash, limits }: Gate,
  { authorization, address }: Asked,
): Promise<Caller> {
  const [, key] = /^Bearer +([\x21-\x7e]+) *$/i.exec(authorization ?? '') ?? []
  if (key === undefined) {
    throw new PostriderError('unauthorized', 'Send a key as authorization: Bearer KEY.')
  }
  if (adminKeyHash && timingSafeEqual(hash(key), adminKeyHash)) return { kind: 'admin' }
  const owner = await engine.apiKeys.authenticate(key)
  if (owner) return { kind: 'key', ...owner }
  limits.refusedKey(address)
  throw new PostriderError('unauthorized', 'This key is not known, or it was revoked.')
}

export function hash(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

function allows(role: KeyRole, access: Exclude<Access, 'anyone'>): boolean {
  return access !== 'admin' && keyRoles.indexOf(role) >= keyRoles.indexOf(access)
}
