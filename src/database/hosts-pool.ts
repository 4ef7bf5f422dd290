import { callbackify } from 'node:util'
import { Client, type ClientBase, Pool, type PoolClient, type PoolConfig } from 'pg'
import { type Host, type Hosts, misfit, type ServerState, type Session } from './hosts.ts'
import { sqlstate, sqlstateOf } from './sqlstate.ts'
import { isUnavailable } from './transient.ts'

/** SQLSTATE `sqlclient_unable_to_establish_sqlconnection`: it may pass. */
const noConnection = '08001'

/** A server that answers, and is not of the kind that is wanted. */
class UnfitHostError extends Error {
  readonly code = noConnection
}

/** One of the hosts cannot be used; the message names it, and why. */
class HostError extends Error {
  readonly code = noConnection
}

/** None of the hosts can be used: `errors` has the reason of each. It may pass. */
export class NoHostError extends AggregateError {
  readonly code = noConnection

  constructor(errors: readonly HostError[]) {
    super(errors, `none of the hosts can be used: ${errors.map(({ message }) => message).join('; ')}`)
    this.name = 'NoHostError'
  }
}

/**
 * A pool over several servers of which one is to be used. It keeps to the one that it found; when that cannot be reached any
 * more, or is not what it was, all of them are asked at once, and the first in their order that will do is used. As in
 * libpq the others are not looked at where one refuses the login.
 */
export class HostsPool extends Pool {
  readonly #hosts: Hosts
  #search: Promise<void> | undefined
  #hasSearched = false

  constructor(hosts: Hosts, { onConnect, ...config }: PoolConfig) {
    super({
      ...config,
      connectionString: inOrder(hosts)[0]!.connectionString,
      connectionTimeoutMillis: hosts.connectTimeoutMs ?? config.connectionTimeoutMillis,
      onConnect: (async (client: ClientBase) => {
        await requireSession(client, hosts.session)
        const connected: unknown = onConnect?.(client)
        await connected
      }) as unknown as (client: ClientBase) => void,
    })
    this.#hosts = hosts
  }

  override connect(): Promise<PoolClient>
  override connect(
    callback: (error: Error | undefined, client: PoolClient | undefined, done: () => void) => void,
  ): void
  override connect(
    callback?: (error: Error | undefined, client: PoolClient | undefined, done: () => void) => void,
  ): Promise<PoolClient> | void {
    if (!callback) return this.#connect()
    callbackify(() => this.#connect())((error, client) =>
      callback(error ?? undefined, client, () => client?.release()),
    )
  }

  async #connect(): Promise<PoolClient> {
    // The first in the list may be the one that is liked least.
    if (this.#hosts.session === 'prefer-standby' && !this.#hasSearched) await this.#searchOnce()
    const tried = this.options.connectionString
    try {
      return await super.connect()
    } catch (error) {
      if (!leadsToOthers(error)) throw error
      // Somebody else may have found another one meanwhile.
      if (tried === this.options.connectionString) await this.#searchOnce(tried, error)
      return super.connect()
    }
  }

  /** One search for all who wait. */
  async #searchOnce(tried?: string, failure?: unknown): Promise<void> {
    this.#search ??= this.#find(tried, failure).finally(() => (this.#search = undefined))
    await this.#search
    this.#hasSearched = true
  }

  /** Each has its own time to answer, all of them the same: one that swallows what is sent holds the others up once. */
  async #find(tried: string | undefined, failure: unknown): Promise<void> {
    const hosts = inOrder(this.#hosts)
    const answers = hosts.map((host) =>
      host.connectionString === tried
        ? Promise.resolve(failure)
        : this.#ask(host).catch((error: unknown) => error),
    )
    const { session } = this.#hosts
    // What is preferred is looked for first; then any of those will do that we have heard of.
    for (const wanted of session === 'prefer-standby' ? (['standby', 'any'] as const) : [session]) {
      const errors: HostError[] = []
      for (const [index, host] of hosts.entries()) {
        const answer = await answers[index]
        const reason = isState(answer) ? misfit(wanted, answer) : reasonOf(answer)
        if (reason === undefined) {
          this.options.connectionString = host.connectionString
          return
        }
        if (!isState(answer) && !leadsToOthers(answer)) throw answer
        errors.push(new HostError(`${host.name}: ${reason}`))
      }
      if (wanted === session || wanted === 'any') throw new NoHostError(errors)
    }
  }

  async #ask({ connectionString }: Host): Promise<ServerState> {
    const { connectionTimeoutMillis, application_name } = this.options
    const client = new Client({
      connectionString,
      application_name,
      connectionTimeoutMillis,
      query_timeout: connectionTimeoutMillis,
    })
    // A lost connection fails what is being asked. Without a listener it would also end the process.
    client.on('error', () => {})
    try {
      await client.connect()
      return await readState(client)
    } finally {
      await client.end().catch(() => {})
    }
  }
}

function inOrder({ hosts, isShuffled }: Hosts): readonly Host[] {
  if (!isShuffled) return hosts
  return hosts
    .map((host) => ({ host, lot: Math.random() }))
    .toSorted((a, b) => a.lot - b.lot)
    .map(({ host }) => host)
}

async function requireSession(client: ClientBase, session: Session): Promise<void> {
  if (session === 'any' || session === 'prefer-standby') return
  const reason = misfit(session, await readState(client))
  if (reason !== undefined) throw new UnfitHostError(reason)
}

async function readState(client: ClientBase): Promise<ServerState> {
  const { rows } = await client.query<ServerState>(
    `SELECT
       current_setting('transaction_read_only') = 'on' AS is_read_only,
       pg_is_in_recovery() AS is_standby`,
  )
  return rows[0]!
}

function isState(answer: unknown): answer is ServerState {
  return answer instanceof Object && 'is_standby' in answer
}

/** A server that starts, stops or cannot be reached; one that refuses the login, or has no connection left, is the answer. */
function leadsToOthers(error: unknown): boolean {
  // All connections of the pool are in use: no server is to blame.
  if (messageOf(error) === 'timeout exceeded when trying to connect') return false
  if (error instanceof UnfitHostError || timedOut.test(messageOf(error))) return true
  return isUnavailable(error) && !(sqlstateOf(error) ?? '').startsWith('53')
}

/** The driver gives these no code. */
const timedOut = /^(timeout expired|Connection terminated due to connection timeout|Query read timeout)/

function reasonOf(error: unknown): string {
  // Of a name with several addresses there is one error for each.
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  if (sqlstateOf(error) === sqlstate.cannotConnectNow) return messageOf(error)
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ECONNREFUSED') return 'connection refused'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'the host name is not known'
  if (code === 'ENOENT') return 'there is no such socket'
  if (code === 'ETIMEDOUT' || timedOut.test(messageOf(error))) return 'no answer in time'
  return messageOf(error)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
