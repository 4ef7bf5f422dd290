import type { Queryable } from './database.ts'

/**
 * True for the one caller whose turn it is to do `name`, which is due every `everySeconds` over all processes together.
 * The turn is taken when the work begins: what a crash cuts off is done at the next turn.
 */
export async function takeTurn(
  queryable: Queryable,
  name: string,
  { now, everySeconds }: { now: Date; everySeconds: number },
): Promise<boolean> {
  const { rowCount } = await queryable.query(
    `INSERT INTO postrider.upkeep AS upkeep (name, started_at)
     VALUES ($1::text, $2::timestamptz)
     ON CONFLICT (name) DO UPDATE
     SET started_at = EXCLUDED.started_at
     WHERE upkeep.started_at <= EXCLUDED.started_at - make_interval(secs => $3::integer)`,
    [name, now, everySeconds],
  )
  return rowCount === 1
}
