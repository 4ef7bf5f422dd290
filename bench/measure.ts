import { setTimeout as delay } from 'node:timers/promises'
import type { BenchPostgres } from './postgres.ts'
import type { Receiver } from './processes/receiver.ts'
import type { Workers } from './processes/workers.ts'

/** Figures of one measurement by name; the cases say what the names mean. */
export type Figures = Record<string, number>

/** A moment of a running measurement. */
export interface Reading {
  atMs: number
  arrived: number
  workerCpuUs: number
  postgresCpuUs: number
  walBytes: number
}

export interface Watched {
  postgres: BenchPostgres
  receiver: Receiver
  workers: Workers
  /** First segment of the paths that count. */
  segment: string
}

/** The driver's own work is in none of these, but for the one statement that asks for the WAL's position. */
export async function read({ postgres, receiver, workers, segment }: Watched): Promise<Reading> {
  const walBytes = await walPosition(postgres)
  const { count, atMs } = await receiver.count(segment)
  return { atMs, arrived: count, workerCpuUs: workers.cpuUs, postgresCpuUs: postgres.cpuUs, walBytes }
}

/** What one delivery took, between two moments in the middle of a steady flow. */
export function perDelivery(from: Reading, to: Reading): Figures {
  // In the short form all may be over before the first reading.
  const deliveries = Math.max(to.arrived - from.arrived, 1)
  const workerCpuUs = (to.workerCpuUs - from.workerCpuUs) / deliveries
  const postgresCpuUs = (to.postgresCpuUs - from.postgresCpuUs) / deliveries
  return {
    rate: (deliveries / (to.atMs - from.atMs)) * 1_000,
    workerCpuUs,
    postgresCpuUs,
    cpuUs: workerCpuUs + postgresCpuUs,
    walBytes: (to.walBytes - from.walBytes) / deliveries,
  }
}

/** Bytes of WAL that the server has made in its life, flushed or not. */
export async function walPosition({ admin }: BenchPostgres): Promise<number> {
  const { rows } = await admin.query<{ bytes: string }>(`SELECT pg_current_wal_insert_lsn() - '0/0' AS bytes`)
  return Number(rows[0]!.bytes)
}

/** Tables and indexes of a database. */
export async function databaseBytes({ admin }: BenchPostgres, name: string): Promise<number> {
  const { rows } = await admin.query<{ bytes: string }>('SELECT pg_database_size($1::text) AS bytes', [name])
  return Number(rows[0]!.bytes)
}

/** Pages of a database that were looked at so far, in memory or not. Backends tell when they end: it waits for that. */
export async function buffersUsed(postgres: BenchPostgres, name: string): Promise<number> {
  const { rows } = await postgres.admin.query<{ backends: number; buffers: string }>(
    'SELECT numbackends AS backends, blks_hit + blks_read AS buffers FROM pg_stat_database WHERE datname = $1::text',
    [name],
  )
  const { backends, buffers } = rows[0]!
  if (backends === 0) return Number(buffers)
  await delay(20)
  return buffersUsed(postgres, name)
}
