import { invalidField } from '../contract/errors.ts'
import type { Transactable } from './database.ts'
import { sqlstate, sqlstateOf } from './sqlstate.ts'

/**
 * The same database for callers whose ids and names nobody has looked at: one that PostgreSQL cannot read is a mistake of
 * theirs, and an error with a code.
 */
export function explaining(database: Transactable): Transactable {
  return {
    query: (text, values) => database.query<never>(text, values).catch(explain),
    transaction: (work) => database.transaction(work).catch(explain),
  }
}

function explain(error: unknown): never {
  if (sqlstateOf(error) !== sqlstate.invalidTextRepresentation) throw error
  throw invalidField('', `a value is not of its kind: ${(error as Error).message}`, { cause: error })
}
