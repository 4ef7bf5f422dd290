import type { Database } from '../../src/database/database.ts'

/** How many rows each table has: what was refused changes none of it. */
export async function countRows(database: Database): Promise<Record<string, number>> {
  const statement = statements.get(database) ?? (await statementFor(database))
  statements.set(database, statement)
  const { rows } = await database.query<{ counts: Record<string, number> }>(statement)
  return rows[0]!.counts
}

/** Made once for each database: it is asked around every call. */
const statements = new WeakMap<Database, string>()

async function statementFor(database: Database): Promise<string> {
  const { rows } = await database.query<{ name: string }>(
    `SELECT relname::text AS name
     FROM pg_class
     WHERE relnamespace = 'postrider'::regnamespace
       AND relkind IN ('r', 'p')
       AND NOT relispartition`,
  )
  const counts = rows.map(({ name }) => `'${name}', (SELECT COUNT(*) FROM postrider.${name})`)
  return `SELECT json_build_object(${counts.join(', ')}) AS counts`
}
