import type { Database } from '../../src/database/database.ts'

/** How many rows each table has: what was refused changes none of it. */
export async function countRows(database: Database): Promise<Record<string, number>> {
  const { rows: tables } = await database.query<{ name: string }>(
    `SELECT tablename AS name
     FROM pg_tables
     WHERE schemaname = 'postrider'
     ORDER BY tablename`,
  )
  const counts = tables.map(
    ({ name }) => `SELECT '${name}' AS name, COUNT(*)::integer AS count FROM postrider.${name}`,
  )
  const { rows } = await database.query<{ name: string; count: number }>(counts.join(' UNION ALL '))
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]))
}
