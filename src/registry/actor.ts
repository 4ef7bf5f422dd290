import type { Queryable } from '../database/database.ts'
import { type Actor, actorText } from '../database/scope.ts'
import type { Visit } from './sessions.ts'

/** Whom the audit log names where a call finds out only on its way who makes it. */

export async function nameActor(transaction: Queryable, actor: Actor): Promise<void> {
  await transaction.query(`SELECT set_config('postrider.actor', $1::text, true)`, [actorText(actor)])
}

export function userActor(
  { id, email, name }: { id: string; email: string; name: string | null },
  visit: Visit,
): Actor {
  return { kind: 'user', id, name: name ?? email, ...placeOf(visit) }
}

export function placeOf({ address, requestId }: Visit): Pick<Actor, 'address' | 'requestId'> {
  return { address, requestId }
}

/** A login belongs to no project: it stands in the log of the server. */
export async function noteLogin(
  transaction: Queryable,
  userId: string,
  how: { method: 'password' | 'link' | 'single sign-on'; failed_logins?: number },
): Promise<void> {
  await transaction.query(
    `SELECT postrider.audit(NULL, 'session.created', 'user', $1::text, NULL, $2::jsonb)`,
    [userId, JSON.stringify(how)],
  )
}
