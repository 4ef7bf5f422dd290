import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { PostriderError } from '../../src/contract/errors.ts'
import { Database, type Queryable } from '../../src/database/database.ts'
import { publish, publishJson, publishMany } from '../../src/publish/publish.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertApplication, insertProject, insertWebhook } from '../support/seed.ts'

const { database, connectionString } = await createTestDatabase()

async function projectWithWebhook(): Promise<string> {
  const projectId = await insertProject(database)
  await insertWebhook(database, { projectId })
  return projectId
}

async function countDeliveries(projectId: string): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    `SELECT COUNT(*)::integer AS count FROM postrider.webhook_deliveries WHERE project_id = $1::uuid`,
    [projectId],
  )
  return rows[0]!.count
}

async function errorOf(work: Promise<unknown>): Promise<PostriderError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof PostriderError)) throw new Error('expected a PostriderError', { cause: error })
  return error
}

describe('an event id', () => {
  it('published again with the same content creates nothing and is a duplicate', async () => {
    const projectId = await projectWithWebhook()
    const event = { projectId, type: 'order.paid', data: { amount: 1 }, id: randomUUID() }
    expect(await publish(database, event)).toEqual({ id: event.id, deliveries: 1, duplicate: false })
    expect(await publish(database, event)).toEqual({ id: event.id, deliveries: 1, duplicate: true })
    expect(await countDeliveries(projectId)).toBe(1)
  })

  it('is remembered when the event matched nothing', async () => {
    const projectId = await insertProject(database)
    const event = { projectId, type: 'order.paid', data: null, id: randomUUID() }
    expect(await publish(database, event)).toMatchObject({ deliveries: 0, duplicate: false })
    await insertWebhook(database, { projectId })
    expect(await publish(database, event)).toMatchObject({ deliveries: 0, duplicate: true })
    expect(await countDeliveries(projectId)).toBe(0)
  })

  it('belongs to its project: another project may use the same one', async () => {
    const id = randomUUID()
    for (const projectId of [await projectWithWebhook(), await projectWithWebhook()]) {
      expect(await publish(database, { projectId, type: 'a', data: {}, id })).toMatchObject({
        duplicate: false,
      })
    }
  })

  it('counts numbers and key order as JSON compares them', async () => {
    const projectId = await projectWithWebhook()
    const id = randomUUID()
    await publishJson(database, {
      projectId,
      eventsJson: `[{"id":"${id}","type":"a","data":{"x":1.0,"y":[1e2]}}]`,
    })
    const [again] = await publishJson(database, {
      projectId,
      eventsJson: `[{"data":{"y":[100],"x":1},"type":"a","id":"${id.toUpperCase()}"}]`,
    })
    expect(again).toMatchObject({ id, duplicate: true })
  })

  const timestamp = '2026-01-01T00:00:00.000Z'
  it.each([
    ['type', { type: 'b' }],
    ['data', { data: { amount: 2 } }],
    ['environment', { environmentName: 'staging' }],
    ['no environment', { environmentName: undefined }],
    ['timestamp', { timestamp: '2026-01-01T00:00:00.001Z' }],
  ])('with another %s is refused and changes nothing', async (_what, change) => {
    const projectId = await projectWithWebhook()
    const event = {
      projectId,
      type: 'a',
      data: { amount: 1 },
      id: randomUUID(),
      environmentName: 'live',
      timestamp,
    }
    await publish(database, event)
    const error = await errorOf(publish(database, { ...event, ...change }))
    expect(error).toMatchObject({ code: 'event_conflict', status: 409, errors: [{ path: 'id' }] })
    expect(await publish(database, { ...event, timestamp: undefined })).toMatchObject({ duplicate: true })
    expect(await countDeliveries(projectId)).toBe(1)
  })

  it('published by twenty at the same moment creates one event', async () => {
    const projectId = await projectWithWebhook()
    await using many = disposable(new Database({ connectionString, maxConnections: 20 }))
    const event = { projectId, type: 'a', data: { amount: 1 }, id: randomUUID() }
    const answers = await Promise.all(Array.from({ length: 20 }, () => publish(many.database, event)))
    expect(answers.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
    expect(new Set(answers.map(({ id, deliveries }) => `${id} ${deliveries}`))).toEqual(
      new Set([`${event.id} 1`]),
    )
    expect(await countDeliveries(projectId)).toBe(1)
  })

  it('of a concurrent winner under REPEATABLE READ is a serialization failure', async () => {
    const projectId = await projectWithWebhook()
    const event = { projectId, type: 'a', data: {}, id: randomUUID() }
    const loser = database.transaction(async (transaction) => {
      await transaction.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ')
      await transaction.query('SELECT 1 FROM postrider.events LIMIT 1')
      await publish(database, event)
      return publish(transaction, event)
    })
    await expect(loser).rejects.toMatchObject({ code: '40001' })
  })

  it('twice in one batch is published once, and refused where the contents differ', async () => {
    const projectId = await projectWithWebhook()
    const id = randomUUID()
    const event = { projectId, type: 'a', data: 1, id }
    expect(await publishMany(database, [event, { projectId, type: 'b', data: 2 }, event])).toMatchObject([
      { id, duplicate: false },
      { duplicate: false },
      { id, duplicate: true },
    ])
    expect(await countDeliveries(projectId)).toBe(2)
    const other = randomUUID()
    const error = await errorOf(
      publishMany(database, [
        { ...event, id: other },
        { ...event, id: other, data: 2 },
      ]),
    )
    expect(error).toMatchObject({ code: 'event_conflict', errors: [{ path: 'events[1].id' }] })
    expect(await countDeliveries(projectId)).toBe(2)
  })
})

describe("in the caller's transaction", () => {
  it('a rollback leaves nothing', async () => {
    const projectId = await projectWithWebhook()
    const id = randomUUID()
    const rolledBack = database.transaction(async (transaction) => {
      await publish(transaction, { projectId, type: 'a', data: {}, id })
      throw new Error('rolled back')
    })
    await expect(rolledBack).rejects.toThrow('rolled back')
    expect(await countDeliveries(projectId)).toBe(0)
    expect(await publish(database, { projectId, type: 'a', data: {}, id })).toMatchObject({
      duplicate: false,
    })
  })

  it('the event exists once it commits, not before', async () => {
    const projectId = await projectWithWebhook()
    await database.transaction(async (transaction) => {
      await publish(transaction, { projectId, type: 'a', data: {} })
      expect(await countDeliveries(projectId)).toBe(0)
    })
    expect(await countDeliveries(projectId)).toBe(1)
  })
})

it('a batch answers in the order given, and one wrong event leaves nothing of it', async () => {
  const projectId = await projectWithWebhook()
  const events = Array.from({ length: 1_000 }, (_, index) => ({
    projectId,
    type: 'a',
    data: index,
    id: randomUUID(),
  }))
  const answers = await publishMany(database, events)
  expect(answers.map(({ id }) => id)).toEqual(events.map(({ id }) => id))
  expect(await countDeliveries(projectId)).toBe(1_000)

  const error = await errorOf(
    publishMany(database, [
      { projectId, type: 'a', data: 1 },
      { projectId, type: '', data: 1 },
    ]),
  )
  expect(error).toMatchObject({ code: 'validation_failed', errors: [{ path: 'events[1].type' }] })
  expect(await countDeliveries(projectId)).toBe(1_000)
})

describe('what is refused', () => {
  const event = (fields: object): string => JSON.stringify([{ type: 'a', data: {}, ...fields }])
  const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`

  it.each([
    ['a type with a space', { type: 'a b' }, 'events[0].type'],
    ['a type ending in a dot', { type: 'a.' }, 'events[0].type'],
    ['a type of 256 characters', { type: 'a'.repeat(256) }, 'events[0].type'],
    ['a type that is a number', { type: 1 }, 'events[0].type'],
    ['no type', { type: undefined }, 'events[0].type'],
    ['no data', { data: undefined }, 'events[0].data'],
    ['an id that is no UUID', { id: 'x' }, 'events[0].id'],
    ['an unknown field', { typ: 'a' }, 'events[0].typ'],
    ['a time that is none', { timestamp: '2026-02-30T00:00:00Z' }, 'events[0].timestamp'],
    ['the time infinity', { timestamp: 'infinity' }, 'events[0].timestamp'],
    ['a time without a zone', { timestamp: '2026-02-01T00:00:00' }, 'events[0].timestamp'],
    ['an empty environment', { environment_name: '' }, 'events[0].environment_name'],
    ['an unknown application', { application_id: randomUUID() }, 'events[0].application_id'],
    ['data nested 65 deep', { data: JSON.parse(nested(65)) as unknown }, 'events[0].data'],
  ])('%s', async (_what, fields, path) => {
    const projectId = await projectWithWebhook()
    const error = await errorOf(publishJson(database, { projectId, eventsJson: event(fields) }))
    expect(error).toMatchObject({ code: 'validation_failed', status: 422, errors: [{ path }] })
    expect(error.message).toContain(path)
    expect(await countDeliveries(projectId)).toBe(0)
  })

  it('an application of another project', async () => {
    const projectId = await projectWithWebhook()
    const foreign = await insertApplication(database, await insertProject(database))
    const error = await errorOf(publish(database, { projectId, type: 'a', data: {}, applicationId: foreign }))
    expect(error).toMatchObject({ code: 'validation_failed', errors: [{ path: 'application_id' }] })
  })

  it('a project that does not exist', async () => {
    const error = await errorOf(publish(database, { projectId: randomUUID(), type: 'a', data: {} }))
    expect(error).toMatchObject({ code: 'not_found', status: 404 })
  })

  it.each([
    ['digits before the point', '9'.repeat(1_000), '9'.repeat(1_001)],
    ['an exponent', '1e999', '1e1000'],
    ['a small number', '1e-999', '1e-1001'],
  ])('a number of more than 1,000 digits: %s', async (_what, good, bad) => {
    const projectId = await projectWithWebhook()
    const published = await publishJson(database, {
      projectId,
      eventsJson: `[{"type":"a","data":{"n":${good}}}]`,
    })
    expect(published).toMatchObject([{ deliveries: 1 }])
    const error = await errorOf(
      publishJson(database, { projectId, eventsJson: `[{"type":"a","data":{"n":${bad}}}]` }),
    )
    expect(error).toMatchObject({ code: 'validation_failed', errors: [{ path: 'events[0].data' }] })
  })

  it.each([
    ['\\u0000', `"a\\u0000b"`],
    ['a lone surrogate', `"\\ud800"`],
  ])('%s, with a clear word', async (_what, data) => {
    const projectId = await projectWithWebhook()
    const error = await errorOf(
      publishJson(database, { projectId, eventsJson: `[{"type":"a","data":${data}}]` }),
    )
    expect(error).toMatchObject({ code: 'validation_failed', status: 422 })
  })

  it('data over 256 KiB, measured without white space', async () => {
    const projectId = await projectWithWebhook()
    const row = [1, 2, { three: 4, five: '6' }, [], {}]
    const compact = JSON.stringify(row)
    const rows = Array.from({ length: Math.floor(262_144 / (compact.length + 1)) - 1 }, () => row)
    const length = JSON.stringify(rows).length
    const fill = 'x'.repeat(262_144 - length - ',""'.length)
    const exact = [...rows, fill]
    expect(JSON.stringify(exact)).toHaveLength(262_144)
    expect(await publish(database, { projectId, type: 'a', data: exact })).toMatchObject({ deliveries: 1 })
    const error = await errorOf(publish(database, { projectId, type: 'a', data: [...rows, `${fill}x`] }))
    expect(error).toMatchObject({ code: 'too_large', status: 413, errors: [{ path: 'data' }] })
  })

  it.each([
    ['a time that is none', { timestamp: 'yesterday' }, 'timestamp'],
    ['a field of the HTTP call', { application_id: randomUUID() }, 'application_id'],
    ['an id that is no UUID', { id: 'x' }, 'id'],
  ])('from TypeScript: %s', async (_what, fields, path) => {
    const projectId = await projectWithWebhook()
    const work = (async () => publish(database, { projectId, type: 'a', data: {}, ...fields }))()
    expect(await errorOf(work)).toMatchObject({ code: 'validation_failed', errors: [{ path }] })
  })

  it('what cannot be written as JSON', async () => {
    const projectId = await projectWithWebhook()
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    for (const data of [1n, circular, undefined, () => {}]) {
      expect(await errorOf(publish(database, { projectId, type: 'a', data }))).toMatchObject({
        code: 'validation_failed',
      })
    }
  })

  it('batches of none and of more than 1,000', async () => {
    const projectId = await projectWithWebhook()
    const events = Array.from({ length: 1_001 }, () => ({ projectId, type: 'a', data: 1 }))
    expect(await errorOf(publishMany(database, events))).toMatchObject({ code: 'validation_failed' })
    for (const wrong of ['[]', '{}', '"x"', 'null', '[1]']) {
      expect(await errorOf(publishJson(database, { projectId, eventsJson: wrong }))).toMatchObject({
        code: 'validation_failed',
      })
    }
  })
})

it('numbers are kept to the digit', async () => {
  const projectId = await projectWithWebhook()
  const data = `{"big": 12345678901234567890123456789, "small": 0.1000000000000000055511151231257827}`
  const [published] = await publishJson(database, { projectId, eventsJson: `[{"type":"a","data":${data}}]` })
  const { rows } = await database.query<{ data: string }>(
    `SELECT (payload -> 'data')::text AS data FROM postrider.webhook_deliveries WHERE event_id = $1::uuid`,
    [published!.id],
  )
  expect(rows[0]!.data).toBe(data)
})

describe('from SQL', () => {
  it('any role that was granted it may publish, and nothing else', async () => {
    const projectId = await projectWithWebhook()
    const role = `publisher_${randomUUID().slice(0, 8)}`
    await database.query(`CREATE ROLE ${role}`)
    try {
      const as = (statement: string): Promise<unknown> =>
        database.transaction(async (transaction: Queryable) => {
          await transaction.query(`SET LOCAL ROLE ${role}`)
          return transaction.query(statement)
        })
      const call = `SELECT * FROM postrider.publish(project_id => '${projectId}', type => 'a', data => '{}')`
      await expect(as(call)).rejects.toMatchObject({ code: '42501' })
      await database.query(`GRANT USAGE ON SCHEMA postrider TO ${role}`)
      await expect(as(call)).rejects.toMatchObject({ code: '42501' })
      await database.query(`GRANT EXECUTE ON FUNCTION postrider.publish, postrider.publish_many TO ${role}`)
      await expect(as(call)).resolves.toMatchObject({ rows: [{ deliveries: 1, duplicate: false }] })
      await expect(
        as(`SELECT * FROM postrider.publish_many('${projectId}', '[{"type":"a","data":1}]')`),
      ).resolves.toMatchObject({ rows: [{ deliveries: 1 }] })
      await expect(as('SELECT * FROM postrider.webhooks')).rejects.toMatchObject({ code: '42501' })
      await expect(as(`SELECT postrider.event_type_patterns('a')`)).rejects.toMatchObject({ code: '42501' })
    } finally {
      await database.query(`DROP OWNED BY ${role}`)
      await database.query(`DROP ROLE ${role}`)
    }
  })

  it('other content under a known id raises unique_violation and names the field', async () => {
    const projectId = await projectWithWebhook()
    const id = randomUUID()
    const call = (data: string): Promise<unknown> =>
      database.query(`SELECT (postrider.publish($1::uuid, 'a', $2::jsonb, id => $3::uuid)).*`, [
        projectId,
        data,
        id,
      ])
    await call('1')
    await expect(call('2')).rejects.toMatchObject({ code: '23505', column: 'id' })
  })

  it("a search_path of the caller's own changes nothing", async () => {
    const projectId = await projectWithWebhook()
    await database.transaction(async (transaction) => {
      await transaction.query('CREATE SCHEMA evil')
      await transaction.query(
        `CREATE FUNCTION evil.to_char(timestamp, text) RETURNS text LANGUAGE sql RETURN 'evil'`,
      )
      await transaction.query('SET LOCAL search_path = evil, pg_catalog')
      const { id } = await publish(transaction, { projectId, type: 'a', data: {} })
      const { rows } = await transaction.query<{ timestamp: string }>(
        `SELECT payload ->> 'timestamp' AS timestamp FROM postrider.webhook_deliveries WHERE event_id = $1::uuid`,
        [id],
      )
      expect(rows[0]!.timestamp).toMatch(/^\d{4}-\d\d-\d\dT/)
    })
  })
})

function disposable(database: Database): { database: Database } & AsyncDisposable {
  return { database, [Symbol.asyncDispose]: () => database.close() }
}
