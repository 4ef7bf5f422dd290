import type { PoolClient } from 'pg'
import type { Database } from '../../database/database.ts'
import { type Finding, ok, problem, warning } from './finding.ts'

/** Two pools of ten: one for calls, one for the engine. */
const connectionsOfProcess = 20

/** Receivers refuse what is signed more than five minutes off; that much before, somebody should know. */
const mostSkewMs = 2_000

interface Server {
  version: string
  version_number: number
  encoding: string
  is_standby: boolean
  is_read_only: boolean
  fsync: string
  full_page_writes: string
  synchronous_commit: string
  autovacuum: string
  current_schema: string | null
  max_connections: number
  reserved_connections: number
  used_connections: number
}

/** What the server that we are connected to is like, whatever stands in the database. */
export async function examineServer(database: Database): Promise<Finding[]> {
  const server = await readServer(database)
  return [
    versionOf(server),
    encodingOf(server),
    writability(server),
    durability(server),
    searchPath(server),
    connectionsOf(server),
    await clockSkew(database),
    await pooler(database),
    server.autovacuum === 'on'
      ? ok('autovacuum', 'is on')
      : problem('autovacuum', 'is off: the queue grows with every delivery', 'Set autovacuum = on.'),
    ...(await longTransactions(database)),
  ]
}

async function readServer(database: Database): Promise<Server> {
  const { rows } = await database.query<Server>(
    `SELECT
       current_setting('server_version') AS version,
       current_setting('server_version_num')::integer AS version_number,
       current_setting('server_encoding') AS encoding,
       pg_is_in_recovery() AS is_standby,
       current_setting('transaction_read_only') = 'on' AS is_read_only,
       current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('autovacuum') AS autovacuum,
       current_schema()::text AS current_schema,
       current_setting('max_connections')::integer AS max_connections,
       current_setting('superuser_reserved_connections')::integer
         + COALESCE(current_setting('reserved_connections', true), '0')::integer AS reserved_connections,
       (SELECT COUNT(*)::integer FROM pg_stat_activity WHERE backend_type = 'client backend') AS used_connections`,
  )
  return rows[0]!
}

function versionOf({ version, version_number }: Server): Finding {
  const subject = 'PostgreSQL'
  return version_number >= 150_000
    ? ok(subject, version)
    : problem(subject, `${version} is too old`, 'Use PostgreSQL 15 or later.')
}

function encodingOf({ encoding }: Server): Finding {
  const subject = 'encoding'
  return encoding === 'UTF8'
    ? ok(subject, encoding)
    : problem(
        subject,
        `the database is ${encoding}: events with other characters are refused`,
        "Make it anew with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.",
      )
}

function writability({ is_standby, is_read_only }: Server): Finding {
  const subject = 'writes'
  if (is_standby) {
    return problem(
      subject,
      'this server is a standby and takes no writes',
      'Name the primary in DATABASE_URL; with several hosts add target_session_attrs=read-write.',
    )
  }
  if (is_read_only) {
    return problem(
      subject,
      'transactions are read-only here',
      'Set default_transaction_read_only = off for the database and the role.',
    )
  }
  return ok(subject, 'are taken')
}

function durability({ fsync, full_page_writes, synchronous_commit }: Server): Finding {
  const subject = 'durability'
  if (fsync !== 'on' || full_page_writes !== 'on') {
    return problem(
      subject,
      `fsync is ${fsync}, full_page_writes ${full_page_writes}: a crash of the machine may destroy the database`,
      'Set both on.',
    )
  }
  if (synchronous_commit === 'off') {
    return problem(
      subject,
      'synchronous_commit is off: an event that was answered 202 may be gone after a crash, and one that was delivered be sent again',
      'Set synchronous_commit = on for the role that Postrider is connected as.',
    )
  }
  return ok(subject, `synchronous_commit = ${synchronous_commit}`)
}

function searchPath({ current_schema }: Server): Finding {
  const subject = 'search path'
  return current_schema === 'postrider'
    ? warning(
        subject,
        "an application that is connected like this makes its tables in Postrider's own schema",
        'Set search_path = public for the database, or connect the application as a role of another name.',
      )
    : ok(subject, `new tables are made in ${current_schema ?? 'no schema'}`)
}

function connectionsOf({ max_connections, reserved_connections, used_connections }: Server): Finding {
  const subject = 'connections'
  const free = max_connections - reserved_connections - used_connections
  const said = `${used_connections} in use, ${Math.max(free, 0)} free of ${max_connections}`
  return free >= connectionsOfProcess
    ? ok(subject, said)
    : warning(
        subject,
        `${said}; one process of Postrider takes up to ${connectionsOfProcess}`,
        'Raise max_connections, or put PgBouncer in between.',
      )
}

async function clockSkew(database: Database): Promise<Finding> {
  const subject = 'clock'
  const askedMs = Date.now()
  const { rows } = await database.query<{ now_ms: number }>(
    `SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::double precision AS now_ms`,
  )
  const answeredMs = Date.now()
  const skewMs = Math.round((askedMs + answeredMs) / 2 - rows[0]!.now_ms)
  // Half of the round trip is not known better.
  return Math.abs(skewMs) <= mostSkewMs + (answeredMs - askedMs) / 2
    ? ok(subject, `${skewMs} ms beside the database`)
    : warning(
        subject,
        `this machine is ${(skewMs / 1_000).toFixed(1)} s ${skewMs > 0 ? 'ahead of' : 'behind'} the database, whose time Postrider signs with`,
        'Let both take their time from NTP: receivers refuse what is signed five minutes off.',
      )
}

/**
 * A pooler that gives a connection to each transaction is found out by taking it away: with one connection idle and
 * another in a transaction, the first is answered by another backend than before.
 */
async function pooler(database: Database): Promise<Finding> {
  const subject = 'pooler'
  const idle = await database.pool.connect()
  const busy = await database.pool.connect()
  try {
    const before = await backendOf(idle)
    await busy.query('BEGIN')
    const taken = await backendOf(busy)
    const after = await backendOf(idle)
    return before === after && taken !== before
      ? ok(subject, 'none, or one that keeps a connection for each session')
      : warning(
          subject,
          'connections are pooled by transaction, as PgBouncer does: NOTIFY does not get through, and workers look by themselves twice a second',
          'This works. Where half a second matters, name the server itself in POSTRIDER_DIRECT_DATABASE_URL.',
        )
  } finally {
    await busy.query('ROLLBACK').catch(() => {})
    busy.release()
    idle.release()
  }
}

async function backendOf(client: PoolClient): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return rows[0]!.pid
}

async function longTransactions(database: Database): Promise<Finding[]> {
  const subject = 'transactions'
  const { rows } = await database.query<{ pid: number; name: string; minutes: number }>(
    `SELECT
       pid,
       COALESCE(NULLIF(application_name, ''), usename::text, 'somebody') AS name,
       (EXTRACT(EPOCH FROM clock_timestamp() - xact_start) / 60)::integer AS minutes
     FROM pg_stat_activity
     WHERE backend_type = 'client backend'
       AND datname = current_database()
       AND xact_start < clock_timestamp() - INTERVAL '10 minutes'
     ORDER BY xact_start
     LIMIT 3`,
  )
  if (rows.length === 0) return [ok(subject, 'none is open for long')]
  return rows.map(({ pid, name, minutes }) =>
    warning(
      subject,
      `one of ${name} (process ${pid}) is open for ${minutes} minutes: what was deleted since cannot be cleared away, and claims get slower`,
      `End it, or run SELECT pg_terminate_backend(${pid}); idle_in_transaction_session_timeout prevents it.`,
    ),
  )
}
