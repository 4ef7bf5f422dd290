import { type Adapter, hasMethod } from './transaction.ts'

/** The `trx` that `knex.transaction()` gives. */
export interface KnexTransaction {
  raw(text: string, bindings: never): PromiseLike<unknown>
  isCompleted(): boolean
}

export const knex: Adapter<KnexTransaction> = {
  library: 'Knex',
  give: 'the trx that knex.transaction() gives',
  knows: (value) => typeof value === 'function' && hasMethod(value, 'raw'),
  isOpen: (trx) => hasMethod(trx, 'isCompleted') && !trx.isCompleted(),
  adapt: (trx) => ({
    query: async (text, values) => {
      const { sql, bindings } = withQuestionMarks(text, values)
      try {
        return (await trx.raw(sql, bindings as never)) as { rows: unknown[] }
      } catch (error) {
        throw withoutStatement(error, text)
      }
    },
  }),
}

/** `$2 … $1` as `? … ?`, each with its value in turn; a `?` of the text's own is escaped. */
function withQuestionMarks(text: string, values: unknown[]): { sql: string; bindings: unknown[] } {
  const bindings: unknown[] = []
  const sql = text.replaceAll(/\?|\$(\d+)/g, (_found, number?: string) => {
    if (number === undefined) return '\\?'
    bindings.push(values[Number(number) - 1])
    return '?'
  })
  return { sql, bindings }
}

/** Knex puts the statement in front of what PostgreSQL said, with all values in it: they would go into every log. */
function withoutStatement(error: unknown, text: string): unknown {
  if (!(error instanceof Error)) return error
  const ending = `${text.slice(text.lastIndexOf('$')).replace(/^\$\d+/, '')} - `
  const from = error.message.lastIndexOf(ending)
  if (from !== -1) error.message = error.message.slice(from + ending.length)
  return error
}
