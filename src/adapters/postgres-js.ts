import { type Adapter, hasMethod } from './transaction.ts'

/** The `sql` that `sql.begin()` gives. */
export interface PostgresJsTransaction {
  unsafe(text: string, values: never, options: never): PromiseLike<readonly unknown[]>
  savepoint(work: never): PromiseLike<unknown>
}

export const postgresJs: Adapter<PostgresJsTransaction> = {
  library: 'postgres.js',
  give: 'the sql that sql.begin() gives',
  knows: (value) => typeof value === 'function' && hasMethod(value, 'unsafe'),
  isOpen: (sql) => hasMethod(sql, 'savepoint'),
  adapt: (sql) => ({
    query: async (text, values) => {
      // As its own templates are, unless the application turned that off: else it asks for the types of the values each
      // time, in a round trip of its own.
      const options = { prepare: true }
      return { rows: [...(await sql.unsafe(text, values as never, options as never))] }
    },
  }),
}
