import { invalidField } from '../contract/errors.ts'
import { type Adapter, hasMethod, type Transaction } from './transaction.ts'

/** A `pg` client between BEGIN and COMMIT, or anything of one's own that answers `query(text, values)` as it does. */
export interface PgTransaction extends Transaction {
  /** A pool takes another connection for each statement. */
  totalCount?: never
  /** Those of TypeORM have the same method, and answer otherwise. */
  manager?: never
  withRepository?: never
}

export const pg: Adapter<PgTransaction> = {
  library: 'pg',
  give: 'the client that BEGIN was sent on',
  knows: (value) => hasMethod(value, 'query'),
  isOpen: (client) => !('totalCount' in client),
  adapt: (client) => ({
    query: async (text, values) => {
      const result = (await client.query(text, values)) as { rows?: unknown } | undefined
      if (Array.isArray(result?.rows)) return { rows: result.rows as unknown[] }
      throw invalidField('transaction', 'must answer a query with { rows }')
    },
  }),
}
