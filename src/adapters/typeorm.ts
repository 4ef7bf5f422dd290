import { type Adapter, hasMethod } from './transaction.ts'

/** A `QueryRunner` after `startTransaction()`. */
export interface TypeOrmQueryRunner {
  query(text: string, values: (string | null)[]): Promise<unknown>
  readonly isTransactionActive: boolean
}

/** The `EntityManager` that `dataSource.transaction()` gives, or that of such a `QueryRunner`. */
export interface TypeOrmEntityManager {
  query(text: string, values: (string | null)[]): Promise<unknown>
  withRepository(repository: never): unknown
  readonly queryRunner?: TypeOrmQueryRunner
}

export type TypeOrmTransaction = TypeOrmQueryRunner | TypeOrmEntityManager

export const typeorm: Adapter<TypeOrmTransaction> = {
  library: 'TypeORM',
  give: 'the manager that dataSource.transaction() gives, or a QueryRunner after startTransaction()',
  knows: (value) =>
    'isTransactionActive' in value ||
    hasMethod(value, 'withRepository') ||
    // A DataSource or a Repository, which cannot be used.
    ('manager' in value && ('isInitialized' in value || 'target' in value)),
  isOpen: (value) => runnerOf(value)?.isTransactionActive === true,
  adapt: (value) => ({
    query: async (text, values) => ({ rows: (await value.query(text, values)) as unknown[] }),
  }),
}

function runnerOf(value: TypeOrmTransaction): TypeOrmQueryRunner | undefined {
  return 'isTransactionActive' in value ? value : value.queryRunner
}
