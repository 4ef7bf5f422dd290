import type { Database, Queryable } from '../../src/database/database.ts'

/** How Postrider's history is laid out: for what fills it faster than publishing. */

/** In a database without a history yet: the partitions that an installation has after a month, three days each. */
export async function layOutMonth(database: Database): Promise<void> {
  await database.query(
    `DO $$
     DECLARE
       parent text;
       part text;
       age integer;
       today CONSTANT timestamptz := date_trunc('day', now(), 'UTC');
     BEGIN
       FOREACH parent IN ARRAY '{deliveries,webhook_delivery_attempts,events}'::text[] LOOP
         FOR part IN
           SELECT standing.partition
           FROM postrider.history_partitions AS standing
           WHERE standing.history = parent
         LOOP
           EXECUTE format('DROP TABLE postrider.%I', part);
         END LOOP;
         PERFORM postrider.add_partition(parent, parent || '_past', '-infinity', today - interval '33 days');
         FOR age IN REVERSE 33..-3 BY 3 LOOP
           PERFORM postrider.add_partition(
             parent,
             postrider.partition_name(parent, today - age * interval '1 day'),
             today - age * interval '1 day',
             today - (age - 3) * interval '1 day'
           );
         END LOOP;
         PERFORM postrider.add_partition(
           parent, parent || '_open', today + interval '6 days', postrider.open_until(parent)
         );
         IF postrider.open_until(parent) < 'infinity' THEN
           PERFORM postrider.add_partition(parent, parent || '_other', postrider.open_until(parent), 'infinity');
         END IF;
       END LOOP;
     END
     $$`,
  )
}

/** Where the events that were just inserted lie; nothing where they are in a plain table. */
export async function noteEventIds(queryable: Queryable, from: string): Promise<void> {
  await queryable.query(
    `INSERT INTO postrider.event_ids (project_id, id, created_at)
     SELECT project_id, event_id, created_at
     FROM ${from}
     WHERE EXISTS (SELECT FROM postrider.history_partitions)`,
  )
}

/** Indexes are built at the end, in one go; those of constraints stay. Those of partitions go and come with their table's. */
export async function withoutIndexes(queryable: Queryable, work: () => Promise<void>): Promise<void> {
  const { rows } = await queryable.query<{ name: string; definition: string }>(
    `SELECT
       index.indexrelid::regclass::text AS name,
       replace(pg_get_indexdef(index.indexrelid), ' ON ONLY ', ' ON ') AS definition
     FROM pg_index AS index
     JOIN pg_class AS relation
       ON relation.oid = index.indrelid
     WHERE relation.relnamespace = 'postrider'::regnamespace
       AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = index.indexrelid)
       AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = index.indexrelid)`,
  )
  for (const { name } of rows) await queryable.query(`DROP INDEX ${name}`)
  await work()
  for (const { definition } of rows) await queryable.query(definition)
}
