import { sql } from 'drizzle-orm'
import { drizzle as drizzleOnPg, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import { drizzle as drizzleOnPostgresJs, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import { type Knex, knex } from 'knex'
import {
  CamelCasePlugin,
  CompiledQuery,
  type ControlledTransaction,
  Kysely,
  PostgresDialect,
  type Transaction,
} from 'kysely'
import { Pool, type PoolClient } from 'pg'
import postgres from 'postgres'
import { DataSource, type EntityManager, type QueryRunner } from 'typeorm'
import type { AnyTransaction } from '../../src/index.ts'

/** A library on one database, used as its documentation says. `Tx` is what it gives: the compiler sees that it fits. */
export interface Opened<Tx extends AnyTransaction = never> {
  /** Commits what `work` did, or rolls it back if it throws. */
  inTransaction(work: (transaction: Tx) => Promise<unknown>): Promise<unknown>
  /** A statement of the application's, in the same transaction. */
  run(transaction: Tx, statement: string): PromiseLike<unknown>
  /** What is of the library and in no transaction. */
  outside: object[]
  close(): Promise<unknown>
}

export interface Library {
  name: string
  /** The adapter's, as its errors name it. */
  library: string
  open: (connectionString: string) => Promise<Opened>
}

export function library<Tx extends AnyTransaction>(
  name: string,
  open: (connectionString: string) => Opened<Tx> | Promise<Opened<Tx>>,
): Library {
  const opened = async (connectionString: string) => (await open(connectionString)) as Opened
  return { name, library: name.replace(/,? .*/, ''), open: opened }
}

interface Tables {
  orders: { id: number }
}

/** What a database of Drizzle gives to the work in its transactions. */
type TxOf<Db extends { transaction: (work: never) => unknown }> = Parameters<
  Parameters<Db['transaction']>[0]
>[0]

const ofPg = library<PoolClient>('pg', (connectionString) => {
  const pool = new Pool({ connectionString, max: 2 })
  return {
    inTransaction: async (work) => {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        const result = await work(client)
        await client.query('COMMIT')
        return result
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      } finally {
        client.release()
      }
    },
    run: (client, statement) => client.query(statement),
    outside: [pool],
    close: () => pool.end(),
  }
})

function ofPostgresJs(name: string, options: postgres.Options<Record<string, never>>): Library {
  return library<postgres.TransactionSql>(name, (connectionString) => {
    const connection = postgres(connectionString, { max: 2, onnotice: () => {}, ...options })
    return {
      inTransaction: (work) => connection.begin(work),
      run: (transaction, statement) => transaction.unsafe(statement),
      outside: [connection],
      close: () => connection.end(),
    }
  })
}

const ofDrizzle = library<TxOf<NodePgDatabase>>('Drizzle on pg', (connectionString) => {
  const pool = new Pool({ connectionString, max: 2 })
  const db = drizzleOnPg({ client: pool })
  return {
    inTransaction: (work) => db.transaction(work),
    run: (tx, statement) => tx.execute(sql.raw(statement)),
    outside: [db],
    close: () => pool.end(),
  }
})

const ofDrizzleOnPostgresJs = library<TxOf<PostgresJsDatabase>>(
  'Drizzle on postgres.js',
  (connectionString) => {
    const connection = postgres(connectionString, { max: 2, onnotice: () => {} })
    const db = drizzleOnPostgresJs({ client: connection })
    return {
      inTransaction: (work) => db.transaction(work),
      run: (tx, statement) => tx.execute(sql.raw(statement)),
      outside: [db],
      close: () => connection.end(),
    }
  },
)

const ofKysely = library<Transaction<Tables>>('Kysely', (connectionString) => {
  const pool = new Pool({ connectionString, max: 2 })
  const db = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool }),
    plugins: [new CamelCasePlugin()],
  })
  return {
    inTransaction: (work) => db.transaction().execute(work),
    run: (trx, statement) => trx.executeQuery(CompiledQuery.raw(statement)),
    outside: [db],
    close: () => db.destroy(),
  }
})

const ofKyselyByHand = library<ControlledTransaction<Tables>>('Kysely, ended by hand', (connectionString) => {
  const pool = new Pool({ connectionString, max: 2 })
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  return {
    inTransaction: async (work) => {
      const trx = await db.startTransaction().execute()
      try {
        await work(trx)
        await trx.commit().execute()
      } catch (error) {
        await trx.rollback().execute()
        throw error
      }
    },
    run: (trx, statement) => trx.executeQuery(CompiledQuery.raw(statement)),
    outside: [db],
    close: () => db.destroy(),
  }
})

const ofKnex = library<Knex.Transaction>('Knex', (connectionString) => {
  const db = knex({ client: 'pg', connection: connectionString, pool: { min: 0, max: 2 } })
  return {
    inTransaction: (work) => db.transaction(work),
    run: (trx, statement) => trx.raw(statement),
    outside: [db],
    close: () => db.destroy(),
  }
})

async function dataSourceOn(url: string): Promise<DataSource> {
  return new DataSource({ type: 'postgres', url, extra: { max: 2 } }).initialize()
}

const ofTypeOrm = library<EntityManager>('TypeORM', async (connectionString) => {
  const dataSource = await dataSourceOn(connectionString)
  return {
    inTransaction: (work) => dataSource.transaction(work),
    run: (manager, statement) => manager.query(statement),
    outside: [dataSource, dataSource.manager],
    close: () => dataSource.destroy(),
  }
})

const ofQueryRunner = library<QueryRunner>('TypeORM by its QueryRunner', async (connectionString) => {
  const dataSource = await dataSourceOn(connectionString)
  const idle = dataSource.createQueryRunner()
  return {
    inTransaction: async (work) => {
      const runner = dataSource.createQueryRunner()
      await runner.startTransaction()
      try {
        await work(runner)
        await runner.commitTransaction()
      } catch (error) {
        await runner.rollbackTransaction()
        throw error
      } finally {
        await runner.release()
      }
    },
    run: (runner, statement) => runner.query(statement),
    outside: [idle],
    close: async () => {
      await idle.release()
      await dataSource.destroy()
    },
  }
})

export const libraries: Library[] = [
  ofPg,
  ofPostgresJs('postgres.js', {}),
  ofPostgresJs('postgres.js with names of its own, nothing prepared', {
    transform: postgres.pascal,
    prepare: false,
  }),
  ofDrizzle,
  ofDrizzleOnPostgresJs,
  ofKysely,
  ofKyselyByHand,
  ofKnex,
  ofTypeOrm,
  ofQueryRunner,
]
