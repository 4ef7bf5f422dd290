import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { Database } from '../src/database/database.ts'
import { type Bench, messagesTo, prepare, publishBacklog, spreadGround } from './ground.ts'
import { formatNumber, table } from './report.ts'
import { postrider } from './systems/postrider.ts'

const deliveries = 20_000
const shown = 30

/**
 * Delivers a backlog with one worker of Postrider under V8's profiler and `pg_stat_statements`, and says where the time
 * goes. Both cost something themselves: for shares, not for figures. The profiler samples what the main thread is in, so
 * that a system call such as `writev` includes the time in which the kernel lets others run.
 */
export async function profile(bench: Bench): Promise<string> {
  const count = bench.short ? 200 : deliveries
  const profileDir = await mkdtemp(join(tmpdir(), 'postrider-profile-'))
  const ground = spreadGround(bench)
  await using prepared = await prepare({ ...bench, profileDir }, postrider, ground)
  const database = new Database({
    connectionString: prepared.database.connectionString,
    maxConnections: 1,
  })
  await database.query('CREATE EXTENSION pg_stat_statements')
  await publishBacklog(prepared, messagesTo(ground.endpoints, count))
  const published = await statements(database, count)
  await database.query('SELECT pg_stat_statements_reset()')

  const workers = await prepared.loadWorkers()
  await bench.receiver.reset()
  await workers.start()
  await bench.receiver.reach('w', count)
  await workers.stop()
  const delivered = await statements(database, count)
  await database.close()
  const functions = await selfTimes(profileDir, count)
  await rm(profileDir, { recursive: true })
  return [
    `## Worker: time in functions themselves, for one of ${formatNumber(count)} deliveries\n\n${functions}`,
    `## PostgreSQL while delivering, for one delivery\n\n${delivered}`,
    `## PostgreSQL while publishing in batches, for one event\n\n${published}`,
  ].join('\n\n')
}

async function statements(database: Database, count: number): Promise<string> {
  const { rows } = await database.query<Record<string, string>>(
    `SELECT
       calls,
       rows,
       total_exec_time AS executed_ms,
       total_plan_time AS planned_ms,
       shared_blks_hit + shared_blks_read AS buffers,
       wal_records,
       wal_bytes,
       regexp_replace(query, '\\s+', ' ', 'g') AS query
     FROM pg_stat_statements
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND query NOT LIKE '%pg_stat_statements%'
     ORDER BY total_exec_time + total_plan_time DESC
     LIMIT 8`,
  )
  const each = (value: string | undefined, digits = 0): string => formatNumber(Number(value) / count, digits)
  return table([
    ['statement', 'calls', 'rows/call', 'execution µs', 'planning µs', 'buffers', 'WAL records', 'WAL B'],
    ...rows.map(
      ({ calls, rows: returned, executed_ms, planned_ms, buffers, wal_records, wal_bytes, query }) => [
        query!.slice(0, 60),
        formatNumber(Number(calls)),
        formatNumber(Number(returned) / Number(calls), 1),
        each(String(Number(executed_ms) * 1_000), 1),
        each(String(Number(planned_ms) * 1_000), 1),
        each(buffers, 1),
        each(wal_records, 1),
        each(wal_bytes),
      ],
    ),
  ])
}

interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[]
  samples: number[]
  timeDeltas: number[]
}

/** Functions by the time in themselves, and files by the same. */
async function selfTimes(profileDir: string, count: number): Promise<string> {
  const file = (await readdir(profileDir)).find((name) => name.endsWith('.cpuprofile'))
  const { nodes, samples, timeDeltas } = JSON.parse(
    await readFile(join(profileDir, file!), 'utf8'),
  ) as CpuProfile
  const placeOf = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const byFunction = new Map<string, number>()
  const byPart = new Map<string, number>()
  for (const [index, id] of samples.entries()) {
    const { functionName, url, lineNumber } = placeOf.get(id)!
    if (functionName === '(idle)' || functionName === '(program)') continue
    const us = timeDeltas[index]!
    add(byFunction, `${functionName || '(anonymous)'} ${placeName(url)}:${lineNumber + 1}`, us)
    add(byPart, partName(url, functionName), us)
  }
  const total = [...byPart.values()].reduce((sum, us) => sum + us, 0)
  const rows = (times: ReadonlyMap<string, number>, most: number): string[][] =>
    [...times]
      .toSorted(([, one], [, other]) => other - one)
      .slice(0, most)
      .map(([name, us]) => [name, formatNumber(us / count, 1), formatNumber((us / total) * 100, 1)])
  const head = ['µs', '%']
  return `${table([['part', ...head], ...rows(byPart, 15)])}\n\n${table([['function', ...head], ...rows(byFunction, shown)])}`
}

function add(sums: Map<string, number>, name: string, value: number): void {
  sums.set(name, (sums.get(name) ?? 0) + value)
}

function placeName(url: string): string {
  if (!url.startsWith('file:')) return url || '(native)'
  const path = relative(join(import.meta.dirname, '..'), new URL(url).pathname)
  return path.slice(Math.max(path.lastIndexOf('node_modules/'), 0))
}

/** A package, a part of Node.js, or one of our own files. */
function partName(url: string, functionName: string): string {
  if (functionName === '(garbage collector)') return functionName
  const place = placeName(url)
  return /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(place)?.[1] ?? place
}
