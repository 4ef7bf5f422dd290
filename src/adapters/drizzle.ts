import { type Adapter, hasMethod } from './transaction.ts'

/** The `tx` that `db.transaction()` gives, with any of Drizzle's drivers for PostgreSQL. */
export interface DrizzleTransaction {
  execute(query: never): PromiseLike<unknown>
  /** What only a transaction has, and only on PostgreSQL. */
  setTransaction(config: never): PromiseLike<unknown>
}

export const drizzle: Adapter<DrizzleTransaction> = {
  library: 'Drizzle',
  give: 'the tx that db.transaction() gives',
  // Its `query` is an object of the tables, where it has one.
  knows: (value) => hasMethod(value, 'execute') && !hasMethod(value, 'query'),
  isOpen: (tx) => hasMethod(tx, 'setTransaction'),
  adapt: (tx) => ({
    query: async (text, values) => {
      const result = await tx.execute(written(text, values) as never)
      // postgres.js answers the rows themselves, every other driver an object that has them.
      return { rows: Array.isArray(result) ? result : (result as { rows: unknown[] }).rows }
    },
  }),
}

/** As far as a dialect of Drizzle looks at its `sql`: what stands for a query, and writes it with its values. */
function written(sql: string, params: unknown[]) {
  return { getSQL: () => ({ toQuery: () => ({ sql, params }) }) }
}
