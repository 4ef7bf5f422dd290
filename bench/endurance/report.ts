import { formatNumber, table } from '../report.ts'
import type { TableSize } from './sample.ts'

/** What one part of a steady load took, for one delivery or event of it, and what the hot tables were at its end. */
export interface Period {
  name: string
  claims: number
  claimUs: number
  /** Of one claim. */
  claimMs: number
  recordUs: number
  publishUs: number
  /** Of what waited for its time or for the one before it. */
  letOutUs: number
  postgresCpuUs: number
  workerCpuUs: number
  /** From publishing to arrival. */
  p50Ms: number
  p99Ms: number
  tables: TableSize[]
}

const columns: readonly [title: string, figure: (period: Period) => number, digits?: number][] = [
  ['claims', ({ claims }) => claims],
  ['claim µs', ({ claimUs }) => claimUs],
  ['ms a claim', ({ claimMs }) => claimMs, 2],
  ['record µs', ({ recordUs }) => recordUs],
  ['let out µs', ({ letOutUs }) => letOutUs],
  ['publish µs', ({ publishUs }) => publishUs],
  ['PostgreSQL CPU µs', ({ postgresCpuUs }) => postgresCpuUs],
  ['worker CPU µs', ({ workerCpuUs }) => workerCpuUs],
  ['p50 ms', ({ p50Ms }) => p50Ms, 1],
  ['p99 ms', ({ p99Ms }) => p99Ms, 1],
  ['hot tables KiB', (period) => hotBytes(period) / 1_024],
  ['dead rows', ({ tables }) => tables.reduce((sum, { deadRows }) => sum + deadRows, 0)],
]

export function periodTable(periods: readonly Period[]): string {
  return table([
    ['', ...columns.map(([title]) => title)],
    ...periods.map((period) => [
      period.name,
      ...columns.map(([, figure, digits]) => formatNumber(figure(period), digits)),
    ]),
  ])
}

/** KiB of each hot table with its indexes, part by part. */
export function tablesTable(periods: readonly Period[]): string {
  const [first] = periods
  return table([
    ['KiB, with indexes', ...periods.map(({ name }) => name), 'vacuums'],
    ...first!.tables.map(({ name }, index) => {
      const sizes = periods.map(({ tables }) => tables[index]!)
      const vacuums = sizes.at(-1)!.vacuums - sizes[0]!.vacuums
      return [
        `\`${name}\``,
        ...sizes.map(({ tableBytes, indexBytes }) => formatNumber((tableBytes + indexBytes) / 1_024)),
        formatNumber(vacuums),
      ]
    }),
  ])
}

export function ratioLine(later: Period, first: Period): string {
  const ratio = (figure: (period: Period) => number): string => formatNumber(figure(later) / figure(first), 2)
  return `"${later.name}" ÷ "${first.name}": claim ${ratio(({ claimUs }) => claimUs)}, recording ${ratio(({ recordUs }) => recordUs)}, hot tables ${ratio(hotBytes)}.`
}

function hotBytes({ tables }: Period): number {
  return tables.reduce((sum, { tableBytes, indexBytes }) => sum + tableBytes + indexBytes, 0)
}
