import { randomUUID } from 'node:crypto'
import { Client, type DatabaseError, escapeLiteral } from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { PostriderError } from '../../src/contract/errors.ts'
import { Postrider } from '../../src/postrider.ts'
import { badEvents } from '../corpora/bad-events.ts'
import { oddEvents } from '../corpora/odd-events.ts'
import { createTestDatabase } from '../support/database.ts'
import { countRows } from '../support/rows.ts'
import { insertApplication, insertProject, insertWebhook } from '../support/seed.ts'

/** The corpus of bad events without the API in front: as an application calls the functions, with a driver or in SQL. */

const { database, connectionString } = await createTestDatabase()
const projectId = await insertProject(database)
await insertWebhook(database, { projectId })
const client = new Client({ connectionString })
await client.connect()
const postrider = new Postrider({ connectionString })
afterAll(async () => {
  await client.end()
  await postrider.stop()
})

/** SQLSTATEs of the functions, and of what `jsonb` refuses before any of them is called. */
const states = {
  validation_failed: /^(22023|22004|23503|22P02|22P05|22003|22021|54001)$/,
  too_large: /^54000$/,
  bad_json: /^(22P02|22021)$/,
}
type Code = keyof typeof states

const good = '{"type":"a","data":1}'
const events = badEvents.filter(({ headers }) => !headers)
const wrong = events.filter(({ isRightInSql }) => !isRightInSql)

/** Runs what must fail in a transaction of the caller's, who goes on after it; answers why it failed. */
async function refused(text: string, values?: unknown[]): Promise<DatabaseError> {
  await client.query('BEGIN; SAVEPOINT before')
  const error = await client.query(text, values).then(
    () => undefined,
    (reason: DatabaseError) => reason,
  )
  await client.query('ROLLBACK TO before; COMMIT')
  await expectNothingLeft()
  if (!error) throw new Error('it was taken')
  return error
}

/** What is refused leaves nothing. */
async function expectNothingLeft(): Promise<void> {
  expect(await countRows(database)).toEqual(rowsBefore)
}
let rowsBefore = await countRows(database)

/** The functions name the field, as far as they look into it; what `jsonb` refuses, it refuses as a whole. */
function expectField(error: DatabaseError, path: string): void {
  if (error.column === undefined) return
  expect(path).toContain(error.column)
  expect(error.message).toContain(error.column)
}

describe('publish_many refuses, with the good event beside it,', () => {
  test.each(wrong)('$title', async ({ body, code, path }) => {
    const batch = Buffer.concat([Buffer.from(`[${good},`), Buffer.from(body), Buffer.from(']')])
    const error = await refused(
      `SELECT * FROM postrider.publish_many($1::uuid, convert_from($2::bytea, 'UTF8')::jsonb)`,
      [projectId, batch],
    )
    expect(error.code).toMatch(states[code as Code])
    if (path !== undefined) expectField(error, `events[1].${path}`)
  })

  test.each(wrong.filter(({ body }) => typeof body === 'string' && !body.includes('\0')))(
    '$title, in plain SQL',
    async ({ body, code, path }) => {
      const batch = escapeLiteral(`[${good},${String(body)}]`)
      const error = await refused(
        `SELECT * FROM postrider.publish_many(project_id => '${projectId}', events => ${batch})`,
      )
      expect(error.code).toMatch(states[code as Code])
      if (path !== undefined) expectField(error, `events[1].${path}`)
    },
  )
})

describe('from TypeScript it is an error with the same code:', () => {
  test.each(wrong.filter(({ body }) => typeof body === 'string'))('$title', async ({ body, code }) => {
    const error = await postrider.events
      .publishJson(projectId, `[${good},${String(body)}]`)
      .catch((reason: unknown) => reason)
    if (!(error instanceof PostriderError)) throw error
    expect(error.code).toBe(code === 'bad_json' ? 'validation_failed' : code)
    expect(error.message).not.toMatch(/SELECT|postrider\.|plpgsql|jsonb/)
    await expectNothingLeft()
  })
})

describe('publish_many takes', () => {
  afterAll(async () => void (rowsBefore = await countRows(database)))
  const right = [...oddEvents, ...events.filter(({ isRightInSql }) => isRightInSql)]
  test.each(right)('$title', async ({ body }) => {
    // An id that the corpus gives may be taken by the test before.
    const { rows } = await client.query<{ deliveries: number }>(
      'SELECT * FROM postrider.publish_many($1, $2)',
      [await insertProject(database), `[${String(body)}]`],
    )
    expect(rows).toMatchObject([{ deliveries: 0, duplicate: false }])
  })
})

test.each([
  'null',
  '{}',
  '"a"',
  '5',
  '[]',
  '[null]',
  '[[]]',
  '[5]',
  `[${Array<string>(1_001).fill(good).join()}]`,
])('publish_many refuses the batch %.20s', async (batch) => {
  const error = await refused('SELECT * FROM postrider.publish_many($1, $2)', [projectId, batch])
  expect(error).toMatchObject({ code: '22023', column: expect.stringMatching(/^events(\[0\])?$/) })
})

/** What PostgreSQL's own types let through. Those that they refuse never reach the function. */
describe('publish refuses', () => {
  const right = {
    type: 'a',
    data: '1',
    id: null,
    application_id: null,
    environment_name: null,
    timestamp: null,
  }
  const deep = '['.repeat(65) + ']'.repeat(65)
  test.each<[string, Record<string, string | null>, string, string]>([
    ['no type', { type: null }, '22004', 'type'],
    ['an empty type', { type: '' }, '22023', 'type'],
    ['a type of SQL', { type: `a';DROP TABLE postrider.events;--` }, '22023', 'type'],
    ['a type of 256 characters', { type: 'x'.repeat(256) }, '22023', 'type'],
    ['a type of 8 MB', { type: `${'a.'.repeat(4_000_000)}a` }, '22023', 'type'],
    ['a line break behind the type', { type: 'a\n' }, '22023', 'type'],
    ['no data', { data: null }, '22004', 'data'],
    ['data of 65 levels', { data: deep }, '22023', 'data'],
    ['a number of 1,001 digits', { data: '1e1000' }, '22023', 'data'],
    ['a number of 131,072 digits', { data: '1e131071' }, '22023', 'data'],
    ['ten of them', { data: `[${Array<string>(10).fill('1e131071').join()}]` }, '22023', 'data'],
    ['data over 256 KiB', { data: `"${'x'.repeat(262_143)}"` }, '54000', 'data'],
    [
      'numbers over 256 KiB written out',
      { data: `[${Array<string>(300).fill('1e999').join()}]` },
      '54000',
      'data',
    ],
    ['an empty environment', { environment_name: '' }, '22023', 'environment_name'],
    ['a control character', { environment_name: 'a\u001b[31m' }, '22023', 'environment_name'],
    ['an environment of 256 characters', { environment_name: '😀'.repeat(256) }, '22023', 'environment_name'],
    ['infinity', { timestamp: 'infinity' }, '22023', 'timestamp'],
    ['-infinity', { timestamp: '-infinity' }, '22023', 'timestamp'],
    ['the year before 1', { timestamp: '0001-12-31 23:59:59+00 BC' }, '22023', 'timestamp'],
    ['the year 10000', { timestamp: '10000-01-01T00:00:00Z' }, '22023', 'timestamp'],
    ['the last year there is', { timestamp: '294276-12-31T23:59:59Z' }, '22023', 'timestamp'],
    ['an application of nobody', { application_id: randomUUID() }, '23503', 'application_id'],
  ])('%s', async (_title, change, state, column) => {
    const values = Object.values({ ...right, ...change })
    const error = await refused(
      `SELECT *
       FROM postrider.publish(
         project_id => $1, type => $2, data => $3, id => $4, application_id => $5, environment_name => $6,
         "timestamp" => $7
       )`,
      [projectId, ...values],
    )
    expect(error).toMatchObject({ code: state, column })
    expect(error.message).toMatch(new RegExp(`^${column} `))
  })

  test('what belongs to another project, or to none', async () => {
    const foreign = await insertApplication(database, await insertProject(database))
    rowsBefore = await countRows(database)
    const call = `SELECT * FROM postrider.publish(project_id => $1, type => 'a', data => '1', application_id => $2)`
    expect(await refused(call, [projectId, foreign])).toMatchObject({
      code: '23503',
      column: 'application_id',
    })
    for (const nobody of [randomUUID(), null]) {
      expect(await refused(call, [nobody, null])).toMatchObject({ code: '23503', column: 'project_id' })
    }
  })
})
