import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { PgliteDatabase } from 'drizzle-orm/pglite'
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import type { Knex } from 'knex'
import type { ControlledTransaction, Kysely, Transaction as KyselyOwn } from 'kysely'
import type { Client, Pool, PoolClient } from 'pg'
import type { Sql, TransactionSql } from 'postgres'
import type { DataSource, EntityManager, QueryRunner, Repository } from 'typeorm'
import { expect, it } from 'vitest'
import type { DrizzleTransaction } from '../../src/adapters/drizzle.ts'
import type { KnexTransaction } from '../../src/adapters/knex.ts'
import type { KyselyTransaction } from '../../src/adapters/kysely.ts'
import type { PgTransaction } from '../../src/adapters/pg.ts'
import type { PostgresJsTransaction } from '../../src/adapters/postgres-js.ts'
import type { PrismaTransaction } from '../../src/adapters/prisma.ts'
import type { TypeOrmTransaction } from '../../src/adapters/typeorm.ts'
import type { Queryable } from '../../src/database/database.ts'
import type { AnyTransaction, Transaction } from '../../src/index.ts'

/** What the types take and refuse, against those of the real libraries. The compiler is the test: nothing here can run. */

interface Given {
  pg: PgTransaction
  'postgres.js': PostgresJsTransaction
  Drizzle: DrizzleTransaction
  Kysely: KyselyTransaction
  Knex: KnexTransaction
  Prisma: PrismaTransaction
  TypeORM: TypeOrmTransaction
}

/** The names of the adapters that a type fits. */
type Adapters<Type> = { [Name in keyof Given]: Type extends Given[Name] ? Name : never }[keyof Given]
type Same<One, Other> = [One] extends [Other] ? ([Other] extends [One] ? true : false) : false

interface Tables {
  orders: { id: number }
}
interface Row {
  id: number
}
type DrizzleTx<Db extends { transaction: (work: never) => unknown }> = Parameters<
  Parameters<Db['transaction']>[0]
>[0]

/** Each fits the adapter of its own library and no other. */
const itsOwn: Record<string, true> = {
  client: true satisfies Same<Adapters<Client>, 'pg'>,
  poolClient: true satisfies Same<Adapters<PoolClient>, 'pg'>,
  queryable: true satisfies Same<Adapters<Queryable>, 'pg'>,
  ofOnesOwn: true satisfies Same<Adapters<Transaction>, 'pg'>,
  sql: true satisfies Same<Adapters<TransactionSql>, 'postgres.js'>,
  sqlWithTypes: true satisfies Same<Adapters<TransactionSql<{ bigint: bigint }>>, 'postgres.js'>,
  drizzle: true satisfies Same<Adapters<DrizzleTx<NodePgDatabase>>, 'Drizzle'>,
  drizzleWithSchema: true satisfies Same<Adapters<DrizzleTx<NodePgDatabase<{ orders: never }>>>, 'Drizzle'>,
  drizzleOnPostgresJs: true satisfies Same<Adapters<DrizzleTx<PostgresJsDatabase>>, 'Drizzle'>,
  drizzleOnPglite: true satisfies Same<Adapters<DrizzleTx<PgliteDatabase>>, 'Drizzle'>,
  kysely: true satisfies Same<Adapters<KyselyOwn<Tables>>, 'Kysely'>,
  kyselyControlled: true satisfies Same<Adapters<ControlledTransaction<Tables>>, 'Kysely'>,
  knex: true satisfies Same<Adapters<Knex.Transaction>, 'Knex'>,
  knexWithRows: true satisfies Same<Adapters<Knex.Transaction<Row, Row[]>>, 'Knex'>,
  typeormManager: true satisfies Same<Adapters<EntityManager>, 'TypeORM'>,
  typeormRunner: true satisfies Same<Adapters<QueryRunner>, 'TypeORM'>,
}

/** What is no transaction fits none. */
const none: Record<string, true> = {
  pool: true satisfies Same<Adapters<Pool>, never>,
  sql: true satisfies Same<Adapters<Sql>, never>,
  drizzle: true satisfies Same<Adapters<NodePgDatabase>, never>,
  drizzleOnPostgresJs: true satisfies Same<Adapters<PostgresJsDatabase>, never>,
  kysely: true satisfies Same<Adapters<Kysely<Tables>>, never>,
  knex: true satisfies Same<Adapters<Knex>, never>,
  dataSource: true satisfies Same<Adapters<DataSource>, never>,
  repository: true satisfies Same<Adapters<Repository<Row>>, never>,
  aPromiseOfOne: true satisfies Same<Adapters<Promise<PoolClient>>, never>,
  aFunction: true satisfies Same<Adapters<() => void>, never>,
  aText: true satisfies Same<Adapters<string>, never>,
  nothing: true satisfies Same<Adapters<null>, never>,
}

it('is decided by the compiler', () => {
  // What is said of single adapters holds for the option, which is all of them.
  const take = (transaction: AnyTransaction): AnyTransaction => transaction
  const plain = {}
  // @ts-expect-error -- a plain object is no transaction
  expect(take(plain)).toBe(plain)
  const answersNothing = { query: () => Promise.resolve() }
  // @ts-expect-error -- its query answers no rows
  expect(take(answersNothing)).toBe(answersNothing)
  expect(new Set([...Object.values(itsOwn), ...Object.values(none)])).toEqual(new Set([true]))
})
