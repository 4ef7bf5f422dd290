import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { rawRequests } from '../corpora/bad-requests.ts'
import { startApi } from '../support/api.ts'
import { countRows } from '../support/rows.ts'

const api = await startApi()
const project = await api.createProject()
const events = `${project.path}/events`

/** Everything that comes back until the server closes the connection. */
async function exchange(request: string): Promise<string> {
  const socket = connect(Number(new URL(api.url).port), '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
  socket.on('error', () => {})
  const text = request.replaceAll('{events}', events).replaceAll('{key}', project.publish)
  socket.write(Buffer.from(text, 'latin1'))
  await once(socket, 'close')
  return answer
}

test.each(rawRequests)('$title is answered with $statuses', async ({ request, statuses }) => {
  const before = await countRows(api.database)
  const answer = await exchange(request)
  expect(Array.from(answer.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => Number(status))).toEqual(
    statuses,
  )
  const published = statuses.filter((status) => status === 202).length
  expect(await countRows(api.database)).toEqual({
    ...before,
    events: before['events']! + published,
    event_ids: before['event_ids']! + published,
  })
  expect((await api.call('GET', '/healthz')).status).toBe(200)
})

test('a compressed body is refused, however it is sent', async () => {
  for (const encoding of ['gzip', 'deflate', 'br', 'zstd', 'compress', 'gzip, identity', 'x']) {
    const answer = await api.call('POST', events, {
      raw: new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
      headers: { 'content-encoding': encoding },
    })
    expect(answer).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } })
  }
})

test('an answer to HEAD or to what is not there has the same headers as any other', async () => {
  const names = ['content-security-policy', 'x-content-type-options', 'x-request-id', 'cache-control']
  for (const [method, path] of [
    ['HEAD', project.path],
    ['HEAD', '/nothing'],
    ['OPTIONS', events],
    ['PUT', events],
    ['GET', `${events}/x`],
  ] as const) {
    const { headers, text } = await api.call(method, path)
    expect(names.filter((name) => !headers.has(name))).toEqual([])
    if (method === 'HEAD') expect(text).toBe('')
  }
})
