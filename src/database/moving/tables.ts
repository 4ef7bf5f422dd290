import type { Queryable } from '../database.ts'

/** A table of the schema as it can be copied: what it is partitioned into counts as one. */
export interface Table {
  name: string
  is_partitioned: boolean
  /** Those that are stored, in an order that only their names decide. */
  columns: string[]
  /** Of the same schema, whose rows its own name. */
  references: string[]
}

/** Each of them before those that refer to it, so that a reference never precedes what it names. */
export async function readTables(queryable: Queryable): Promise<Table[]> {
  const { rows } = await queryable.query<Table>(
    `SELECT
       relation.relname::text AS name,
       relation.relkind = 'p' AS is_partitioned,
       ARRAY(
         SELECT attribute.attname::text
         FROM pg_attribute AS attribute
         WHERE attribute.attrelid = relation.oid
           AND attribute.attnum > 0
           AND NOT attribute.attisdropped
           AND attribute.attgenerated = ''
         ORDER BY attribute.attname
       ) AS columns,
       ARRAY(
         SELECT DISTINCT referenced.relname::text
         FROM pg_constraint AS foreign_key
         JOIN pg_class AS referenced
           ON referenced.oid = foreign_key.confrelid
         WHERE foreign_key.conrelid = relation.oid
           AND foreign_key.contype = 'f'
           AND foreign_key.confrelid <> relation.oid
           AND NOT referenced.relispartition
           AND referenced.relnamespace = relation.relnamespace
       ) AS references
     FROM pg_class AS relation
     WHERE relation.relnamespace = 'postrider'::regnamespace
       AND relation.relkind IN ('r', 'p')
       AND NOT relation.relispartition
     ORDER BY relation.relname`,
  )
  return inOrder(rows)
}

function inOrder(tables: readonly Table[]): Table[] {
  const ordered: Table[] = []
  const waiting = [...tables]
  while (waiting.length > 0) {
    const next = waiting.findIndex(({ references }) =>
      references.every((name) => waiting.every((other) => other.name !== name)),
    )
    if (next === -1)
      throw new Error(`tables refer to each other in a circle: ${waiting.map(({ name }) => name).join(', ')}`)
    ordered.push(...waiting.splice(next, 1))
  }
  return ordered
}

/** What numbers rows by itself goes on where it was. */
export interface Sequence {
  name: string
  last_value: string
  is_called: boolean
}

export async function readSequences(queryable: Queryable): Promise<Sequence[]> {
  const { rows: names } = await queryable.query<{ name: string }>(
    `SELECT relation.relname::text AS name
     FROM pg_class AS relation
     WHERE relation.relnamespace = 'postrider'::regnamespace
       AND relation.relkind = 'S'
     ORDER BY relation.relname`,
  )
  const sequences: Sequence[] = []
  for (const { name } of names) {
    const { rows } = await queryable.query<Omit<Sequence, 'name'>>(
      `SELECT last_value, is_called FROM ${qualified(name)}`,
    )
    sequences.push({ name, ...rows[0]! })
  }
  return sequences
}

export async function setSequence(
  queryable: Queryable,
  { name, last_value, is_called }: Sequence,
): Promise<void> {
  await queryable.query('SELECT setval($1::regclass, $2::bigint, $3::boolean)', [
    qualified(name),
    last_value,
    is_called,
  ])
}

export function qualified(name: string): string {
  return `postrider.${quoted(name)}`
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
