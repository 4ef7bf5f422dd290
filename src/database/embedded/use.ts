import { Client } from 'pg'
import { SUPERUSER } from './cluster.ts'
import { shutDown } from './server.ts'

/**
 * Who uses the server holds this lock, shared, on a connection to the database `postgres`; who stops it holds it
 * alone. It goes with the connection, so a killed process is out of the count without any clean-up.
 */
const IN_USE_LOCK = [0x706f7374, 0x75736564] as const

/** Connects and counts as a user of the server. Undefined when this is the server of another cluster. */
export async function use(password: string, port: number, cluster: string): Promise<Client | undefined> {
  const client = await connect(password, port, cluster)
  try {
    await client?.query('SELECT pg_advisory_lock_shared($1::integer, $2::integer)', [...IN_USE_LOCK])
    return client
  } catch (error) {
    await client?.end().catch(() => {})
    throw error
  }
}

/** Whether this cluster's server answers there. Asking does not count as use. */
export async function answers(password: string, port: number, cluster: string): Promise<boolean> {
  const client = await connect(password, port, cluster).catch(() => undefined)
  await client?.end().catch(() => {})
  return client !== undefined
}

async function connect(password: string, port: number, cluster: string): Promise<Client | undefined> {
  const client = new Client({
    connectionString: connectionString(password, port, 'postgres'),
    application_name: 'postrider (keeps the server)',
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  })
  // An error also ends the connection, and the end is what is acted on.
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ ours: boolean }>(
      `SELECT current_setting('data_directory') = $1::text AS ours`,
      [cluster],
    )
    if (rows[0]?.ours) return client
  } catch (error) {
    await client.end().catch(() => {})
    throw error
  }
  await client.end()
  return undefined
}

/** Stops the server if nobody else uses it. Who connects in this moment waits for the lock until the server ends. */
export async function leave(client: Client, cluster: string): Promise<void> {
  try {
    // A lost connection means that there is no server, or none of ours any more.
    const pid = await lastOnesServer(client).catch(() => undefined)
    if (pid) await shutDown(pid, cluster)
  } finally {
    await client.end().catch(() => {})
  }
}

async function lastOnesServer(client: Client): Promise<number | undefined> {
  // First let go, then ask for all of it: two that only asked would each see the other, and both leave.
  await client.query('SELECT pg_advisory_unlock_shared($1::integer, $2::integer)', [...IN_USE_LOCK])
  const { rows } = await client.query<{ last: boolean; pid: number }>(
    `SELECT
       pg_try_advisory_lock($1::integer, $2::integer) AS last,
       split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::integer AS pid`,
    [...IN_USE_LOCK],
  )
  return rows[0]?.last ? rows[0].pid : undefined
}

export function connectionString(password: string, port: number, database: string): string {
  return `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`
}
