import { type Adapter, hasMethod } from './transaction.ts'

/** The `trx` that `db.transaction().execute()` or `db.startTransaction().execute()` gives. */
export interface KyselyTransaction {
  readonly isTransaction: true
  executeQuery(query: never): Promise<{ rows: unknown[] }>
}

export const kysely: Adapter<KyselyTransaction> = {
  library: 'Kysely',
  give: 'the trx that db.transaction().execute() gives',
  knows: (value) => hasMethod(value, 'executeQuery'),
  isOpen: (trx) => trx.isTransaction,
  adapt: (trx) => ({
    query: (text, values) => trx.executeQuery(compiled(text, values) as never),
  }),
}

/** What Kysely's `CompiledQuery.raw()` makes. */
function compiled(sql: string, parameters: unknown[]) {
  return {
    sql,
    parameters,
    query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] },
    queryId: { queryId: 'postrider' },
  }
}
