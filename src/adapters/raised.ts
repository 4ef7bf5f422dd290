import { sqlstateOf } from '../database/sqlstate.ts'

/** What PostgreSQL said of an error: its SQLSTATE, the field COLUMN (empty if there was none) and the words. */
export interface Raised {
  state: string
  column: string
  message: string
}

/**
 * Finds it in what a library makes of it. `pg`, Kysely and Knex throw the driver's error, TypeORM one with the same fields;
 * postgres.js calls the column otherwise, Drizzle keeps the driver's error as `cause`, Prisma a copy in `meta`.
 */
export function raisedBy(error: unknown): Raised | undefined {
  if (!(error instanceof Error)) return undefined
  return throughPrisma(error) ?? byDriver(error) ?? raisedBy(error.cause)
}

function byDriver(error: Error & { column?: unknown; column_name?: unknown }): Raised | undefined {
  const state = sqlstateOf(error)
  if (state === undefined) return undefined
  const column = error.column ?? error.column_name
  return { state, column: typeof column === 'string' ? column : '', message: error.message }
}

interface PrismaCause {
  originalCode?: string
  originalMessage?: string
  column?: string
  constraint?: { fields?: string[] }
}

/** Its own codes look like SQLSTATEs: P2010 is that of a statement that failed. */
function throughPrisma(error: Error): Raised | undefined {
  const { meta } = error as { meta?: { driverAdapterError?: { cause?: PrismaCause } } }
  const {
    originalCode: state,
    originalMessage: message = '',
    ...cause
  } = meta?.driverAdapterError?.cause ?? {}
  if (state === undefined) return undefined
  return { state, column: cause.column ?? cause.constraint?.fields?.[0] ?? fieldIn(message), message }
}

/** Of a unique violation Prisma keeps no column, but what publishing raises has the field in front. */
function fieldIn(message: string): string {
  return /^(\S*\bid) \S+ was published before/.exec(message)?.[1] ?? ''
}
