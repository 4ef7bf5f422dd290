import { expect, test } from 'vitest'
import { LiveStream } from '../../src/api/live-stream.ts'
import { startApi, type TestApi } from '../support/api.ts'

const api = await startApi()

interface Sent {
  event?: string
  id?: string
  // oxlint-disable-next-line typescript/no-explicit-any -- what it is, the test says
  data?: any
}

/** What a client of the stream reads; `next` waits for an event. */
async function watch(
  path: string,
  key: string,
  { from = api, lastEventId = '' }: { from?: Pick<TestApi, 'url'>; lastEventId?: string } = {},
) {
  const abort = new AbortController()
  const response = await fetch(`${from.url}${path}/live`, {
    headers: { authorization: `Bearer ${key}`, ...(lastEventId && { 'last-event-id': lastEventId }) },
    signal: abort.signal,
  })
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  /** The next block; `undefined` at the end of the stream. */
  async function block(): Promise<string | undefined> {
    while (!text.includes('\n\n')) {
      const { value, done } = await reader.read()
      if (done) return undefined
      text += value
    }
    const end = text.indexOf('\n\n')
    const found = text.slice(0, end)
    text = text.slice(end + 2)
    return found
  }
  async function next(): Promise<Sent | undefined> {
    const found = await block()
    if (found === undefined) return undefined
    if (found.startsWith(':')) return next()
    const sent: Record<string, string> = Object.fromEntries(
      found.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
    )
    return { ...sent, data: JSON.parse(sent['data']!) }
  }
  // From here on it tells what happens.
  if (response.ok) expect(await block()).toBe(': open')
  return { response, block, next, close: () => abort.abort() }
}

async function setUp() {
  const project = await api.createProject()
  await api.call('POST', `${project.path}/webhooks`, { json: { name: 'w', url: 'https://example.com' } })
  const publish = async (data: unknown = 1) =>
    (await api.call('POST', `${project.path}/events`, { json: { type: 'a.b', data } })).body
  return { project, publish }
}

async function record(deliveryId: string): Promise<void> {
  await api.database.query(
    `INSERT INTO postrider.webhook_delivery_attempts (delivery_id, attempt, started_at, duration_ms, outcome, response_status)
     VALUES ($1::uuid, 1, now(), 7, 'retry', 503)`,
    [deliveryId],
  )
}

test('a delivery shows when it was created and when an attempt was recorded, whichever process did it', async () => {
  const { project, publish } = await setUp()
  const client = await watch(project.path, project.view)
  expect(client.response.headers.get('content-type')).toBe('text/event-stream')
  await publish()
  const created = (await client.next())!
  const [newest] = (await api.call('GET', `${project.path}/deliveries`)).body.deliveries
  expect(created).toMatchObject({
    event: 'delivery',
    id: expect.stringMatching(/^\d{13}$/),
    data: { change: 'created' },
  })
  expect(Object.keys(created.data.delivery)).toEqual(Object.keys(newest))
  await record(newest.id)
  const sent = await client.next()
  expect(sent!.data).toMatchObject({
    change: 'attempt',
    delivery: { id: newest.id, event_type: 'a.b' },
    attempt: { attempt: 1, outcome: 'retry', duration_ms: 7, response_status: 503 },
  })
  client.close()
})

test('a client that comes back is told what it missed, or that too long has passed', async () => {
  const { project, publish } = await setUp()
  const before = Date.now()
  const { id } = await publish('missed')
  const resumed = await watch(project.path, project.view, { lastEventId: String(before) })
  expect(await resumed.next()).toMatchObject({
    event: 'delivery',
    data: { change: 'created', delivery: { event_id: id } },
  })
  resumed.close()
  const late = await watch(project.path, project.view, { lastEventId: String(before - 3_600_000) })
  expect(await late.next()).toEqual({
    event: 'gap',
    data: { since: new Date(before - 3_600_000).toISOString(), reason: 'too_old' },
  })
  late.close()
})

test('nothing of another project is told, and a key that is revoked ends the stream', async () => {
  const { project, publish } = await setUp()
  const other = await setUp()
  const json = { name: 'short', role: 'view' }
  const key = (await api.call('POST', `${other.project.path}/api-keys`, { json })).body
  expect((await watch(project.path, key.key)).response.status).toBe(404)
  const client = await watch(other.project.path, key.key)
  await publish()
  const { id } = await other.publish()
  expect((await client.next())!.data.delivery.event_id).toBe(id)
  await api.call('DELETE', `${other.project.path}/api-keys/${key.id}`)
  expect(await client.next()).toBeUndefined()
})

test('a key opens ten streams, and a server that stops ends them', async () => {
  const stopping = await startApi()
  const project = await stopping.createProject()
  const clients = []
  for (let count = 0; count < 10; count += 1) {
    clients.push(await watch(project.path, project.view, { from: stopping }))
  }
  const refused = await watch(project.path, project.view, { from: stopping })
  expect(refused.response.status).toBe(429)
  expect(refused.response.headers.get('retry-after')).toBe('5')
  const closing = clients.pop()!
  closing.close()
  await expect
    .poll(async () => {
      const again = await watch(project.path, project.view, { from: stopping })
      if (again.response.status === 200) clients.push(again)
      return again.response.status
    })
    .toBe(200)
  const head = await fetch(`${stopping.url}${project.path}/live`, {
    method: 'HEAD',
    headers: { authorization: `Bearer ${project.manage}` },
  })
  expect(head.status).toBe(200)
  await stopping.stopServer()
  for (const client of clients) {
    while ((await client.block()) !== undefined);
  }
})

test('a client that reads too slowly is left out, and told so when it reads again', async () => {
  const stream = new LiveStream()
  const change = { change: 'created', delivery: { event_type: 'x'.repeat(10_000) }, attempt: null } as never
  for (let count = 0; count < 100; count += 1) stream.send(change, new Date(count))
  const reader = stream.body.getReader()
  let text = ''
  for (let count = 0; !text.includes('event: gap'); count += 1) {
    const { value } = await reader.read()
    text += new TextDecoder().decode(value)
    if (count === 25) stream.send(change, new Date(1_000))
  }
  expect(text.split('event: delivery').length - 1).toBeLessThan(40)
  expect(text).toContain('"reason":"slow_client"')
})
