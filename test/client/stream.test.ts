import { expect, onTestFinished, test, vi } from 'vitest'
import { PostriderApiError, PostriderClient, type StreamOptions } from '../../src/client/client.ts'
import { startApi } from '../support/api.ts'
import { answer, FlakyServer } from './flaky-server.ts'

const api = await startApi()
const id = '019a8c2e-0a3b-7d5c-9e1f-4b7a8c2d6e90'

/** Headers of a stream, and some of it; the connection stays open unless it is cut. */
function stream(text: string, { isCut = false } = {}) {
  return (_request: unknown, response: import('node:http').ServerResponse) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(text, () => {
      if (isCut) response.socket!.destroy()
    })
  }
}

test('a stream goes on where it was cut, over as many connections as it takes, until it is refused', async () => {
  await using flaky = await FlakyServer.start(
    stream(': open\n\nid: 1\n\nevent: event\nid: 2\ndata: {"id":"a"}\n\nevent: event\nid: 3\nda', {
      isCut: true,
    }),
    answer(503, '', { 'retry-after': '0' }),
    stream('event: gap\ndata: {"since":"x",\ndata: "reason":"too_old"}\n\nid: 9\n\n', { isCut: true }),
    answer(401, { code: 'unauthorized', detail: 'no more' }),
  )
  const client = new PostriderClient({ baseUrl: flaky.url, key: 'k' })
  const messages: unknown[] = []
  const states: string[] = []
  const read = async (): Promise<void> => {
    const options = { lastEventId: '0', onConnection: (state: string) => void states.push(state) }
    for await (const message of client.streamEvents(id, { types: 'a.*' }, options)) messages.push(message)
  }
  const error = await read().catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(PostriderApiError)
  expect(error).toMatchObject({ code: 'unauthorized', status: 401 })
  expect(messages).toEqual([
    { event: 'event', id: '2', text: '{"id":"a"}', data: { id: 'a' } },
    {
      event: 'gap',
      id: '2',
      text: '{"since":"x",\n"reason":"too_old"}',
      data: { since: 'x', reason: 'too_old' },
    },
  ])
  expect(states).toEqual(['open', 'lost', 'lost', 'open', 'lost'])
  expect(flaky.seen.map(({ headers }) => headers['last-event-id'])).toEqual(['0', '2', '2', '9'])
  expect(flaky.seen[0]).toMatchObject({ url: `/api/projects/${id}/live/events?types=a.*` })
})

test('a stream ends quietly with its signal, or with the loop', async () => {
  await using flaky = await FlakyServer.start(
    stream('event: event\ndata: 1\n\nevent: event\ndata: 2\n\nevent: event\ndata: 3\n\n'),
  )
  const client = new PostriderClient({ baseUrl: flaky.url, key: 'k' })
  const abort = new AbortController()
  const read: unknown[] = []
  for await (const { data } of client.streamEvents(id, {}, { signal: abort.signal })) {
    read.push(data)
    if (read.length === 2) abort.abort()
  }
  expect(read).toEqual([1, 2])
  for await (const { data } of client.streamEvents(id)) {
    expect(data).toBe(1)
    break
  }
})

test('a message that takes long does not make the connection silent', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const sent = Promise.withResolvers<import('node:http').ServerResponse>()
  await using flaky = await FlakyServer.start((request, response) => {
    stream('event: event\ndata: 1\n\n')(request, response)
    sent.resolve(response)
  })
  const client = new PostriderClient({ baseUrl: flaky.url, key: 'k' })
  const states: string[] = []
  const options = { onConnection: (state: string) => void states.push(state) }
  for await (const { data } of client.streamEvents(id, {}, options)) {
    if (Number(data) === 2) break
    vi.advanceTimersByTime(600_000)
    const response = await sent.promise
    response.write('event: event\ndata: 2\n\n')
  }
  expect(states).toEqual(['open'])
  expect(flaky.seen).toHaveLength(1)
})

test('a connection that nothing comes over is given up, and another one made', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  await using flaky = await FlakyServer.start(stream(': open\n\n'), answer(401, {}))
  const client = new PostriderClient({ baseUrl: flaky.url, key: 'k' })
  const errors: (string | undefined)[] = []
  const read = async (): Promise<void> => {
    const options: StreamOptions = {
      onConnection: (...[, error]) => {
        errors.push(error?.code)
        // Its silence, or the wait before the next try, is over.
        setImmediate(() => vi.advanceTimersByTime(60_000))
      },
    }
    for await (const event of client.streamEvents(id, {}, options)) expect(event).toBeUndefined()
  }
  await expect(read()).rejects.toMatchObject({ status: 401 })
  expect(errors).toEqual([undefined, 'timeout'])
})

/** The first message of a stream, once it is open. */
async function first<Found>(
  open: (options: StreamOptions) => AsyncIterable<Found>,
): Promise<{ message: Promise<Found> }> {
  const { promise: isOpen, resolve } = Promise.withResolvers<void>()
  const messages = open({ onConnection: () => resolve() })
  const message = (async () => {
    for await (const found of messages) return found
    throw new Error('the stream ended')
  })()
  await isOpen
  return { message }
}

test('events and deliveries of a real server come as they happen', async () => {
  const { id: projectId } = await api.createProject()
  const project = new PostriderClient({ baseUrl: api.url, key: api.adminKey }).project(projectId)
  await project.createWebhook({ name: 'w', url: 'https://example.com' })
  const event = await first((options) => project.streamEvents({ types: 'a.*' }, options))
  const delivery = await first((options) => project.streamDeliveries(options))
  await project.publishEvent({ type: 'b.a', data: 0 })
  const published = await project.publishEvent({ type: 'a.b', data: { n: 1 } })
  const found = await event.message
  expect(found).toMatchObject({ event: 'event', data: { id: published.id, type: 'a.b', data: { n: 1 } } })
  expect(JSON.parse(found.text)).toEqual((await project.getEvent(published.id)).payload)
  expect(await delivery.message).toMatchObject({
    event: 'delivery',
    data: { change: 'created', delivery: { event_type: expect.stringMatching(/^(a\.b|b\.a)$/) } },
  })
})
