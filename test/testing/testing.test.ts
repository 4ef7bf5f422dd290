import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PostriderClient } from '../../src/client/client.ts'
import { Postrider } from '../../src/postrider.ts'
import {
  type ReceiverOptions,
  startReceiver as start,
  startTestPostrider,
  type TestPostrider,
  TestTime,
} from '../../src/testing/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { encryptionKeys } from '../support/running.ts'

const { connectionString, database } = await createTestDatabase()
let test: TestPostrider
beforeAll(async () => {
  test = await startTestPostrider({ connectionString })
})
afterAll(() => test.stop())

/** With more patience than one usually has: this machine may be busy. */
function startReceiver(options: ReceiverOptions = {}) {
  return start({ timeoutMs: 15_000, ...options })
}

/** The only delivery of an event. */
async function deliveryOf(eventId: string) {
  const { rows } = await test.postrider.deliveries.list(test.projectId, { event_id: eventId })
  return rows[0]!
}

function publish(type: string, data: unknown = {}) {
  return test.publish({ type, data })
}

describe('a test with a receiver', () => {
  it('gets the event, verified', async () => {
    await using receiver = await startReceiver()
    await test.subscribe(receiver, { event_types: ['order.*'] })
    const { id } = await publish('order.paid', { order: 7 })
    const { event, attempt, answered, problem, headers } = await receiver.next<{ order: number }>(
      'order.paid',
    )
    expect(event!.data.order).toBe(7)
    expect([event!.id, attempt, answered, problem, headers['webhook-id']]).toEqual([id, 1, 204, null, id])
    expect(await receiver.received('order.paid')).toEqual([event])
  })

  it('sees each retry without waiting for it', async () => {
    await using receiver = await startReceiver()
    await test.subscribe(receiver, { event_types: ['retried'] })
    receiver.fail({ status: 503, times: 2, body: 'closed' })
    const { id } = await publish('retried')
    expect(await receiver.next('retried')).toMatchObject({ attempt: 1, answered: 503, problem: null })
    const seconds = await test.time.advanceToNextTry()
    expect(seconds).toBeGreaterThan(30)
    expect(seconds).toBeLessThan(67)
    expect(await receiver.next('retried')).toMatchObject({ attempt: 2, answered: 503 })
    expect(await test.time.advance(200)).toBe(0)
    expect(await test.time.advance(140)).toBe(1)
    expect(await receiver.next('retried')).toMatchObject({ attempt: 3, answered: 204 })
    await test.time.settled()
    expect(await deliveryOf(id)).toMatchObject({ status: 'delivered', attempts: 3 })
    expect(await receiver.received()).toHaveLength(1)
    expect(await test.time.advanceToNextTry()).toBeNull()
    expect(await test.time.advance(86_400)).toBe(0)
  })

  it('sees a delivery fail for good, after as many tries as it has', async () => {
    await using receiver = await startReceiver()
    await test.subscribe(receiver, { event_types: ['doomed'] })
    receiver.fail({ times: 100 })
    const { id } = await publish('doomed')
    while ((await test.time.advanceToNextTry()) !== null);
    expect(await deliveryOf(id)).toMatchObject({ status: 'failed', attempts: 6, last_error: 'http 500' })
    expect(receiver.requests.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5, 6])
    receiver.recover()
    await test.postrider.deliveries.retry(test.projectId, (await deliveryOf(id)).id)
    expect(await receiver.received('doomed')).toHaveLength(1)
  })

  it('has it hang, break the connection and ask for patience', async () => {
    await using receiver = await startReceiver()
    await test.subscribe(receiver, { event_types: ['bad'] })
    receiver.hang()
    receiver.reset()
    receiver.fail({ status: 429, retryAfterSeconds: 7_200 })
    const { id } = await publish('bad')
    const errors: (string | null)[] = []
    for (const answered of ['hang', 'reset', 429] as const) {
      expect(await receiver.next()).toMatchObject({ answered })
      await test.time.settled()
      errors.push((await deliveryOf(id)).last_error)
      if (answered !== 429) await test.time.advanceToNextTry()
    }
    expect(errors).toEqual(['timeout after 1000 ms', expect.stringMatching(/^connection/), 'http 429'])
    const seconds = await test.time.advanceToNextTry()
    expect(seconds).toBeGreaterThan(7_100)
    expect(seconds).toBeLessThan(7_210)
    expect(await receiver.next()).toMatchObject({ answered: 204, attempt: 4 })
  })

  it('refuses what another secret signed, and says so when it waits in vain', async () => {
    await using receiver = await startReceiver({ secret: `whsec_${Buffer.alloc(32).toString('base64')}` })
    const { id: webhookId } = await test.postrider.webhooks.create(test.projectId, {
      name: 'unknown here',
      url: receiver.url,
      event_types: ['unknown'],
    })
    await publish('unknown')
    const { event, problem, answered } = await receiver.next('unknown')
    expect([event, problem!.code, answered]).toEqual([null, 'signature_mismatch', 401])
    await expect(receiver.received('unknown', { timeoutMs: 20 })).rejects.toThrow(
      /waited 20 ms for 1 accepted event of unknown. What came in:\n {2}unknown, attempt 1, answered 401: no signature fits/,
    )
    await test.postrider.webhooks.delete(test.projectId, webhookId)
    await using other = await startReceiver()
    await expect(other.next(undefined, { timeoutMs: 20 })).rejects.toThrow('Nothing came in.')
    expect(() => other.fail({ times: 0 })).toThrow(RangeError)
  })

  it('hands out each request once, however many wait for it', async () => {
    await using receiver = await startReceiver()
    await test.subscribe(receiver, { event_types: ['awaited'] })
    const both = Promise.all([receiver.next('awaited'), receiver.next('awaited')])
    const first = await publish('awaited', 1)
    await receiver.received('awaited')
    const second = await publish('awaited', 2)
    const awaited = (await both).map(({ event }) => event?.id)
    expect(new Set(awaited)).toEqual(new Set([first.id, second.id]))
    expect(awaited).toHaveLength(2)
  })

  it('trusts a webhook with a public key as well', async () => {
    await using receiver = await startReceiver()
    await test.subscribe(receiver, { event_types: ['asymmetric'], signature_scheme: 'v1a' })
    await publish('asymmetric')
    expect(await receiver.received('asymmetric')).toHaveLength(1)
  })

  it('moves the time of an endpoint that is down, too, and does not wait for its probes', async () => {
    await using receiver = await startReceiver()
    await test.subscribe(receiver, { event_types: ['down'], policy: { retry_seconds: [600] } })
    receiver.fail({ status: 503, times: 1_000 })
    const publishSome = (count: number) =>
      test.postrider.publishMany(
        Array.from({ length: count }, (_, data) => ({ projectId: test.projectId, type: 'down', data })),
      )
    const list = async () =>
      (await test.postrider.deliveries.list(test.projectId, { event_type: 'down' })).rows
    await publishSome(10)
    await expect
      .poll(async () => (await database.query('SELECT FROM postrider.webhook_breakers')).rowCount)
      .toBe(1)
    await publishSome(10)
    await test.time.settled()
    expect((await list()).some(({ status, attempts }) => status === 'pending' && attempts === 0)).toBe(true)
    receiver.recover()
    await test.time.advance(60)
    await test.time.settled()
    await test.time.advance(600)
    await test.time.settled()
    expect((await list()).map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 'delivered'))
  })

  it('waits for a line until its last one is through', async () => {
    await using receiver = await startReceiver()
    await test.subscribe(receiver, { event_types: ['line'], policy: { ordered: true } })
    const events = [1, 2, 3].map((number) => ({ projectId: test.projectId, type: 'line', data: { number } }))
    await test.postrider.publishMany(events)
    await test.time.settled()
    const received = await receiver.received<{ number: number }>('line')
    expect(received.map(({ data }) => data.number)).toEqual([1, 2, 3])
  })
})

it('a client speaks to it without a socket', async () => {
  const { fetch, key, projectId } = test
  const client = new PostriderClient({ baseUrl: 'http://postrider', key, fetch })
  const { id } = await client.publishEvent(projectId, { type: 'by.client', data: {} })
  expect(await client.getEvent(projectId, id)).toMatchObject({ type: 'by.client' })
})

it('its streams end with their signal, and with itself', async () => {
  const own = await startTestPostrider({ connectionString })
  const { fetch, key, projectId } = own
  const client = new PostriderClient({ baseUrl: 'http://postrider', key, fetch })
  const follow = async (told: (state: 'open' | 'lost', end: () => void) => void): Promise<void> => {
    const ending = new AbortController()
    const { signal } = ending
    const onConnection = (state: 'open' | 'lost') => {
      setImmediate(() => told(state, () => ending.abort()))
    }
    for await (const { event } of client.streamEvents(projectId, {}, { signal, onConnection })) {
      throw new Error(`nothing was published: ${event}`)
    }
  }
  await follow((_state, end) => end())
  await follow((state, end) => (state === 'lost' ? end() : void own.stop()))
  await own.stop()
})

describe('the moved time', () => {
  it('is that of one project, and works with whatever process delivers', async () => {
    await using receiver = await startReceiver()
    const own = await startTestPostrider({ connectionString })
    await own.subscribe(receiver)
    receiver.fail()
    await own.publish({ type: 'a', data: {} })
    await receiver.next('a')
    // Here `test` delivers and `own` moves, or the other way round: both work on the database.
    await own.time.settled()
    expect(await test.time.advance(100)).toBe(0)
    expect(await own.time.advance(100)).toBe(1)
    expect(await receiver.next('a')).toMatchObject({ attempt: 2 })
    await own.stop()
    const { rows } = await database.query<{ count: string }>(
      `SELECT COUNT(*) AS count FROM postrider.projects WHERE id = $1::uuid`,
      [own.projectId],
    )
    expect(rows).toEqual([{ count: '0' }])
    expect(await test.postrider.projects.get(test.projectId)).toMatchObject({ id: test.projectId })
  })

  it('says so when nobody delivers', async () => {
    const idle = await createTestDatabase()
    const postrider = new Postrider({
      connectionString: idle.connectionString,
      encryptionKeys,
      allowHttp: true,
    })
    const { id: projectId } = await postrider.projects.create({ name: 'idle' })
    await postrider.webhooks.create(projectId, { name: 'w', url: 'http://example.com/' })
    await postrider.publish({ projectId, type: 'a', data: {} })
    const time = new TestTime({ pool: idle.database.pool, projectId, timeoutMs: 30 })
    await expect(time.advance(60)).rejects.toThrow('nobody delivers')
    await time.close()
    await postrider.stop()
    expect((await idle.database.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })
})

it('without a database it starts one, which leaves nothing behind', async () => {
  await using receiver = await startReceiver()
  const own = await startTestPostrider()
  const mine = (await readdir(tmpdir())).filter((name) =>
    name.startsWith(`postrider-testing-${process.pid}-`),
  )
  expect(mine).toHaveLength(1)
  await own.subscribe(receiver)
  await own.publish({ type: 'a', data: {} })
  expect(await receiver.received('a')).toHaveLength(1)
  await own.stop()
  await own.stop()
  expect(existsSync(`${tmpdir()}/${mine[0]!}`)).toBe(false)
}, 60_000)
