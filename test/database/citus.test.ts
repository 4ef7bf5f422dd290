import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'

/**
 * What a distributed Postrider would stand on, asked of a real Citus: `TEST_CITUS_URL` names a database of it in which the
 * schema `spread_trial` may be made and dropped. Small tables in the form that docs/scaling.md describes, and the statements
 * of a claim and of a result on them.
 */

const url = process.env['TEST_CITUS_URL']

describe.skipIf(!url)('on a Citus (skipped: TEST_CITUS_URL names none)', () => {
  let database: Database
  beforeAll(async () => {
    database = new Database({ connectionString: url!, maxConnections: 2 })
    await database.query('CREATE EXTENSION IF NOT EXISTS citus')
    for (const statement of tables) await database.query(statement)
  })
  afterAll(async () => {
    await database.query('DROP SCHEMA IF EXISTS spread_trial CASCADE')
    await database.close()
  })

  it('a claim that names its shard for each table is one task, and takes the rows', async () => {
    const explained = await database.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${claimOf(1)}`)
    expect(explained.rows.map((row) => row['QUERY PLAN']).join('\n')).toMatch(/Task Count: 1\b/)
    const { rows } = await database.query<{ delivery_id: string }>(claimOf(1))
    expect(rows).toHaveLength(3)
    expect(await count('delivery_queue', 1)).toBe(3)
    expect(await heldBy(1)).toHaveLength(3)
  })

  it('a claim over all shards is refused', async () => {
    await expect(database.query(claimOverAll)).rejects.toThrow(/FOR UPDATE/)
  })

  it('two claims of one shard at the same time pass over what the other has locked', async () => {
    const second = new Database({ connectionString: url!, maxConnections: 1 })
    try {
      await database.transaction(async (first) => {
        const one = await first.query<{ delivery_id: string }>(lockingOf(2))
        const two = await second.query<{ delivery_id: string }>(lockingOf(2))
        const ids = [...one.rows, ...two.rows].map(({ delivery_id }) => delivery_id)
        expect(one.rows).toHaveLength(3)
        expect(new Set(ids).size).toBe(ids.length)
      })
    } finally {
      await second.close()
    }
  })

  it('a result writes all of its rows while the life is there, and none once it has gone', async () => {
    const [delivery] = await heldBy(1)
    await database.query(resultOf(1, delivery!))
    expect(await count('delivery_schedule', 1)).toBe(1)
    expect(await attemptsOf(1, delivery!)).toBe(1)
    await database.query('DELETE FROM spread_trial.workers WHERE shard = 1')
    await database.query(resultOf(1, delivery!))
    expect(await count('delivery_schedule', 1)).toBe(1)
    expect(await attemptsOf(1, delivery!)).toBe(1)
  })

  it('a webhook that goes takes its deliveries with it, by a key with the shard in it', async () => {
    const { rows } = await database.query<{ webhook_id: string }>(
      'SELECT webhook_id FROM spread_trial.deliveries WHERE shard = 3 LIMIT 1',
    )
    await database.query('DELETE FROM spread_trial.webhooks WHERE shard = 3 AND id = $1::uuid', [
      rows[0]!.webhook_id,
    ])
    expect(await count('deliveries', 3)).toBe(0)
  })

  async function count(
    table: 'delivery_queue' | 'delivery_schedule' | 'deliveries',
    shard: number,
  ): Promise<number> {
    const { rows } = await database.query<{ count: number }>(
      `SELECT COUNT(*)::integer AS count FROM spread_trial.${table} WHERE shard = ${shard}`,
    )
    return rows[0]!.count
  }

  async function heldBy(shard: number): Promise<string[]> {
    const { rows } = await database.query<{ in_flight: string[] }>(
      `SELECT in_flight FROM spread_trial.workers WHERE shard = ${shard}`,
    )
    return rows[0]!.in_flight
  }

  async function attemptsOf(shard: number, id: string): Promise<number> {
    const { rows } = await database.query<{ attempts: number }>(
      `SELECT attempts FROM spread_trial.deliveries WHERE shard = ${shard} AND id = $1::uuid`,
      [id],
    )
    return rows[0]!.attempts
  }
})

const worker = '00000000-0000-4000-8000-000000000001'

const tables = [
  'DROP SCHEMA IF EXISTS spread_trial CASCADE',
  'CREATE SCHEMA spread_trial',
  `CREATE TABLE spread_trial.webhooks (shard smallint NOT NULL, id uuid NOT NULL, PRIMARY KEY (shard, id))`,
  `CREATE TABLE spread_trial.deliveries (
     shard smallint NOT NULL,
     id uuid NOT NULL,
     webhook_id uuid NOT NULL,
     status text NOT NULL DEFAULT 'pending',
     attempts integer NOT NULL DEFAULT 0,
     PRIMARY KEY (shard, id),
     FOREIGN KEY (shard, webhook_id) REFERENCES spread_trial.webhooks (shard, id) ON DELETE CASCADE
   )`,
  `CREATE TABLE spread_trial.delivery_queue (
     shard smallint NOT NULL,
     webhook_id uuid NOT NULL,
     scheduled_at timestamptz NOT NULL,
     delivery_id uuid NOT NULL,
     PRIMARY KEY (shard, webhook_id, scheduled_at, delivery_id)
   )`,
  `CREATE TABLE spread_trial.delivery_schedule (
     shard smallint NOT NULL,
     scheduled_at timestamptz NOT NULL,
     delivery_id uuid NOT NULL,
     PRIMARY KEY (shard, scheduled_at, delivery_id)
   )`,
  `CREATE TABLE spread_trial.workers (
     shard smallint NOT NULL,
     id uuid NOT NULL,
     in_flight uuid[] NOT NULL DEFAULT '{}',
     PRIMARY KEY (shard, id)
   )`,
  `SELECT create_distributed_table('spread_trial.webhooks', 'shard', colocate_with => 'none')`,
  ...['deliveries', 'delivery_queue', 'delivery_schedule', 'workers'].map(
    (table) =>
      `SELECT create_distributed_table('spread_trial.${table}', 'shard', colocate_with => 'spread_trial.webhooks')`,
  ),
  ...[1, 2, 3].flatMap((shard) => [
    `INSERT INTO spread_trial.webhooks (shard, id) VALUES (${shard}, '00000000-0000-4000-8000-00000000000${shard}')`,
    `INSERT INTO spread_trial.workers (shard, id) VALUES (${shard}, '${worker}')`,
    ...[1, 2, 3, 4, 5, 6].flatMap((number) => {
      const [webhook, id] = [
        `00000000-0000-4000-8000-00000000000${shard}`,
        `00000000-0000-4000-8000-0000000000${shard}${number}`,
      ]
      return [
        `INSERT INTO spread_trial.deliveries (shard, id, webhook_id) VALUES (${shard}, '${id}', '${webhook}')`,
        `INSERT INTO spread_trial.delivery_queue (shard, webhook_id, scheduled_at, delivery_id)
         VALUES (${shard}, '${webhook}', now(), '${id}')`,
      ]
    }),
  ]),
]

/** A claim, with all that Citus may object to: it steps from webhook to webhook, locks, and changes two tables. */
function claimOf(shard: number): string {
  return `WITH RECURSIVE life AS MATERIALIZED (
      SELECT worker.id
      FROM spread_trial.workers AS worker
      WHERE worker.shard = ${shard}
        AND worker.id = '${worker}'
      FOR NO KEY UPDATE
    ),
    queues AS (
      SELECT '00000000-0000-0000-0000-000000000000'::uuid AS webhook_id
      FROM life
      UNION ALL
      SELECT next.webhook_id
      FROM queues
      CROSS JOIN LATERAL (
        SELECT queued.webhook_id
        FROM spread_trial.delivery_queue AS queued
        WHERE queued.shard = ${shard}
          AND queued.webhook_id > queues.webhook_id
        ORDER BY queued.webhook_id
        LIMIT 1
      ) AS next
    ),
    candidates AS MATERIALIZED (
      SELECT due.place
      FROM queues
      CROSS JOIN LATERAL (
        SELECT queued.ctid AS place
        FROM spread_trial.delivery_queue AS queued
        WHERE queued.shard = ${shard}
          AND queued.webhook_id = queues.webhook_id
        ORDER BY queued.scheduled_at
        LIMIT 3
        FOR UPDATE SKIP LOCKED
      ) AS due
    ),
    taken AS (
      DELETE FROM spread_trial.delivery_queue
      WHERE shard = ${shard}
        AND ctid = ANY(ARRAY(SELECT candidates.place FROM candidates))
      RETURNING delivery_id
    ),
    noted AS (
      UPDATE spread_trial.workers
      SET in_flight = in_flight || ARRAY(SELECT taken.delivery_id FROM taken)
      WHERE shard = ${shard}
        AND id = '${worker}'
    )
    SELECT taken.delivery_id
    FROM taken`
}

function lockingOf(shard: number): string {
  return `SELECT delivery_id
    FROM spread_trial.delivery_queue
    WHERE shard = ${shard}
    ORDER BY scheduled_at
    LIMIT 3
    FOR UPDATE SKIP LOCKED`
}

const claimOverAll = `SELECT delivery_id FROM spread_trial.delivery_queue LIMIT 3 FOR UPDATE SKIP LOCKED`

/** The lock on the life and the rows of the result must be of one moment, inserts too. */
function resultOf(shard: number, deliveryId: string): string {
  return `WITH life AS MATERIALIZED (
      SELECT worker.id
      FROM spread_trial.workers AS worker
      WHERE worker.shard = ${shard}
        AND worker.id = '${worker}'
      FOR KEY SHARE
    ),
    recorded AS (
      UPDATE spread_trial.deliveries
      SET attempts = attempts + 1
      WHERE shard = ${shard}
        AND id = '${deliveryId}'
        AND EXISTS (SELECT FROM life)
      RETURNING id
    ),
    waiting AS (
      INSERT INTO spread_trial.delivery_schedule (shard, scheduled_at, delivery_id)
      SELECT ${shard}, now(), recorded.id
      FROM recorded
    )
    SELECT recorded.id
    FROM recorded`
}
