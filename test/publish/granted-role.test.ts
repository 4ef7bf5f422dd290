import { randomBytes } from 'node:crypto'
import { Client, type DatabaseError } from 'pg'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

/** What a role can do that may publish and means harm: it sets what it likes, and calls what it can. */

const { database, connectionString } = await createTestDatabase()
const projectId = await insertProject(database)
await insertWebhook(database, { projectId })

const publisher = `publisher_${randomBytes(4).toString('hex')}`
await database.query(`CREATE ROLE ${publisher}`)
await database.query(`GRANT USAGE ON SCHEMA postrider TO ${publisher}`)
await database.query(`GRANT EXECUTE ON FUNCTION postrider.publish, postrider.publish_many TO ${publisher}`)

let client: Client
// A connection of its own: what a body means is decided at the first call in each.
beforeEach(async () => {
  client = new Client({ connectionString })
  await client.connect()
  await client.query(`SET SESSION AUTHORIZATION ${publisher}`)
  return () => client.end()
})
afterAll(async () => {
  await database.query(`DROP OWNED BY ${publisher}`)
  await database.query(`DROP ROLE ${publisher}`)
})

/** Settings that anybody may change, and that change what SQL or its answers mean. */
const settings = [
  'standard_conforming_strings = off',
  'transform_null_equals = on',
  'array_nulls = off',
  `bytea_output = 'escape'`,
  `DateStyle = 'SQL, DMY'`,
  `TimeZone = 'Pacific/Kiritimati'`,
  `client_encoding = 'LATIN1'`,
  'search_path = pg_temp',
]

test.each(settings)('with the setting %s the same events are taken and refused', async (setting) => {
  await client.query(`SET ${setting}`)
  for (const type of ['a"b', 'a\nb', 'a b', 'a..b', '']) {
    expect(await refusal(publish(type))).toMatchObject({ code: '22023', column: 'type' })
    expect(await refusal(publishMany(type))).toMatchObject({ code: '22023', column: 'events[0].type' })
  }
  await publish('order.paid')
  await publishMany('order.paid')
  const { rows } = await database.query<{ data: unknown }>(
    `SELECT payload::jsonb -> 'data' AS data
     FROM postrider.events
     WHERE project_id = $1::uuid`,
    [projectId],
  )
  expect(rows.length).toBeGreaterThanOrEqual(2)
  expect(new Set(rows.map(({ data }) => JSON.stringify(data)))).toEqual(new Set(['{"quote":"a\\"b"}']))
})

test('names of its own do not stand in for those that publishing uses', async () => {
  await client.query(`
    CREATE FUNCTION pg_temp.length(text) RETURNS integer LANGUAGE sql RETURN 0;
    CREATE FUNCTION pg_temp.never(text, text) RETURNS boolean LANGUAGE sql RETURN false;
    CREATE OPERATOR pg_temp.!~ (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_temp.never);
    CREATE TEMPORARY TABLE projects (id uuid);
    SET search_path = pg_temp, pg_catalog;
  `)
  expect(await refusal(publish('a"b'))).toMatchObject({ code: '22023', column: 'type' })
})

test('it calls no other function and reads no table, by a trigger of its own neither', async () => {
  const { rows: functions } = await client.query<{ name: string; is_trigger: boolean }>(
    `SELECT oid::regprocedure AS name, prorettype = 'trigger'::regtype AS is_trigger
     FROM pg_proc
     WHERE pronamespace = 'postrider'::regnamespace
       AND has_function_privilege(oid, 'EXECUTE')
     ORDER BY proname COLLATE "C"`,
  )
  expect(functions.map(({ name }) => name.replace(/\(.*/, ''))).toEqual([
    'postrider.current_project', // what the transaction says itself
    'postrider.event_types_revision', // a number, by which who publishes knows that a schema changed
    'postrider.publish',
    'postrider.publish_many',
  ])
  const { rows: relations } = await client.query(
    `SELECT relname
     FROM pg_class
     WHERE relnamespace = 'postrider'::regnamespace
       AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
       AND CASE relkind
         WHEN 'S' THEN has_sequence_privilege(oid, 'USAGE, SELECT, UPDATE')
         ELSE has_any_column_privilege(oid, 'SELECT, INSERT, UPDATE, REFERENCES')
           OR has_table_privilege(oid, 'DELETE, TRUNCATE, TRIGGER')
       END`,
  )
  expect(relations).toEqual([])
  await client.query(`CREATE TEMPORARY TABLE bait (id uuid)`)
  const trigger = `CREATE TRIGGER spring AFTER DELETE ON bait FOR EACH ROW EXECUTE FUNCTION`
  expect(await refusal(client.query(`${trigger} postrider.delete_rows_of_project()`))).toMatchObject({
    code: '42501',
  })
  expect(await refusal(client.query('SET ROLE postrider_tenant'))).toMatchObject({ code: '42501' })
})

function publish(type: string): Promise<unknown> {
  return client.query(
    `SELECT * FROM postrider.publish(project_id => $1::uuid, type => $2::text, data => $3::jsonb)`,
    [projectId, type, data],
  )
}

function publishMany(type: string): Promise<unknown> {
  return client.query(`SELECT * FROM postrider.publish_many(project_id => $1::uuid, events => $2::jsonb)`, [
    projectId,
    JSON.stringify([{ type, data: JSON.parse(data) as unknown, timestamp: '2026-11-24T09:30:00Z' }]),
  ])
}

const data = '{"quote":"a\\"b"}'

async function refusal(call: Promise<unknown>): Promise<DatabaseError> {
  return call.then(
    () => Promise.reject(new Error('it was taken')),
    (error: DatabaseError) => error,
  )
}
