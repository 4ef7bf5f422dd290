import type { Database } from '../../src/database/database.ts'

/** What a kind of statement has taken since the server started. */
export interface Total {
  calls: number
  ms: number
  rows: number
}

export type Totals = Record<'claim' | 'record' | 'publish' | 'letOut', Total>

export interface TableSize {
  name: string
  /** With what is stored outside of its rows. */
  tableBytes: number
  indexBytes: number
  deadRows: number
  vacuums: number
}

/** Rows come and go here, or change all the time; all other tables grow with what is published. */
const hotTables = [
  'delivery_queue',
  'delivery_schedule',
  'delivery_lines',
  'delivery_line_waiting',
  'webhook_breakers',
  'webhook_rates',
  'workers',
  'upkeep',
  'statistics_progress',
]

const kinds = {
  claim: '%FROM postrider.claim_deliveries(%',
  record: '%FROM postrider.record_results(%',
  publish: '%postrider.publish%(%',
  letOut: '%DELETE FROM postrider.delivery_%',
} as const satisfies Record<keyof Totals, string>

export async function readTotals(database: Database): Promise<Totals> {
  const totals: Partial<Totals> = {}
  for (const [kind, pattern] of Object.entries(kinds)) {
    const { rows } = await database.query<Total>(
      `SELECT
         COALESCE(SUM(calls), 0)::double precision AS calls,
         COALESCE(SUM(total_exec_time + total_plan_time), 0) AS ms,
         COALESCE(SUM(rows), 0)::double precision AS rows
       FROM pg_stat_statements
       WHERE query LIKE $1::text
         AND query NOT LIKE '%pg_stat_statements%'`,
      [pattern],
    )
    totals[kind as keyof Totals] = rows[0]!
  }
  return totals as Totals
}

export async function readTables(database: Database): Promise<TableSize[]> {
  const { rows } = await database.query<TableSize>(
    `SELECT
       relation.relname AS name,
       pg_table_size(relation.oid)::double precision AS "tableBytes",
       pg_indexes_size(relation.oid)::double precision AS "indexBytes",
       pg_stat_get_dead_tuples(relation.oid)::double precision AS "deadRows",
       pg_stat_get_autovacuum_count(relation.oid)::double precision AS vacuums
     FROM pg_class AS relation
     WHERE relation.relnamespace = 'postrider'::regnamespace
       AND relation.relname = ANY($1::text[])
     ORDER BY relation.relname`,
    [hotTables],
  )
  return rows
}
