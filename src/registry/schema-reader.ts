import type { Transaction } from '../adapters/transaction.ts'
import { invalidField } from '../contract/errors.ts'

/** The schemas of a project as the database holds them, read on a connection of ours or in a caller's transaction. */

export interface Registry {
  /** As PostgreSQL writes a bigint. */
  revision: string
  /** By name, of each type that has a schema: the SHA-256 of its text. */
  hashes: ReadonlyMap<string, string>
}

export const noRegistry: Registry = { revision: '0', hashes: new Map() }

export async function readRegistry(reader: Transaction, projectId: string): Promise<Registry> {
  const { rows } = await reader.query(
    `SELECT
       registry.revision::text AS revision,
       type.name::text AS name,
       encode(sha256(convert_to(type.schema::text, 'UTF8')), 'hex') AS hash
     FROM postrider.event_type_registries AS registry
     LEFT JOIN postrider.webhook_event_types AS type
       ON type.project_id = registry.project_id
       AND type.schema IS NOT NULL
     WHERE registry.project_id = $1::uuid`,
    [projectId],
  )
  const hashes = new Map<string, string>()
  let revision = noRegistry.revision
  for (const row of rows) {
    const [number, name, hash] = texts(row) as [string, string | null, string | null]
    revision = number
    if (name !== null && hash !== null) hashes.set(name, hash)
  }
  return { revision, hashes }
}

/** By name. Those that have none any more are missing. */
export async function readSchemas(
  reader: Transaction,
  projectId: string,
  names: readonly string[],
): Promise<Map<string, string>> {
  const { rows } = await reader.query(
    `SELECT name::text AS name, schema::text AS schema
     FROM postrider.webhook_event_types
     WHERE project_id = $1::uuid
       AND name IN (SELECT jsonb_array_elements_text($2::text::jsonb))
       AND schema IS NOT NULL`,
    [projectId, JSON.stringify(names)],
  )
  return new Map(rows.map((row) => texts(row) as [string, string]))
}

/**
 * Reads in a transaction of the caller's where its role may see all of it: no second connection is needed, of which an
 * application's pool may have none left, and what the transaction itself changed counts. Else `otherwise` is asked.
 */
export function readerIn(transaction: Transaction, otherwise: Transaction): Transaction {
  let sees: Promise<boolean> | undefined
  return {
    async query(text, values) {
      sees ??= seesAll(transaction)
      return ((await sees) ? transaction : otherwise).query(text, values)
    },
  }
}

async function seesAll(transaction: Transaction): Promise<boolean> {
  const { rows } = await transaction.query(
    `SELECT (
       has_table_privilege('postrider.event_type_registries', 'SELECT')
       AND has_table_privilege('postrider.webhook_event_types', 'SELECT')
       AND NOT row_security_active('postrider.webhook_event_types')
     )::text AS seen`,
    [],
  )
  const [row] = rows
  if (!row) throw invalidField('transaction', 'must answer a query with its { rows }')
  return texts(row)[0] === 'true'
}

/** By their places: a library may be set to give columns other names. */
function texts(row: unknown): (string | null)[] {
  return Object.values(row as Record<string, string | null>)
}
