/** One of the servers that a connection string names. */
export interface Host {
  /** Such as `db1:5432`, for messages. */
  name: string
  /** Leads to this server alone. */
  connectionString: string
}

/** Which of the servers will do. `read-write`: one that takes writes, which after a failover is another one. */
export const sessions = ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'] as const
export type Session = (typeof sessions)[number]

/** What tells whether a server will do. */
export interface ServerState {
  is_read_only: boolean
  is_standby: boolean
}

export interface Hosts {
  hosts: readonly Host[]
  session: Session
  /** The order is drawn by lot. */
  isShuffled: boolean
  /** For each of them; absent, the usual one. */
  connectTimeoutMs: number | undefined
}

/** `scheme://`, `user:password@`, hosts, path, query. */
const parts = /^(postgres(?:ql)?:\/\/)([^/?]*@)?([^/?]*)([^?]*)(?:\?(.*))?$/s

/** Ours: the driver knows none of them. */
const choices = ['target_session_attrs', 'load_balance_hosts', 'connect_timeout']

/**
 * The hosts of a connection string as libpq means them, "34.1.1.3 Specifying Multiple Hosts" in PostgreSQL's manual:
 * `postgres://user@db1:5432,db2:5432/app?target_session_attrs=read-write`, or `?host=db1,db2&port=5432`. node-postgres knows
 * of one host. Undefined where there is one and any session will do: that string is the driver's.
 *
 * @throws {Error} what is wrong with it; nothing of the string but hosts, ports and these choices is in the message
 */
export function parseHosts(connectionString: string): Hosts | undefined {
  const [, scheme, userinfo = '', authority = '', path = '', query = ''] = parts.exec(connectionString) ?? []
  if (scheme === undefined) return undefined
  const parameters = new URLSearchParams(query)
  const session = choiceOf(parameters, 'target_session_attrs', sessions)
  const isShuffled = choiceOf(parameters, 'load_balance_hosts', ['disable', 'random']) === 'random'
  const seconds = Number(parameters.get('connect_timeout') ?? 0)
  const places = placesOf(authority, parameters)
  if (places.length === 1 && session === 'any') return undefined
  for (const name of [...choices, 'host', 'port']) parameters.delete(name)
  return {
    hosts: places.map(({ host, port }) => ({
      name: `${host || 'localhost'}:${port || '5432'}`,
      connectionString: `${scheme}${userinfo}${toOne({ host, port }, path, parameters)}`,
    })),
    session,
    isShuffled,
    connectTimeoutMs: seconds > 0 ? seconds * 1_000 : undefined,
  }
}

interface Place {
  host: string
  port: string
}

function placesOf(authority: string, parameters: URLSearchParams): Place[] {
  const named = parameters.get('host')
  const places =
    named === null
      ? authority.split(',').map(splitPort)
      : named.split(',').map((host) => ({ host: host.trim(), port: '' }))
  const ports = parameters.get('port')?.split(',') ?? []
  if (ports.length > 1 && ports.length !== places.length) {
    throw new Error(`a connection string has ${places.length} hosts and ${ports.length} ports for them`)
  }
  return places.map(({ host, port }, index) => ({
    host,
    port: port || (ports.length === 1 ? ports[0]! : (ports[index] ?? '')),
  }))
}

function splitPort(text: string): Place {
  const [, host = '', port = ''] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(text.trim()) ?? []
  if (host === '' && text.trim() !== '') throw new Error(`"${text.trim()}" is no host of a connection string`)
  return { host, port }
}

/** The rest of a string with this host alone; the directory of a socket stands in the query. */
function toOne({ host, port }: Place, path: string, parameters: URLSearchParams): string {
  const query = new URLSearchParams(parameters)
  const isSocket = host.startsWith('/')
  if (isSocket) {
    query.set('host', host)
    if (port !== '') query.set('port', port)
  }
  const authority = isSocket ? '' : `${host}${port === '' ? '' : `:${port}`}`
  return `${authority}${path}${query.size > 0 ? `?${query}` : ''}`
}

function choiceOf<const Choice extends string>(
  parameters: URLSearchParams,
  name: string,
  known: readonly [Choice, ...Choice[]],
): Choice {
  const text = parameters.get(name)
  if (text === null) return known[0]
  const choice = known.find((candidate) => candidate === text)
  if (choice === undefined) throw new Error(`${name} must be one of ${known.join(', ')}, not "${text}"`)
  return choice
}

/** Why a server will not do, in libpq's words; undefined where it will. */
export function misfit(session: Session, { is_read_only, is_standby }: ServerState): string | undefined {
  if (session === 'read-write' && is_read_only) return 'session is read-only'
  if (session === 'read-only' && !is_read_only) return 'session is not read-only'
  if (session === 'primary' && is_standby) return 'server is in hot standby mode'
  if (session === 'standby' && !is_standby) return 'server is not in hot standby mode'
  return undefined
}
