import { hostileAnswers } from './hostile-answers.ts'
import { hostileBodies } from './hostile-bodies.ts'
import type { HostileCase } from './hostile-case.ts'
import { hostileHeads } from './hostile-heads.ts'

export type { HostileCase }

/**
 * Receivers that speak no HTTP, too much of it, or too slowly, and what each means for its delivery. All of them are
 * spoken to over TCP and over TLS.
 */
export const hostileReceivers: readonly (readonly [group: string, cases: readonly HostileCase[]])[] =
  Object.entries({
    ...hostileHeads,
    ...hostileAnswers,
    ...hostileBodies,
  }).map(([group, rows]) => [group, rows.map(([does, behave, expected]) => ({ does, behave, ...expected }))])

export const allHostileCases: readonly HostileCase[] = hostileReceivers.flatMap(([, cases]) => cases)
