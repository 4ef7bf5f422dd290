import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { EventTail, resumeFrom } from '../../src/api/event-tail.ts'
import { LiveStream } from '../../src/api/live-stream.ts'
import {
  type EventEnvelope,
  type Message,
  PostriderClient,
  type StreamOptions,
} from '../../src/client/client.ts'
import { newId } from '../../src/ids.ts'
import { startApi } from '../support/api.ts'

const api = await startApi()

async function setUp() {
  const { id, view, path } = await api.createProject()
  const project = new PostriderClient({ baseUrl: api.url, key: api.adminKey }).project(id)
  const publish = async (data: unknown = 1, type = 'a.b') => (await project.publishEvent({ type, data })).id
  const tail = new EventTail((after) => api.postrider.inProject(id).newEvents(id, after))
  return { id, view, path, project, publish, tail }
}

/** A connection of the application's own. */
async function connect(): Promise<Client> {
  const client = new Client({ connectionString: api.connectionString })
  await client.connect()
  onTestFinished(() => client.end())
  return client
}

async function publishOn(client: Client, projectId: string, data: number): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT id FROM postrider.publish(project_id => $1::uuid, type => 'a.b', data => $2::jsonb)`,
    [projectId, data],
  )
  return rows[0]!.id
}

async function look(tail: EventTail): Promise<string[]> {
  const ids: string[] = []
  for await (const { payload } of tail.look()) ids.push((JSON.parse(payload) as EventEnvelope).id)
  return ids
}

/** What a client reads of a stream; `next` waits. */
async function watch(
  project: { streamEvents: (query: object, options: StreamOptions) => AsyncIterable<Message> },
  { types, lastEventId }: { types?: string; lastEventId?: string } = {},
) {
  const abort = new AbortController()
  onTestFinished(() => abort.abort())
  const { promise: isOpen, resolve, reject } = Promise.withResolvers<void>()
  const stream = project.streamEvents(types === undefined ? {} : { types }, {
    signal: abort.signal,
    ...(lastEventId !== undefined && { lastEventId }),
    onConnection: () => resolve(),
  })
  const messages = stream[Symbol.asyncIterator]()
  const first = messages.next()
  first.catch(reject)
  await isOpen
  let isFirst = true
  return async (): Promise<Message> => {
    const { value, done } = await (isFirst ? first : messages.next())
    isFirst = false
    if (done) throw new Error('the stream ended')
    return value
  }
}

test('an event comes with the very text that receivers get, those that match no webhook too', async () => {
  const { id, project } = await setUp()
  const next = await watch(project)
  const json = '{"type":"a.b","data":{"n":12345678901234567890.10,"text":"é\\n\\u2028"}}'
  const { body } = await api.call('POST', `/api/projects/${id}/events`, { raw: json })
  const { text, event } = await next()
  expect(event).toBe('event')
  const { rows } = await api.database.query<{ payload: string }>(
    `SELECT payload FROM postrider.events WHERE id = $1::uuid`,
    [body.id],
  )
  expect(text).toBe(rows[0]!.payload)
  expect(text).toContain('12345678901234567890.10')
})

test('only the types come that were asked for, and types that are none are told', async () => {
  const { project, publish, path, view } = await setUp()
  const next = await watch(project, { types: 'a.*, c' })
  await publish(1, 'a')
  await publish(2, 'a.b.c')
  await publish(3, 'b')
  await publish(4, 'c')
  const types = [await next(), await next()].map(({ data }) => (data as EventEnvelope).type)
  expect(types).toEqual(['a.b.c', 'c'])
  for (const wrong of ['', 'a b', 'a.**', 'x,', 'x'.repeat(256)]) {
    const answer = await api.call('GET', `${path}/live/events?types=${encodeURIComponent(wrong)}`, {
      key: view,
    })
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ path: 'types' }] } })
  }
})

test('what was missed while the connection was gone comes again from where it was', async () => {
  const { project, publish } = await setUp()
  const next = await watch(project)
  const first = await publish('first')
  const { data, id: lastEventId } = await next()
  expect((data as EventEnvelope).id).toBe(first)
  const second = await publish('second')
  const resumed = await watch(project, { lastEventId: lastEventId! })
  const seen = new Set<string>()
  while (!seen.has(second)) seen.add(((await resumed()).data as EventEnvelope).id)
  const past = new Date(Date.now() - 7_200_000)
  const late = await watch(project, { lastEventId: `${past.getTime()}-3` })
  expect(await late()).toMatchObject({ event: 'gap', data: { since: past.toISOString(), reason: 'too_old' } })
  for (const none of ['x', '1', `${past.getTime()}-99999999999`]) expect(resumeFrom(none)).toBeUndefined()
})

test('an event comes when it is committed, however long before it was written', async () => {
  const { id, publish, tail } = await setUp()
  const [early, late] = [await connect(), await connect()]
  await early.query('BEGIN')
  const hidden = await publishOn(early, id, 1)
  await tail.begin(undefined)
  expect(await look(tail)).toEqual([])
  const quick = await publish()
  await late.query('BEGIN')
  await late.query('SAVEPOINT inner_one')
  const nested = await publishOn(late, id, 2)
  await late.query('RELEASE inner_one')
  expect(await look(tail)).toEqual([quick])
  await early.query('COMMIT')
  expect(await look(tail)).toEqual([hidden])
  await late.query('COMMIT')
  expect(await look(tail)).toEqual([nested])
  expect(await look(tail)).toEqual([])
})

test('an event whose transaction began minutes ago is found by the next far look, and by no other twice', async () => {
  const { id, publish, tail } = await setUp()
  await tail.begin(undefined)
  const client = await connect()
  const found = await look(tail)
  await client.query('BEGIN')
  const old = await publishOn(client, id, 1)
  await client.query(
    `UPDATE postrider.events SET created_at = now() - interval '5 minutes' WHERE id = $1::uuid`,
    [old],
  )
  await client.query('COMMIT')
  const recent = await publish()
  for (let count = 0; count < 16; count += 1) found.push(...(await look(tail)))
  expect(found.toSorted()).toEqual([old, recent].toSorted())
  expect(tail.hasMoved()).toBe(true)
})

test('of many transactions that end in any order each event comes once, page after page', async () => {
  const { id, project, tail } = await setUp()
  await tail.begin(undefined)
  const clients = await Promise.all(Array.from({ length: 6 }, connect))
  const found: string[] = []
  const published: string[] = []
  const open = new Set<Client>()
  let seed = 7
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return seed % below
  }
  for (let step = 0; step < 150; step += 1) {
    const client = clients[random(clients.length)]!
    if (!open.has(client)) {
      await client.query('BEGIN')
      open.add(client)
    } else if (random(3) > 0) published.push(await publishOn(client, id, step))
    else {
      await client.query('COMMIT')
      open.delete(client)
    }
    if (random(4) === 0) found.push(...(await look(tail)))
  }
  for (const client of open) await client.query('COMMIT')
  const { events } = await project.publishEvents({
    events: Array.from({ length: 350 }, (_, n) => ({ type: 'a.b', data: n, id: newId() })),
  })
  published.push(...events.map((event) => event.id))
  found.push(...(await look(tail)))
  for (let count = 0; count < 16; count += 1) found.push(...(await look(tail)))
  expect(found).toHaveLength(published.length)
  expect(found.toSorted()).toEqual(published.toSorted())
})

test('a client that reads slowly misses nothing', async () => {
  const { project } = await setUp()
  const next = await watch(project)
  const data = 'x'.repeat(100_000)
  const ids: string[] = []
  for (let count = 0; count < 12; count += 1) {
    ids.push((await project.publishEvent({ type: 'a.b', data: `${count}${data}` })).id)
  }
  // More than is buffered on the way waits on the server by now, or will.
  const read = new Set<string>()
  while (read.size < ids.length) read.add(((await next()).data as EventEnvelope).id)
  expect([...read].toSorted()).toEqual(ids.toSorted())
})

test('a stream has room until as much is unread as it may hold', () => {
  const stream = new LiveStream()
  expect(stream.mayWrite).toBe(true)
  stream.write('x'.repeat(300_000))
  expect(stream.mayWrite).toBe(false)
  stream.end()
  expect(stream.mayWrite).toBe(false)
})

test('nothing of another project comes, and a key that is revoked ends the stream', async () => {
  const { id, publish } = await setUp()
  const other = await setUp()
  const { key, id: keyId } = await other.project.createApiKey({ name: 'short', role: 'view' })
  const viewer = new PostriderClient({ baseUrl: api.url, key })
  const next = await watch(viewer.project(other.id))
  await expect(watch(viewer.project(id))).rejects.toMatchObject({ status: 404 })
  await publish()
  const own = await other.publish()
  expect((await next()).data).toMatchObject({ id: own })
  await other.project.deleteApiKey(keyId)
  await expect(next()).rejects.toMatchObject({ status: 401 })
})

test('a key opens ten streams, and a server that stops ends them', async () => {
  const stopping = await startApi()
  const { path, view } = await stopping.createProject()
  const open = () =>
    fetch(`${stopping.url}${path}/live/events`, { headers: { authorization: `Bearer ${view}` } })
  const streams = await Promise.all(Array.from({ length: 10 }, open))
  expect(streams.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200))
  const refused = await open()
  expect(refused.status).toBe(429)
  await refused.body?.cancel()
  await stopping.stopServer()
  for (const stream of streams) expect(await stream.text()).toContain(': open')
})
