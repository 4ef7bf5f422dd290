import { drizzle, type DrizzleTransaction } from '../adapters/drizzle.ts'
import { knex, type KnexTransaction } from '../adapters/knex.ts'
import { kysely, type KyselyTransaction } from '../adapters/kysely.ts'
import { pg, type PgTransaction } from '../adapters/pg.ts'
import { postgresJs, type PostgresJsTransaction } from '../adapters/postgres-js.ts'
import { prisma, type PrismaTransaction } from '../adapters/prisma.ts'
import type { Adapter, Transaction } from '../adapters/transaction.ts'
import { typeorm, type TypeOrmTransaction } from '../adapters/typeorm.ts'
import { invalidField } from '../contract/errors.ts'

/** A transaction as the application holds it. Their types exclude each other and everything that is no transaction. */
export type AnyTransaction =
  | PgTransaction
  | PostgresJsTransaction
  | DrizzleTransaction
  | KyselyTransaction
  | KnexTransaction
  | PrismaTransaction
  | TypeOrmTransaction

/** The first that knows a value has it: TypeORM's things have the one method that is asked of pg's. */
const adapters: readonly Adapter<never>[] = [postgresJs, drizzle, kysely, knex, prisma, typeorm, pg]

/**
 * What publishing can use, of whatever the application holds.
 *
 * @throws {PostriderError} `validation_failed`, before anything was sent: it is of no library that is known, or is in no
 *   transaction, as far as it tells
 */
export function transactionOf(given: AnyTransaction): Transaction {
  const isThing = (typeof given === 'object' && given !== null) || typeof given === 'function'
  const adapter = isThing ? adapters.find((each) => each.knows(given)) : undefined
  if (!adapter) throw invalidField('transaction', `must be of ${all}, or have query(text, values) as pg has`)
  if (adapter.isOpen(given as never)) return adapter.adapt(given as never)
  throw invalidField('transaction', `is in no open transaction of ${adapter.library}: give ${adapter.give}`)
}

const all = adapters.map(({ library, give }) => `${library} (${give})`).join(', ')
