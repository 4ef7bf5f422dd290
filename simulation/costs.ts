import { readFileSync } from 'node:fs'

export interface TableCost {
  /** Inserted, updated and deleted. */
  rows: number
  /** Without full page images, which depend on how often there is a checkpoint. Indexes and TOAST belong to their table. */
  walBytes: number
  /** By which the table grows, its indexes and TOAST included, before anything is vacuumed. */
  tableBytes: number
}

export type Cost = Record<string, TableCost>

/** What the statements do to each table; `simulation/measure.ts` writes it. `commit` stands for what belongs to no table. */
export interface Costs {
  postgres: string
  /** For each delivery, and once for each statement, however many it is about. */
  steps: Record<Step, { delivery: Cost; statement: Cost }>
}

export const steps = ['publish', 'claim', 'deliver', 'retry', 'letOut', 'emptyClaim'] as const
export type Step = (typeof steps)[number]

export const costsPath = new URL('costs.json', import.meta.url)

export function readCosts(): Costs {
  return JSON.parse(readFileSync(costsPath, 'utf8')) as Costs
}
