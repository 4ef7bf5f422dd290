import { randomUUID } from 'node:crypto'
import { context, propagation, trace } from '@opentelemetry/api'
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type NewEvent, Postrider, PostriderError } from '../../src/index.ts'
import { publish } from '../../src/publish/publish.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { Receiver } from '../support/receiver.ts'
import { encryptionKeys } from '../support/running.ts'
import { countRows } from '../support/rows.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'
import type { Library, Opened } from './libraries.ts'

/** JSON that a driver, a placeholder or a quote could spoil. */
const kinds: Record<string, unknown> = {
  'an object': { order: 1001, amount: '25.00', lines: [{ sku: 'a', count: 2 }], note: null },
  'an array': [1, 'two', null, [], {}],
  'an empty object': {},
  'an empty array': [],
  'a text': 'paid',
  'an empty text': '',
  'a text that looks like an object': '{"order": 1001}',
  'a text that looks like an array': '[1, 2]',
  'a text that looks like a number': '7',
  'a text that looks like null': 'null',
  'a text that looks like a time': '2026-11-24T09:30:00.000Z',
  quotes: { 'it\'s "so" \\ here': "\\\" ' '' `$$` \t \n \u2028 \u007f" },
  placeholders: ['$1 $2::text', '? ?? \\? :name @p1', '%s %L', '{{mustache}} ${dollar}'],
  'other scripts': 'Zoë 🚚 مرحبا 漢字 \u{10ffff}',
  zero: 0,
  'a small number': -1.5e-7,
  'numbers beyond a double': {
    n: rawJson('12345678901234567890.10'),
    list: [rawJson('0.1000000000000000055511151231257827'), rawJson('9007199254740993')],
  },
  true: true,
  false: false,
  null: null,
  'a long text': 'ü"'.repeat(40_000),
}

/** A number as it is written; TypeScript does not know of it yet. */
function rawJson(text: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text)
}

/** What a library's transactions must do, whichever it is. */
export function publishesInTransactionsOf({ name, library, open }: Library): void {
  describe(`in a transaction of ${name}`, () => {
    let test: TestDatabase
    let receiver: Receiver
    let opened: Opened
    let postrider: Postrider
    let projectId: string

    beforeAll(async () => {
      test = await createTestDatabase()
      await test.database.query('CREATE TABLE public.orders (id integer PRIMARY KEY)')
      receiver = await Receiver.start()
      opened = await open(test.connectionString)
      postrider = new Postrider({ connectionString: test.connectionString })
    })
    afterAll(async () => {
      await opened.close()
      await postrider.stop()
      await receiver.close()
    })
    beforeEach(async () => {
      await test.database.query('TRUNCATE public.orders')
      projectId = await insertProject(test.database)
      await insertWebhook(test.database, { projectId, url: receiver.url })
    })

    const event = (fields: Partial<NewEvent> = {}): NewEvent => ({
      projectId,
      type: 'order.paid',
      data: { order: 1 },
      ...fields,
    })

    /** What this test's project has, and the orders. */
    async function counts(): Promise<{ orders: number; events: number; deliveries: number }> {
      const { rows } = await test.database.query<{ orders: number; events: number; deliveries: number }>(
        `SELECT (SELECT COUNT(*)::integer FROM public.orders) AS orders,
                (SELECT COUNT(*)::integer FROM postrider.events WHERE project_id = $1::uuid) AS events,
                (SELECT COUNT(*)::integer FROM postrider.deliveries WHERE project_id = $1::uuid) AS deliveries`,
        [projectId],
      )
      return rows[0]!
    }

    /** Publishes in a transaction of its own that must fail; answers why. */
    async function refused(work: (transaction: never) => Promise<unknown>): Promise<PostriderError> {
      const error = await opened.inTransaction(work).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      if (!(error instanceof PostriderError)) throw new Error('expected a PostriderError', { cause: error })
      return error
    }

    it('a commit publishes, and wakes the worker that sends it', async () => {
      const { connectionString } = test
      const options = { encryptionKeys, allowHttp: true, allowPrivate: ['127.0.0.0/8'] }
      // Whoever polls once a minute and has sent it by then was woken.
      const engine = new Postrider({ connectionString, pollMs: 60_000, ...options })
      const publisher = new Postrider({ connectionString })
      try {
        await engine.start()
        const url = `${receiver.url}shop`
        const { secret } = await engine.webhooks.create(projectId, { name: 'shop', url })
        let id = ''
        await opened.inTransaction(async (transaction) => {
          await opened.run(transaction, 'INSERT INTO public.orders (id) VALUES (1)')
          const published = await publisher.publish(event(), { transaction })
          expect(published).toEqual({ id: expect.any(String), deliveries: 2, duplicate: false })
          id = published.id
          expect(await counts()).toEqual({ orders: 0, events: 0, deliveries: 0 })
        })
        expect(await counts()).toEqual({ orders: 1, events: 1, deliveries: 2 })
        await receiver.until(() => receiver.requests.some((each) => each.url === '/shop'))
        const request = receiver.requests.find((each) => each.url === '/shop')
        const body = new Webhook(secret!).verify(request!.body, request!.headers as Record<string, string>)
        expect(body).toMatchObject({ id, type: 'order.paid', data: { order: 1 } })
      } finally {
        await publisher.stop()
        await engine.stop()
      }
    })

    it('a rollback leaves nothing', async () => {
      const before = await countRows(test.database)
      const changedMind = new Error('changed my mind')
      const work = opened.inTransaction(async (transaction) => {
        await opened.run(transaction, 'INSERT INTO public.orders (id) VALUES (1)')
        await postrider.publish(event(), { transaction })
        await postrider.publishMany([event(), event()], { transaction })
        throw changedMind
      })
      await expect(work).rejects.toBe(changedMind)
      expect(await countRows(test.database)).toEqual(before)
      expect(await counts()).toEqual({ orders: 0, events: 0, deliveries: 0 })
    })

    it('a statement that fails after it leaves nothing of it', async () => {
      const work = opened.inTransaction(async (transaction) => {
        await postrider.publish(event(), { transaction })
        await opened.run(transaction, 'INSERT INTO public.orders (id) VALUES (1), (1)')
      })
      await expect(work).rejects.toThrow(/duplicate key|Raw query failed|Failed query/)
      expect(await counts()).toEqual({ orders: 0, events: 0, deliveries: 0 })
    })

    it('many are published in the order given', async () => {
      const ids = Array.from({ length: 100 }, () => randomUUID())
      let published: unknown
      await opened.inTransaction(async (transaction) => {
        const events = ids.map((id, order) => event({ id, data: { order } }))
        published = await postrider.publishMany(events, { transaction })
      })
      expect(published).toEqual(ids.map((id) => ({ id, deliveries: 1, duplicate: false })))
      expect(await counts()).toEqual({ orders: 0, events: 100, deliveries: 100 })
    })

    it('within a trace the events have its id, one or many', async () => {
      new NodeTracerProvider().register()
      onTestFinished(() => {
        trace.disable()
        context.disable()
        propagation.disable()
      })
      await opened.inTransaction(async (transaction) => {
        await postrider.publish(event(), { transaction })
        await postrider.publishMany([event(), event()], { transaction })
      })
      const { rows } = await test.database.query<{ traceparent: string | null }>(
        'SELECT DISTINCT traceparent FROM postrider.events WHERE project_id = $1::uuid',
        [projectId],
      )
      expect(rows).toHaveLength(2)
      for (const { traceparent } of rows) expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    })

    it('an id that was published before is a duplicate, and with other content a conflict', async () => {
      const id = randomUUID()
      const timestamp = '2026-01-01T10:00:00.123456+01:00'
      const given = event({ id, timestamp, environmentName: 'live' })
      for (const duplicate of [false, true]) {
        await opened.inTransaction(async (transaction) => {
          const published = await postrider.publish(given, { transaction })
          expect(published).toEqual({ id, deliveries: 1, duplicate })
        })
      }
      const other = { ...given, data: { order: 2 } }
      expect(await refused((transaction) => postrider.publish(other, { transaction }))).toMatchObject({
        code: 'event_conflict',
        message: `id ${id} was published before with other content`,
        errors: [{ path: 'id' }],
      })
      const many = [event(), other]
      expect(await refused((transaction) => postrider.publishMany(many, { transaction }))).toMatchObject({
        code: 'event_conflict',
        errors: [{ path: 'events[1].id' }],
      })
      expect(await counts()).toEqual({ orders: 0, events: 1, deliveries: 1 })
    })

    it('what is refused is refused with the same words as without a transaction', async () => {
      const wrong: Partial<NewEvent>[] = [
        { type: 'a b' },
        { data: 'a\0b' },
        { data: '\ud800' },
        { data: 'x'.repeat(262_144) },
        { data: Array.from({ length: 70 }).reduce((inner) => [inner], 1 as unknown) },
        { data: rawJson('1e2000') },
        { applicationId: randomUUID() },
        { environmentName: '' },
        { environmentName: 'a\0b' },
        { projectId: randomUUID() },
        { timestamp: '2026-13-01T00:00:00Z' },
      ]
      for (const fields of wrong) {
        const plain = await postrider.publish(event(fields)).catch((error: unknown) => error)
        expect(plain).toBeInstanceOf(PostriderError)
        const { code, message, errors } = plain as PostriderError
        const inIt = await refused((transaction) => postrider.publish(event(fields), { transaction }))
        expect(inIt).toMatchObject({ code, message, errors })
      }
      expect(await counts()).toEqual({ orders: 0, events: 0, deliveries: 0 })
    })

    it('after an error in it, that it cannot go on is said in words', async () => {
      const error = await refused(async (transaction) => {
        await expect(postrider.publish(event({ type: '' }), { transaction })).rejects.toMatchObject({
          code: 'validation_failed',
          errors: [{ path: 'type' }],
        })
        await postrider.publish(event(), { transaction })
      })
      expect(error.code).toBe('conflict')
      expect(error.message).toMatch(/^The transaction failed before this/)
      expect(await counts()).toEqual({ orders: 0, events: 0, deliveries: 0 })
    })

    it('every kind of JSON is sent byte for byte as without a transaction', async () => {
      const timestamp = new Date('2026-01-01T10:00:00.123Z')
      const otherId = await insertProject(test.database)
      const events = Object.values(kinds).map((data) => event({ id: randomUUID(), timestamp, data }))
      await opened.inTransaction(async (transaction) => {
        for (const one of events) await postrider.publish(one, { transaction })
        const again = await postrider.publishMany(events, { transaction })
        expect(again.map(({ duplicate }) => duplicate)).toEqual(events.map(() => true))
      })
      for (const one of events) await publish(test.database, { ...one, projectId: otherId })
      const payloads = async (id: string): Promise<string[]> => {
        const { rows } = await test.database.query<{ payload: string }>(
          `SELECT payload FROM postrider.events WHERE project_id = $1::uuid ORDER BY array_position($2::uuid[], id)`,
          [id, events.map((each) => each.id)],
        )
        return rows.map(({ payload }) => payload.replace(id, 'ID'))
      }
      const sent = await payloads(projectId)
      expect(sent).toEqual(await payloads(otherId))
      const data = sent.map((payload) => (JSON.parse(payload) as { data: unknown }).data)
      expect(data).toEqual(events.map((each) => JSON.parse(JSON.stringify(each.data)) as unknown))
      expect(sent.join('')).toContain('"n": 12345678901234567890.10')
    })

    it('what is in no transaction is refused, with what to give', async () => {
      const before = await countRows(test.database)
      for (const transaction of opened.outside as never[]) {
        await expect(postrider.publish(event(), { transaction })).rejects.toMatchObject({
          code: 'validation_failed',
          message: expect.stringContaining(`transaction is in no open transaction of ${library}: give the`),
        })
        await expect(postrider.publishMany([event()], { transaction })).rejects.toMatchObject({
          errors: [{ path: 'transaction' }],
        })
      }
      expect(await countRows(test.database)).toEqual(before)
    })
  })
}
