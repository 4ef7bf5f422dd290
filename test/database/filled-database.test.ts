import { expect, test } from 'vitest'
import { describeSchema } from '../../scripts/catalogue.ts'
import type { Database } from '../../src/database/database.ts'
import { migrate } from '../../src/database/migrate.ts'
import { createEmptyDatabase } from '../support/database.ts'
import { onEachPostgres } from '../support/versions.ts'

/** Rows that the first schema let in. Webhook and delivery ids end in the number given here. */
const project = id('a', 1)
const otherProject = id('a', 2)
const application = id('b', 1)
const otherApplication = id('b', 2)

onEachPostgres((serverUrl) => {
  test('0002 keeps every row that it can of a database filled under 0001, and tells the rest', async () => {
    await using filled = await createEmptyDatabase(serverUrl())
    const { database } = filled
    await migrate(database, { direction: 'up', to: 1 })
    await fill(database)
    const notices: string[] = []

    await migrate(database, { direction: 'up', to: 2, log: (message) => void notices.push(message) })

    expect(await webhooks(database)).toEqual({
      1: {
        is_active: true,
        disabled_reason: null,
        event_types: ['*'],
        application_id: application,
        headers: { a: 'b' },
      },
      2: { is_active: false, disabled_reason: null, event_types: [], application_id: null, headers: {} },
      3: { is_active: false, disabled_reason: null, event_types: [], application_id: null, headers: {} },
      4: {
        is_active: true,
        disabled_reason: null,
        event_types: ['config.*'],
        application_id: null,
        headers: null,
      },
      5: {
        is_active: false,
        disabled_reason: 'application_deleted',
        event_types: ['*'],
        application_id: null,
        headers: {},
      },
      6: {
        is_active: false,
        disabled_reason: 'invalid_url',
        event_types: ['*'],
        application_id: null,
        headers: {},
      },
      7: { is_active: false, disabled_reason: null, event_types: [], application_id: null, headers: {} },
    })
    expect(await deliveries(database)).toEqual({
      // Of several deliveries of one event to one webhook the finished one stays, else the oldest.
      12: { status: 'delivered', attempts: 1, max_attempts: 6, delivered_at: '2026-01-02' },
      21: { status: 'pending', attempts: 0, max_attempts: 6, delivered_at: null },
      32: { status: 'delivered', attempts: 2, max_attempts: 6, delivered_at: '2026-01-03' },
      41: { status: 'pending', attempts: 1, max_attempts: 6, delivered_at: null },
      50: { status: 'failed', attempts: 9, max_attempts: 9, delivered_at: null },
      51: { status: 'pending', attempts: 8, max_attempts: 9, delivered_at: null },
      52: { status: 'delivered', attempts: 1, max_attempts: 6, delivered_at: '2026-02-02' },
      53: { status: 'delivered', attempts: 1, max_attempts: 6, delivered_at: '2026-01-01' },
      54: { status: 'pending', attempts: 6, max_attempts: 7, delivered_at: null },
      55: { status: 'pending', attempts: 0, max_attempts: 1, delivered_at: null },
      56: { status: 'pending', attempts: 0, max_attempts: 6, delivered_at: null },
    })
    for (const removed of [11, 22, 31, 42]) {
      expect(notices).toContainEqual(
        expect.stringMatching(new RegExp(`4 deliveries .* removed: .*${id('d', removed)}`)),
      )
    }
    expect(notices).toContainEqual(
      expect.stringContaining('1 webhooks named an application of another project'),
    )
    expect(notices).toContainEqual(expect.stringContaining('1 webhooks had a url without a host'))
    const { rows: unchecked } = await database.query(
      `SELECT conname
       FROM pg_constraint
       WHERE connamespace = 'postrider'::regnamespace
         AND NOT convalidated`,
    )
    expect(unchecked).toEqual([])
  })

  test('0002 goes back down from a filled database with every row, and up again', async () => {
    await using filled = await createEmptyDatabase(serverUrl())
    const { database } = filled
    await migrate(database, { direction: 'up', to: 1 })
    const first = await describeSchema(database)
    await fill(database)
    await migrate(database, { direction: 'up', to: 2 })
    const before = await deliveries(database)
    // Under 0002 an application's id is unique within its project only.
    await database.query(
      `INSERT INTO postrider.applications (id, project_id, name) VALUES ($1::uuid, $2::uuid, 'same id')`,
      [application, otherProject],
    )
    await database.query(
      `INSERT INTO postrider.webhooks (id, project_id, application_id, name, url, secret)
       VALUES ($1::uuid, $2::uuid, $3::uuid, 'of the same id', 'https://example.com', 's')`,
      [id('c', 8), otherProject, application],
    )

    await migrate(database, { direction: 'down', to: 1 })

    expect(sortedLines(await describeSchema(database))).toEqual(sortedLines(first))
    expect(await deliveries(database)).toEqual(before)
    const { rows } = await database.query(
      `SELECT project.id = application.project_id AS same_project, webhook.application_id <> $1::uuid AS moved
       FROM postrider.webhooks AS webhook
       INNER JOIN postrider.projects AS project ON project.id = webhook.project_id
       INNER JOIN postrider.applications AS application ON application.id = webhook.application_id
       WHERE webhook.id = $2::uuid`,
      [application, id('c', 8)],
    )
    expect(rows).toEqual([{ same_project: true, moved: true }])
    await migrate(database, { direction: 'up', to: 2 })
    expect(await deliveries(database)).toEqual(before)
  })

  test('the newest schema goes down to the first and up again with its webhooks and deliveries', async () => {
    await using filled = await createEmptyDatabase(serverUrl())
    const { database } = filled
    await migrate(database, { direction: 'up', to: 1 })
    await fill(database)
    await migrate(database, { direction: 'up' })
    await database.query(
      `SELECT postrider.publish(project_id => $1::uuid, type => 'config.deployed', data => '{"n": 1}')`,
      [project],
    )
    const before = await deliveries(database)
    // One is on its way while this happens: it is sent again.
    await database.query(
      `UPDATE postrider.webhook_deliveries
       SET status = 'delivering'
       WHERE id = $1::uuid`,
      [id('d', 41)],
    )

    await migrate(database, { direction: 'down', to: 1 })
    await migrate(database, { direction: 'up' })

    expect(await deliveries(database)).toEqual(before)
    expect(Object.keys(await webhooks(database))).toHaveLength(7)
    await migrate(database, { direction: 'down', to: 0 })
    expect(await describeSchema(database)).toBe('')
  })
})

async function fill(database: Database): Promise<void> {
  await database.query(
    `INSERT INTO postrider.projects (id, name) VALUES ($1::uuid, 'one'), ($2::uuid, 'two')`,
    [project, otherProject],
  )
  await database.query(
    `INSERT INTO postrider.applications (id, project_id, name)
     VALUES ($1::uuid, $2::uuid, 'own'), ($3::uuid, $4::uuid, 'foreign')`,
    [application, project, otherApplication, otherProject],
  )
  await addWebhook(database, 1, { application_id: application, headers: '{"a": "b"}' })
  await addWebhook(database, 2, { event_types: '[]' })
  await addWebhook(database, 3, { event_types: '[1, {}, null]' })
  await addWebhook(database, 4, { event_types: '["config.*", 1, "no such name!"]', headers: null })
  await addWebhook(database, 5, { application_id: otherApplication })
  await addWebhook(database, 6, { url: 'http://' })
  await addWebhook(database, 7, { event_types: '[]', headers: '[1]', is_active: false })

  const old = '2026-01-01'
  await addDelivery(database, 11, { event: 1, status: 'pending', created_at: old })
  await addDelivery(database, 12, { event: 1, status: 'delivered', attempts: 1, delivered_at: '2026-01-02' })
  await addDelivery(database, 21, { event: 2, status: 'pending', created_at: old })
  await addDelivery(database, 22, { event: 2, status: 'pending' })
  await addDelivery(database, 31, { event: 3, status: 'failed', attempts: 6, created_at: old })
  await addDelivery(database, 32, { event: 3, status: 'delivered', attempts: 2, delivered_at: '2026-01-03' })
  await addDelivery(database, 41, { event: 4, status: 'delivering', attempts: 1 })
  await addDelivery(database, 42, { event: 4, status: 'pending', created_at: old })
  await addDelivery(database, 50, { event: 50, status: 'failed', attempts: 9 })
  await addDelivery(database, 51, { event: 51, status: 'pending', attempts: 8 })
  await addDelivery(database, 52, {
    event: 52,
    status: 'delivered',
    attempts: 1,
    last_attempt_at: '2026-02-02',
  })
  await addDelivery(database, 53, { event: 53, status: 'delivered', attempts: 1, created_at: old })
  await addDelivery(database, 54, { event: 54, status: 'delivering', attempts: 6 })
  await addDelivery(database, 55, { event: 55, status: 'pending', max_attempts: -1 })
  await addDelivery(database, 56, { event: 56, status: 'pending', delivered_at: '2026-01-02' })
}

type Row = Record<string, string | number | boolean | null>

function addWebhook(database: Database, number: number, row: Row): Promise<void> {
  return insert(database, 'webhooks', {
    id: id('c', number),
    project_id: project,
    name: `webhook ${number}`,
    url: 'https://example.com/hook',
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    ...row,
  })
}

function addDelivery(
  database: Database,
  number: number,
  { event, ...row }: Row & { event: number },
): Promise<void> {
  return insert(database, 'webhook_deliveries', {
    id: id('d', number),
    webhook_id: id('c', 1),
    event_id: id('e', event),
    event_type: 'config.deployed',
    payload: '{"data": 1}',
    created_at: '2026-03-03',
    ...row,
  })
}

async function insert(database: Database, table: string, row: Row): Promise<void> {
  await database.query(
    `INSERT INTO postrider.${table} (${Object.keys(row).join(', ')})
     VALUES (${Object.keys(row)
       .map((_, index) => `$${index + 1}`)
       .join(', ')})`,
    Object.values(row),
  )
}

/** By the number at the end of their ids. */
async function webhooks(database: Database): Promise<Record<number, unknown>> {
  const { rows } = await database.query<{ id: string }>(
    `SELECT id, is_active, event_types, application_id, headers, to_jsonb(webhooks) ->> 'disabled_reason' AS disabled_reason
     FROM postrider.webhooks`,
  )
  return byNumber(rows)
}

/** Without those that publishing made. */
async function deliveries(database: Database): Promise<Record<number, unknown>> {
  const { rows } = await database.query<{ id: string }>(
    `SELECT id, status, attempts, max_attempts, to_char(delivered_at, 'YYYY-MM-DD') AS delivered_at
     FROM postrider.webhook_deliveries
     WHERE starts_with(id::text, 'd')`,
  )
  return byNumber(rows)
}

function byNumber(rows: { id: string }[]): Record<number, unknown> {
  return Object.fromEntries(rows.map(({ id: key, ...row }) => [Number(key.slice(-4)), row]))
}

function id(kind: string, number: number): string {
  return `${kind}0000000-0000-7000-8000-${String(number).padStart(12, '0')}`
}

/** A column that was taken away and put back stands last: that is no difference. */
function sortedLines(schema: string): string[] {
  return schema
    .split('\n')
    .map((line) => line.replace(/,$/, ''))
    .toSorted()
}
