import { expect, test } from 'vitest'
import type { Queryable } from '../../src/database/database.ts'
import { migrate } from '../../src/database/migrate.ts'
import { createEmptyDatabase } from '../support/database.ts'
import { onEachPostgres } from '../support/versions.ts'

// What migration 0001 promised, written out. Column: type, whether it may be NULL, default.
const uuid = 'uuid'
const text = 'text'
const jsonb = 'jsonb'
const integer = 'integer'
const timestamptz = 'timestamp with time zone'
const varchar = (length: number) => `character varying(${length})`
const newId = 'postrider.uuid_generate_v7()'

const columns = {
  webhooks: {
    id: [uuid, 'NOT NULL', newId],
    project_id: [uuid, 'NOT NULL', null],
    name: [varchar(255), 'NOT NULL', null],
    url: [varchar(2048), 'NOT NULL', null],
    secret: [varchar(255), 'NOT NULL', null],
    event_types: [jsonb, 'NOT NULL', `'["*"]'::jsonb`],
    application_id: [uuid, 'NULL', null],
    environment_name: [varchar(255), 'NULL', null],
    is_active: ['boolean', 'NOT NULL', 'true'],
    description: [text, 'NULL', null],
    headers: [jsonb, 'NULL', `'{}'::jsonb`],
    created_at: [timestamptz, 'NOT NULL', 'now()'],
    updated_at: [timestamptz, 'NOT NULL', 'now()'],
    created_by_id: [uuid, 'NULL', null],
  },
  webhook_deliveries: {
    id: [uuid, 'NOT NULL', newId],
    webhook_id: [uuid, 'NOT NULL', null],
    event_id: [uuid, 'NOT NULL', null],
    event_type: [varchar(255), 'NOT NULL', null],
    payload: [jsonb, 'NOT NULL', null],
    status: ['postrider.webhook_delivery_status', 'NOT NULL', `'pending'::postrider.webhook_delivery_status`],
    attempts: [integer, 'NOT NULL', '0'],
    max_attempts: [integer, 'NOT NULL', '6'],
    scheduled_at: [timestamptz, 'NOT NULL', 'now()'],
    last_attempt_at: [timestamptz, 'NULL', null],
    last_response_status: [integer, 'NULL', null],
    last_response_body: [text, 'NULL', null],
    last_error: [text, 'NULL', null],
    delivered_at: [timestamptz, 'NULL', null],
    created_at: [timestamptz, 'NOT NULL', 'now()'],
  },
}

const constraints = {
  webhooks: {
    webhooks_pkey: 'PRIMARY KEY (id)',
    webhooks_project_id_fkey: 'FOREIGN KEY (project_id) REFERENCES postrider.projects(id) ON DELETE CASCADE',
    webhooks_application_id_fkey:
      'FOREIGN KEY (application_id) REFERENCES postrider.applications(id) ON DELETE SET NULL',
    webhooks_created_by_id_fkey:
      'FOREIGN KEY (created_by_id) REFERENCES postrider.users(id) ON DELETE SET NULL',
    webhooks_url_check: `CHECK (((url)::text ~ '^https?://'::text))`,
    webhooks_event_types_check: `CHECK ((jsonb_typeof(event_types) = 'array'::text))`,
  },
  webhook_deliveries: {
    webhook_deliveries_pkey: 'PRIMARY KEY (id)',
    webhook_deliveries_webhook_id_fkey:
      'FOREIGN KEY (webhook_id) REFERENCES postrider.webhooks(id) ON DELETE CASCADE',
    webhook_deliveries_attempts_check: 'CHECK ((attempts >= 0))',
  },
}

const indexes = {
  webhooks: {
    webhooks_pkey: 'UNIQUE (id)',
    idx_webhooks_project_id: '(project_id)',
    idx_webhooks_project_active: '(project_id, is_active) WHERE (is_active = true)',
    idx_webhooks_application_id: '(application_id) WHERE (application_id IS NOT NULL)',
  },
  webhook_deliveries: {
    webhook_deliveries_pkey: 'UNIQUE (id)',
    idx_webhook_deliveries_pending:
      "(scheduled_at) WHERE (status = 'pending'::postrider.webhook_delivery_status)",
    idx_webhook_deliveries_webhook_id: '(webhook_id)',
    idx_webhook_deliveries_event_id: '(event_id)',
    idx_webhook_deliveries_created_at: '(created_at)',
  },
}

const tables = ['webhooks', 'webhook_deliveries'] as const

onEachPostgres((serverUrl) => {
  test('migration 0001 makes the columns, checks, keys, indexes and labels that it promised', async () => {
    await using empty = await createEmptyDatabase(serverUrl())
    await migrate(empty.database, { direction: 'up', to: 1 })

    await empty.database.transaction(async (catalogue) => {
      await catalogue.query(`SELECT set_config('search_path', 'pg_catalog', true)`)
      for (const table of tables) {
        expect(await readColumns(catalogue, table), `columns of ${table}`).toEqual(
          Object.entries(columns[table]),
        )
        expect(await readConstraints(catalogue, table), `constraints of ${table}`).toEqual(constraints[table])
        expect(await readIndexes(catalogue, table), `indexes of ${table}`).toEqual(indexes[table])
      }
      const { rows } = await catalogue.query(
        `SELECT enum_range(NULL::postrider.webhook_delivery_status)::text[] AS labels`,
      )
      expect(rows).toEqual([{ labels: ['pending', 'delivering', 'delivered', 'failed'] }])
    })
  })

  test('later migrations keep every one of these columns with its type', async () => {
    await using empty = await createEmptyDatabase(serverUrl())
    await migrate(empty.database, { direction: 'up' })

    await empty.database.transaction(async (catalogue) => {
      await catalogue.query(`SELECT set_config('search_path', 'pg_catalog', true)`)
      for (const table of tables) {
        const now = (await readColumns(catalogue, table)).map(([name, [type]]) => [name, type])
        const promised = Object.entries(columns[table]).map(([name, [type]]) => [name, type])
        expect(now).toEqual(expect.arrayContaining(promised))
      }
    })
  })

  test('uuid_generate_v7() gives UUIDs of version 7 and variant 10 that carry the time and sort by it', async () => {
    await using empty = await createEmptyDatabase(serverUrl())
    await migrate(empty.database, { direction: 'up', to: 1 })
    const started = Date.now()

    // One call a statement: only then is a later one promised to have a later clock.
    const ids: string[] = []
    for (let call = 0; call < 200; call++) {
      const { rows } = await empty.database.query<{ id: string }>('SELECT postrider.uuid_generate_v7() AS id')
      ids.push(rows[0]!.id)
    }
    const { rows: many } = await empty.database.query<{ count: number }>(
      `SELECT count(DISTINCT postrider.uuid_generate_v7())::integer AS count
       FROM generate_series(1, 100000)`,
    )

    expect(ids.toSorted()).toEqual(ids)
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      const milliseconds = parseInt(id.replaceAll('-', '').slice(0, 12), 16)
      expect(milliseconds).toBeGreaterThanOrEqual(started - 1)
      expect(milliseconds).toBeLessThanOrEqual(Date.now() + 1)
    }
    expect(many).toEqual([{ count: 100_000 }])
  })
})

async function readColumns(
  catalogue: Queryable,
  table: string,
): Promise<[string, [string, string, string | null]][]> {
  const { rows } = await catalogue.query<{ name: string; type: string; nulls: string; value: string | null }>(
    `SELECT
       attname AS name,
       format_type(atttypid, atttypmod) AS type,
       CASE WHEN attnotnull THEN 'NOT NULL' ELSE 'NULL' END AS nulls,
       pg_get_expr(adbin, adrelid) AS value
     FROM pg_attribute
     LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
     WHERE attrelid = ('postrider.' || $1::text)::regclass
       AND attnum > 0
       AND NOT attisdropped
     ORDER BY attnum`,
    [table],
  )
  return rows.map(({ name, type, nulls, value }) => [name, [type, nulls, value]])
}

async function readConstraints(catalogue: Queryable, table: string): Promise<Record<string, string>> {
  const { rows } = await catalogue.query<{ name: string; definition: string }>(
    `SELECT conname AS name, pg_get_constraintdef(oid) AS definition
     FROM pg_constraint
     WHERE conrelid = ('postrider.' || $1::text)::regclass
       AND contype <> 'n'`,
    [table],
  )
  return Object.fromEntries(rows.map(({ name, definition }) => [name, definition]))
}

async function readIndexes(catalogue: Queryable, table: string): Promise<Record<string, string>> {
  const { rows } = await catalogue.query<{ name: string; definition: string; is_unique: boolean }>(
    `SELECT
       indexrelid::regclass::text AS name,
       indisunique AS is_unique,
       split_part(pg_get_indexdef(indexrelid), ' USING btree ', 2) AS definition
     FROM pg_index
     WHERE indrelid = ('postrider.' || $1::text)::regclass`,
    [table],
  )
  return Object.fromEntries(
    rows.map(({ name, is_unique, definition }) => [
      name.replace('postrider.', ''),
      `${is_unique ? 'UNIQUE ' : ''}${definition}`,
    ]),
  )
}
