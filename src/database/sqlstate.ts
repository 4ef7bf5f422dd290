/** The SQLSTATEs that are told apart, by PostgreSQL's condition names (appendix A of its manual). */
export const sqlstate = {
  insufficientResources: '53000',
  diskFull: '53100',
  outOfMemory: '53200',
  tooManyConnections: '53300',
  configurationLimitExceeded: '53400',
  adminShutdown: '57P01',
  crashShutdown: '57P02',
  cannotConnectNow: '57P03',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  lockNotAvailable: '55P03',
  queryCanceled: '57014',
  invalidTextRepresentation: '22P02',
  untranslatableCharacter: '22P05',
  characterNotInRepertoire: '22021',
  invalidParameterValue: '22023',
  nullValueNotAllowed: '22004',
  numericValueOutOfRange: '22003',
  invalidDatetimeFormat: '22007',
  datetimeFieldOverflow: '22008',
  foreignKeyViolation: '23503',
  uniqueViolation: '23505',
  checkViolation: '23514',
  inFailedTransaction: '25P02',
  readOnlyTransaction: '25006',
  programLimitExceeded: '54000',
  statementTooComplex: '54001',
  undefinedTable: '42P01',
  undefinedColumn: '42703',
  undefinedFunction: '42883',
  invalidSchemaName: '3F000',
} as const

/** The SQLSTATE of an error that PostgreSQL raised, else undefined. */
export function sqlstateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  return /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined
}

/** The constraint that a statement ran into, if it was one of those. */
export function violatedConstraint(error: unknown): string | undefined {
  if (!sqlstateOf(error)?.startsWith('23')) return undefined
  return error instanceof Error && 'constraint' in error && typeof error.constraint === 'string'
    ? error.constraint
    : undefined
}
