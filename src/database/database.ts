import { type ClientBase, Pool, type PoolConfig, type QueryConfig } from 'pg'
import { parseHosts } from './hosts.ts'
import { HostsPool } from './hosts-pool.ts'
import { beginAs, type Scope } from './scope.ts'
import { sqlstate, sqlstateOf } from './sqlstate.ts'
import { boundedTimes } from './times.ts'

/** Anything that runs one statement: a pool, a client inside a transaction, an adapter around another driver. */
export interface Queryable {
  query<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<QueryResult<Row>>
}

/** The whole database, or what one project sees of it. */
export interface Transactable extends Queryable {
  /** Runs `work` in one transaction: commits its result, or rolls back and throws what it threw. */
  transaction<Result>(work: (transaction: Queryable) => Promise<Result>): Promise<Result>
}

export interface QueryResult<Row> {
  rows: Row[]
  rowCount: number | null
}

export type DatabaseOptions =
  | {
      /** May name several servers of which one takes writes: see `parseHosts`. */
      connectionString: string
      maxConnections?: number
      /** A statement that takes longer has lost its connection: it fails, and the connection is closed. Without it, never. */
      queryTimeoutMs?: number
      /** How long a statement may wait for somebody else's lock. Without it, for ever. */
      lockTimeoutMs?: number
      onError?: (error: Error) => void
    }
  | { pool: Pool }

/** The one way to PostgreSQL: a pool of our own, or the application's. Only a pool of our own is closed by `close()`. */
export class Database implements Transactable {
  readonly pool: Pool
  readonly #owned: boolean

  constructor(options: DatabaseOptions) {
    if ('pool' in options) {
      this.pool = options.pool
      this.#owned = false
      return
    }
    const { lockTimeoutMs } = options
    const config: PoolConfig = {
      max: options.maxConnections ?? 10,
      application_name: 'postrider',
      connectionTimeoutMillis: 5_000,
      // A machine that is gone closes nothing: whoever only listens would listen for ever.
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      types: boundedTimes,
      query_timeout: options.queryTimeoutMs,
      // In a statement of its own: a pooler in front refuses what it does not know in the start of a connection.
      ...(lockTimeoutMs !== undefined && {
        onConnect: (client: ClientBase) =>
          client.query(`SET lock_timeout = ${lockTimeoutMs}`) as unknown as void,
      }),
    }
    const hosts = parseHosts(options.connectionString)
    this.pool = hosts
      ? new HostsPool(hosts, config)
      : new Pool({ ...config, connectionString: options.connectionString })
    // Without a listener, a restart of the server would end this process.
    this.pool.on('error', options.onError ?? (() => {}))
    this.#owned = true
  }

  query<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<QueryResult<Row>> {
    return (this.pool as Queryable).query<Row>(text, values)
  }

  /** For a statement that may take long: a whole table is read, or very much of it. */
  queryPatiently<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<QueryResult<Row>> {
    const patient: QueryConfig & { query_timeout: number } = {
      text,
      ...(values && { values }),
      query_timeout: patienceMs,
    }
    return (this.pool as { query(config: object): Promise<unknown> }).query(patient) as Promise<
      QueryResult<Row>
    >
  }

  transaction<Result>(work: (transaction: Queryable) => Promise<Result>): Promise<Result> {
    return this.#transaction('BEGIN', work)
  }

  /** The same database for one caller. Each statement is in a transaction that begins by saying for whom it is. */
  scopedTo(scope: Scope): Transactable {
    const begin = beginAs(scope)
    return {
      query: (text, values) => this.#transaction(begin, (transaction) => transaction.query(text, values)),
      transaction: (work) => this.#transaction(begin, work),
    }
  }

  async #transaction<Result>(
    begin: string,
    work: (transaction: Queryable) => Promise<Result>,
  ): Promise<Result> {
    const client = await this.pool.connect()
    let broken: Error | undefined
    // A lost connection fails the statement that runs. Without a listener it would also end the process.
    client.on('error', ignore)
    try {
      await client.query(begin)
      const result = await work(client)
      await client.query('COMMIT')
      return result
    } catch (error) {
      await client.query('ROLLBACK').catch((rollbackError: Error) => {
        broken = rollbackError
      })
      // The server is no primary any more: the next connection may be to the one that is.
      if (sqlstateOf(error) === sqlstate.readOnlyTransaction) broken ??= error as Error
      throw error
    } finally {
      client.off('error', ignore)
      client.release(broken)
    }
  }

  async close(): Promise<void> {
    if (this.#owned && !this.pool.ended) await this.pool.end()
  }
}

const patienceMs = 3_600_000

function ignore(): void {}
