import type { Bench } from '../ground.ts'
import type { Figures } from '../measure.ts'

/** One question, put to several contestants in turn. */
export interface Case {
  /** As `--case` has it. */
  name: string
  title: string
  /** How it is measured, in sentences. */
  what: string
  columns: readonly Column[]
  contestants: readonly Contestant[]
  /** Takes so long that it is measured only where it is asked for; its figures stand in docs/operations.md. */
  isLong?: boolean
}

export interface Column {
  /** Name of the figure. */
  key: string
  title: string
  /** Digits after the point; 0 by default. */
  digits?: number
}

export interface Contestant {
  name: string
  /** Adds nothing to what the short form is to show. */
  longOnly?: boolean
  /** Sets up, measures and clears away, so that it can be run alone. */
  run(bench: Bench): Promise<Figures>
}

/** The columns of a measured flow of deliveries. */
export const flowColumns = [
  { key: 'rate', title: 'deliveries/s' },
  { key: 'workerCpuUs', title: 'worker CPU µs' },
  { key: 'postgresCpuUs', title: 'PostgreSQL CPU µs' },
  { key: 'cpuUs', title: 'CPU µs' },
] as const satisfies Column[]

export const writtenColumns = [
  { key: 'publishWalBytes', title: 'WAL publish B' },
  { key: 'walBytes', title: 'WAL deliver B' },
  { key: 'tableBytes', title: 'table B' },
  { key: 'buffers', title: 'buffers' },
] as const satisfies Column[]

export const residentColumn: Column = { key: 'residentMib', title: 'worker MiB' }
