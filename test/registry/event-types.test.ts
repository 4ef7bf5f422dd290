import { randomBytes } from 'node:crypto'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { Client } from 'pg'
import { defineEvents } from '../../src/event-types/define.ts'
import { Postrider } from '../../src/postrider.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertProject } from '../support/seed.ts'

const { database, connectionString } = await createTestDatabase()
const options = { connectionString, encryptionKeys: [{ id: 'k1', key: randomBytes(32) }] }
/** Two processes on one database. */
const [postrider, other] = [new Postrider(options), new Postrider(options)]
afterAll(async () => {
  await postrider.stop()
  await other.stop()
})

let projectId: string
beforeEach(async () => {
  projectId = await insertProject(database)
})

const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] }
const stricter = { ...schema, required: ['n', 'm'] }
const refused = { code: 'validation_failed', errors: [{ path: 'data.n', message: 'is missing' }] }

async function revision(): Promise<number> {
  const { rows } = await database.query<{ revision: string }>(
    `SELECT postrider.event_types_revision($1::uuid)::text AS revision`,
    [projectId],
  )
  return Number(rows[0]!.revision)
}

async function publishedTypes(): Promise<string[]> {
  const { rows } = await postrider.events.list(projectId)
  return rows.map(({ type }) => type).toReversed()
}

describe('versions', () => {
  test('are made by changes of the schema alone, and kept', async () => {
    await postrider.eventTypes.create(projectId, { name: 'a', schema })
    await postrider.eventTypes.update(projectId, 'a', { description: 'words', deprecated: true })
    expect(await postrider.eventTypes.update(projectId, 'a', { schema })).toMatchObject({ version: 1 })
    expect(await postrider.eventTypes.update(projectId, 'a', { schema: stricter })).toMatchObject({
      version: 2,
    })
    expect(await postrider.eventTypes.update(projectId, 'a', { schema: null })).toMatchObject({ version: 3 })
    expect(await postrider.eventTypes.versions(projectId, 'a')).toMatchObject([
      { version: 3, schema: null },
      { version: 2, schema: stricter },
      { version: 1, schema },
    ])
    await postrider.eventTypes.delete(projectId, 'a')
    await expect(postrider.eventTypes.versions(projectId, 'a')).rejects.toMatchObject({ code: 'not_found' })
    expect(await postrider.eventTypes.create(projectId, { name: 'a', schema })).toMatchObject({ version: 1 })
  })

  test('are kept a hundred at most', async () => {
    await postrider.eventTypes.create(projectId, { name: 'a', schema })
    await database.query(
      `DO $do$ BEGIN
         FOR maximum IN 1..120 LOOP
           UPDATE postrider.webhook_event_types SET schema = jsonb_build_object('maximum', maximum)
           WHERE project_id = '${projectId}';
         END LOOP;
       END $do$`,
    )
    const versions = await postrider.eventTypes.versions(projectId, 'a')
    expect(versions).toHaveLength(100)
    expect(versions.at(0)).toMatchObject({ version: 121, schema: { maximum: 120 } })
    expect(versions.at(-1)).toMatchObject({ version: 22 })
  })

  test('of what SQL writes are counted in the same way', async () => {
    await database.query(
      `INSERT INTO postrider.webhook_event_types (project_id, name, schema, version)
       VALUES ($1::uuid, 'a', 'true', 9)`,
      [projectId],
    )
    await database.query(
      `UPDATE postrider.webhook_event_types SET schema = 'false' WHERE project_id = $1::uuid`,
      [projectId],
    )
    expect(await postrider.eventTypes.get(projectId, 'a')).toMatchObject({ version: 2, schema: false })
  })
})

describe('the number of a registry', () => {
  test('is 0 without schemas, and another one after each change that publishing must know of', async () => {
    const seen = [await revision()]
    const after = async (change: Promise<unknown>): Promise<void> => {
      await change
      seen.push(await revision())
    }
    const { eventTypes } = postrider
    await after(eventTypes.create(projectId, { name: 'a' }))
    await after(eventTypes.create(projectId, { name: 'b', schema }))
    await after(
      eventTypes.update(projectId, 'b', { description: 'words', deprecated: true, example: { n: 1 } }),
    )
    await after(eventTypes.update(projectId, 'b', { schema: { ...schema, title: 'B' } }))
    await after(eventTypes.update(projectId, 'b', { name: 'c' }))
    await after(eventTypes.update(projectId, 'a', { name: 'd' }))
    await after(eventTypes.delete(projectId, 'd'))
    await after(eventTypes.delete(projectId, 'c'))
    expect(seen).toEqual([0, 0, 1, 1, 2, 3, 3, 3, 4])
  })

  test('goes with the project', async () => {
    await postrider.eventTypes.create(projectId, { name: 'a', schema })
    await postrider.projects.delete(projectId)
    expect(await revision()).toBe(0)
    await expect(postrider.publish({ projectId, type: 'a', data: {} })).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})

describe('a schema holds', () => {
  test('from its commit on in every process, and so does what comes after it', async () => {
    const event = { projectId, type: 'a', data: {} }
    await postrider.publish(event)
    await other.publish(event)
    await postrider.eventTypes.create(projectId, { name: 'a', schema })
    for (const engine of [other, postrider])
      await expect(engine.publish(event)).rejects.toMatchObject(refused)
    await other.eventTypes.update(projectId, 'a', { schema: { type: 'object' } })
    for (const engine of [postrider, other]) await engine.publish(event)
    await other.eventTypes.update(projectId, 'a', { schema })
    await expect(postrider.publish(event)).rejects.toMatchObject(refused)
    await other.eventTypes.delete(projectId, 'a')
    await postrider.publish(event)
    expect(await publishedTypes()).toHaveLength(5)
  })

  test('for each event of many, none of which is published then', async () => {
    await postrider.eventTypes.create(projectId, { name: 'a', schema })
    const event = (type: string, data: unknown) => ({ projectId, type, data })
    await expect(
      postrider.publishMany([event('b', {}), event('a', { n: 1 }), event('a', {})]),
    ).rejects.toMatchObject({
      code: 'validation_failed',
      errors: [{ path: 'events[2].data.n', message: 'is missing' }],
    })
    expect(await publishedTypes()).toEqual([])
    await postrider.publishMany([event('b', {}), event('a', { n: 1 }), event('a', { n: 2 })])
    expect(await publishedTypes()).toEqual(['b', 'a', 'a'])
  })

  test('for what is written as JSON, not for the objects that it is made of', async () => {
    await postrider.eventTypes.create(projectId, {
      name: 'a',
      schema: { properties: { at: { type: 'string', format: 'date-time' } }, additionalProperties: false },
    })
    await postrider.publish({ projectId, type: 'a', data: { at: new Date(0), gone: undefined } })
    await expect(postrider.publish({ projectId, type: 'a', data: 10n })).rejects.toMatchObject({
      code: 'validation_failed',
    })
    await expect(postrider.publish({ projectId, type: 'a', data: undefined })).rejects.toMatchObject({
      code: 'validation_failed',
    })
  })

  test('for no other project', async () => {
    await postrider.eventTypes.create(projectId, { name: 'a', schema })
    const neighbour = await insertProject(database)
    await postrider.publish({ projectId: neighbour, type: 'a', data: {} })
  })

  test('not for what SQL publishes, since PostgreSQL knows no JSON Schema', async () => {
    await postrider.eventTypes.create(projectId, { name: 'a', schema })
    await database.query(
      `SELECT * FROM postrider.publish(project_id => $1::uuid, type => 'a', data => '{}')`,
      [projectId],
    )
    expect(await publishedTypes()).toEqual(['a'])
  })

  test('of which SQL wrote one that cannot be used refuses everything, and says so', async () => {
    await database.query(
      `INSERT INTO postrider.webhook_event_types (project_id, name, schema)
       VALUES ($1::uuid, 'a', '{"$ref": "https://example.com/a.json"}')`,
      [projectId],
    )
    await expect(postrider.publish({ projectId, type: 'a', data: {} })).rejects.toMatchObject({
      code: 'validation_failed',
      errors: [{ path: 'data', message: expect.stringContaining('the schema of its type $ref must lead') }],
    })
  })

  test('however many publish at the moment of the change, and each is published once or refused', async () => {
    await postrider.eventTypes.create(projectId, { name: 'a', schema })
    const publishing = Array.from({ length: 40 }, (_, index) =>
      [postrider, other][index % 2]!.publish({ projectId, type: 'a', data: { n: index } }).then(
        () => 'published',
        (error: { code: string }) => error.code,
      ),
    )
    const changing = postrider.eventTypes.update(projectId, 'a', { schema: stricter })
    const results = await Promise.all(publishing)
    await changing
    expect(results.every((result) => ['published', 'validation_failed'].includes(result))).toBe(true)
    expect(await publishedTypes()).toHaveLength(results.filter((result) => result === 'published').length)
    await expect(other.publish({ projectId, type: 'a', data: { n: 1 } })).rejects.toMatchObject({
      code: 'validation_failed',
    })
  })
})

describe("in a caller's transaction", () => {
  test('what does not fit is refused, and the transaction goes on', async () => {
    await other.eventTypes.create(projectId, { name: 'a', schema })
    await database.transaction(async (transaction) => {
      await expect(
        postrider.publish({ projectId, type: 'a', data: {} }, { transaction }),
      ).rejects.toMatchObject(refused)
      await postrider.publish({ projectId, type: 'a', data: { n: 1 } }, { transaction })
    })
    expect(await publishedTypes()).toEqual(['a'])
  })

  test('a schema that it changed itself holds in it, and nowhere if it rolls back', async () => {
    await postrider.eventTypes.create(projectId, { name: 'a', schema })
    const rolledBack = database.transaction(async (transaction) => {
      await transaction.query(
        `UPDATE postrider.webhook_event_types SET schema = 'true' WHERE project_id = $1::uuid`,
        [projectId],
      )
      await postrider.publish({ projectId, type: 'a', data: {} }, { transaction })
      throw new Error('rolled back')
    })
    await expect(rolledBack).rejects.toThrow('rolled back')
    await expect(postrider.publish({ projectId, type: 'a', data: {} })).rejects.toMatchObject(refused)
  })

  test('of a role that may publish and read nothing, the schemas are read by ours', async () => {
    const role = `publisher_${randomBytes(4).toString('hex')}`
    await database.query(`CREATE ROLE ${role}`)
    await database.query(`GRANT USAGE ON SCHEMA postrider TO ${role}`)
    await database.query(`GRANT EXECUTE ON FUNCTION postrider.publish, postrider.publish_many TO ${role}`)
    const client = new Client({ connectionString })
    await client.connect()
    try {
      await client.query(`SET SESSION AUTHORIZATION ${role}`)
      await other.eventTypes.create(projectId, { name: 'a', schema })
      await client.query('BEGIN')
      const transaction = client
      await expect(
        postrider.publish({ projectId, type: 'a', data: {} }, { transaction }),
      ).rejects.toMatchObject(refused)
      await postrider.publish({ projectId, type: 'a', data: { n: 1 } }, { transaction })
      await client.query('COMMIT')
      expect(await publishedTypes()).toEqual(['a'])
    } finally {
      await client.end()
      await database.query(`DROP OWNED BY ${role}`)
      await database.query(`DROP ROLE ${role}`)
    }
  })
})

describe('definitions of code', () => {
  const events = defineEvents({ a: { schema, example: { n: 1 } }, b: { description: 'anything' } })

  test('are brought to a project, and change nothing when they are again', async () => {
    expect(await postrider.eventTypes.sync(projectId, events)).toMatchObject({
      changes: [{ kind: 'create' }, { kind: 'create' }],
      others: [],
    })
    const before = await postrider.eventTypes.list(projectId)
    expect(await other.eventTypes.sync(projectId, events)).toMatchObject({
      changes: [{ kind: 'none' }, { kind: 'none' }],
    })
    expect(await postrider.eventTypes.list(projectId)).toEqual(before)
  })

  test('change what is compatible, leave what they do not say, and break nothing unless forced', async () => {
    await postrider.eventTypes.sync(projectId, events)
    await postrider.eventTypes.update(projectId, 'a', { description: 'written in the dashboard' })
    const wider = { ...schema, properties: { ...schema.properties, m: { type: 'string' } } }
    await postrider.eventTypes.sync(projectId, defineEvents({ a: { schema: wider }, c: {} }))
    expect(await postrider.eventTypes.get(projectId, 'a')).toMatchObject({
      description: 'written in the dashboard',
      version: 2,
      schema: wider,
    })
    const breaking = defineEvents({ a: { schema: stricter, example: { n: 1, m: 2 } }, d: {} })
    await expect(postrider.eventTypes.sync(projectId, breaking)).rejects.toMatchObject({
      code: 'conflict',
      errors: expect.arrayContaining([{ path: 'a: data.m', message: 'is required now (breaks publishers)' }]),
    })
    await expect(postrider.eventTypes.get(projectId, 'd')).rejects.toMatchObject({ code: 'not_found' })
    expect(await postrider.eventTypes.sync(projectId, breaking, { force: true })).toMatchObject({
      changes: [{ kind: 'update', isBreaking: true }, { kind: 'create' }],
      others: expect.arrayContaining(['b', 'c']),
    })
  })

  test('may be brought by several processes that start together', async () => {
    await Promise.all(
      [postrider, other, postrider, other].map((engine) => engine.eventTypes.sync(projectId, events)),
    )
    const { rows } = await postrider.eventTypes.list(projectId)
    expect(Object.fromEntries(rows.map(({ name, version }) => [name, version]))).toEqual({ a: 1, b: 1 })
  })
})

describe('a project has at most', () => {
  test('2,000 types', async () => {
    await database.query(
      `INSERT INTO postrider.webhook_event_types (project_id, name)
       SELECT $1::uuid, 'type' || number FROM generate_series(1, 2000) AS number`,
      [projectId],
    )
    await expect(postrider.eventTypes.create(projectId, { name: 'one.more' })).rejects.toMatchObject({
      code: 'validation_failed',
      errors: [{ path: 'name' }],
    })
    await postrider.eventTypes.delete(projectId, 'type1')
    await postrider.eventTypes.create(projectId, { name: 'one.more' })
  })

  test('4 MiB of schemas', async () => {
    await database.query(
      `INSERT INTO postrider.webhook_event_types (project_id, name, schema)
       SELECT $1::uuid, 'type' || number, jsonb_build_object('title', repeat('x', 60000))
       FROM generate_series(1, 69) AS number`,
      [projectId],
    )
    const large = { title: 'x'.repeat(60_000) }
    await expect(postrider.eventTypes.create(projectId, { name: 'a', schema: large })).rejects.toMatchObject({
      code: 'validation_failed',
      errors: [{ path: 'schema', message: expect.stringContaining('4 MiB') }],
    })
    await postrider.eventTypes.create(projectId, { name: 'b', schema })
  })
})
