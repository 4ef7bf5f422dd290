import { once } from 'node:events'
import { Agent, request as httpRequest, type RequestOptions } from 'node:http'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { createServer } from '../../src/api/server.ts'
import { Postrider } from '../../src/postrider.ts'
import { startApi } from '../support/api.ts'

const lines: Record<string, unknown>[] = []
const logger = Object.fromEntries(
  ['debug', 'info', 'warn', 'error'].map((level) => [
    level,
    (fields: object, message: string) => lines.push({ level, message, ...fields }),
  ]),
) as never
const api = await startApi({
  logger,
  corsOrigins: ['https://app.example.com'],
  trustedProxies: ['loopback', '10.0.0.0/8'],
  publicUrl: 'https://hooks.example.com/postrider',
})
const project = await api.createProject()
const port = Number(new URL(api.url).port)

/** A request written byte by byte; the answer up to the end of the connection. */
async function raw(text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk))
  socket.on('error', () => {})
  socket.write(text)
  await once(socket, 'close')
  return answer
}

test('an unknown path is 404, another method 405 with what is allowed', async () => {
  expect(await api.call('GET', '/nothing')).toMatchObject({ status: 404, body: { code: 'not_found' } })
  expect(await api.call('GET', '/api/projects/')).toMatchObject({ status: 404 })
  expect(await api.call('GET', '/API/projects')).toMatchObject({ status: 404 })
  const answer = await api.call('PUT', `${project.path}/webhooks`)
  expect(answer).toMatchObject({ status: 405, body: { code: 'method_not_allowed' } })
  expect(answer.headers.get('allow')).toBe('POST, GET, HEAD')
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect((await api.call('DELETE', '/healthz')).headers.get('allow')).toBe('GET, HEAD')
  expect((await api.call('GET', `${project.path}/events/batch`)).status).toBe(404)
})

test('HEAD is GET without the body', async () => {
  const answer = await api.call('HEAD', project.path)
  expect(answer).toMatchObject({ status: 200, text: '' })
  expect((await api.call('HEAD', project.path, { key: null })).status).toBe(401)
})

test('each answer has its id, and the headers that make it safe in browsers', async () => {
  const answer = await api.call('GET', project.path, { headers: { 'x-request-id': 'abc-123' } })
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'x-request-id': 'abc-123',
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  })
  const odd = await api.call('GET', '/nothing', { headers: { 'x-request-id': '<script>' } })
  expect(odd.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  expect(odd.headers.get('x-content-type-options')).toBe('nosniff')
})

test('each request is one line in the log, with ids and without anything secret', async () => {
  const webhook = await api.call('POST', `${project.path}/webhooks`, {
    key: project.manage,
    json: { name: 'logged', url: 'https://example.com', headers: { 'x-token': 'token-value' } },
  })
  lines.length = 0
  await api.call('GET', `${project.path}/webhooks/${webhook.body.id}?nonsense=query-value`, {
    key: project.view,
    headers: { 'x-request-id': 'r1', 'x-forwarded-for': '203.0.113.7, 10.1.2.3' },
  })
  await api.call('GET', `${project.path}/events?type=a&limt=1`, { key: project.view })
  await api.call('GET', '/healthz')
  expect(lines).toEqual([
    {
      level: 'info',
      message: 'request',
      request_id: 'r1',
      method: 'GET',
      route: '/api/projects/{project_id}/webhooks/{webhook_id}',
      project_id: project.id,
      webhook_id: webhook.body.id,
      status: 200,
      duration_ms: expect.any(Number),
      address: '203.0.113.7',
      key_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    },
    expect.objectContaining({ level: 'info', status: 422, code: 'validation_failed', address: '127.0.0.1' }),
    expect.objectContaining({ level: 'debug', route: '/healthz', status: 200 }),
  ])
  const written = JSON.stringify(lines)
  for (const secret of [
    project.view,
    project.manage,
    api.adminKey,
    'query-value',
    'token-value',
    webhook.body.secret,
  ]) {
    expect(written).not.toContain(secret)
  }
})

test('an origin that is allowed may read answers, another may not', async () => {
  const origin = 'https://app.example.com'
  const preflight = await fetch(`${api.url}${project.path}/events`, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    },
  })
  expect(preflight.status).toBe(204)
  expect(Object.fromEntries(preflight.headers)).toMatchObject({
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'GET,HEAD,POST,PATCH,DELETE',
    'access-control-allow-headers':
      'authorization,content-type,idempotency-key,last-event-id,traceparent,x-request-id',
  })
  for (const path of [project.path, '/nothing', `${project.path}/webhooks/x`]) {
    const answer = await api.call('GET', path, { headers: { origin } })
    expect(answer.headers.get('access-control-allow-origin')).toBe(origin)
    expect(answer.headers.get('vary')).toContain('Origin')
    const stranger = await api.call('GET', path, { headers: { origin: 'https://evil.example.com' } })
    expect(stranger.headers.get('access-control-allow-origin')).toBeNull()
  }
})

test('a body that is announced as too large is refused before it is read', async () => {
  const answer = await raw(
    `POST ${project.path}/events HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${project.publish}\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\nconnection: close\r\n\r\n`,
  )
  expect(answer).toMatch(/^HTTP\/1\.1 413 /)
  expect(answer).toContain('"code":"too_large"')
})

test('a body without an announced length is read only as far as it may go', async () => {
  let sent = 0
  const endless = new ReadableStream({
    pull(controller) {
      sent += 65_536
      controller.enqueue(new Uint8Array(65_536).fill(32))
      if (sent > 500_000_000) controller.close()
    },
  })
  const answer = await api.call('POST', `${project.path}/events`, { raw: endless })
  expect(answer).toMatchObject({ status: 413, body: { code: 'too_large' } })
  expect(sent).toBeLessThan(100_000_000)
})

test('a body in pieces is put together', async () => {
  const text = JSON.stringify({ type: 'a', data: 'ä'.repeat(1_000) })
  const bytes = Buffer.from(text)
  const pieces = new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += 7)
        controller.enqueue(new Uint8Array(bytes.subarray(at, at + 7)))
      controller.close()
    },
  })
  expect(await api.call('POST', `${project.path}/events`, { raw: pieces })).toMatchObject({ status: 202 })
})

test('what is hardly HTTP gets an answer in our form, and the next request is served', async () => {
  for (const [text, status] of [
    ['nonsense\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\n\r\n', 400],
    [`GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
    ['GET / HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n', 400],
    ['GET \\\\ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', 400],
    [
      'POST /api/projects HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['GET http://[::1/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', 400],
    ['TRACE / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', 405],
    ['GET /%ff%fe HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', 404],
    [
      `GET ${project.path}/webhooks/%ff HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${project.view}\r\nconnection: close\r\n\r\n`,
      404,
    ],
  ] as const) {
    const answer = await raw(text)
    expect({ text, status: answer.slice(0, 12) }).toEqual({ text, status: `HTTP/1.1 ${status}` })
    expect(answer).toMatch(text.includes('\r\nhost') ? /"code":/ : /^HTTP/)
  }
  expect((await api.call('GET', '/healthz')).status).toBe(200)
})

test('a client that goes away in the middle of its body harms nobody', async () => {
  const socket = connect(port, '127.0.0.1')
  socket.write(
    `POST ${project.path}/events HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${project.publish}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"type":`,
  )
  await once(socket, 'connect')
  socket.destroy()
  expect((await api.call('GET', project.path)).status).toBe(200)
})

test('health, readiness, metrics, the document and its pages need no key', async () => {
  expect((await api.call('GET', '/healthz', { key: null })).body).toEqual({ status: 'ok' })
  expect((await api.call('GET', '/readyz', { key: null })).body).toEqual({
    status: 'ready',
    database: true,
    migrated: true,
  })
  const metrics = await api.call('GET', '/metrics', { key: null })
  expect(metrics.text).toMatch(/^# HELP postrider_/m)
  const document = (await api.call('GET', '/openapi.json', { key: null })).body
  expect(document).toMatchObject({
    openapi: '3.1.0',
    servers: [{ url: 'https://hooks.example.com/postrider' }],
  })
  const home = await api.call('GET', '/', { key: null })
  expect(home.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(home.text).toContain('<title>Postrider</title>')
})

test('without its database it is alive, not ready, and answers 503 with when to try again', async () => {
  const postrider = new Postrider({ connectionString: 'postgresql://nobody@127.0.0.1:1/none' })
  const server = createServer({ postrider, adminKey: 'admin', port: 0 })
  const { url } = await server.start()
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  const ready = await fetch(`${url}/readyz`)
  expect(ready.status).toBe(503)
  expect(await ready.json()).toEqual({ status: 'not ready', database: false, migrated: false })
  const answer = await fetch(`${url}/api/projects`, { headers: { authorization: 'Bearer admin' } })
  expect(answer.status).toBe(503)
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(await answer.json()).toMatchObject({ code: 'unavailable', status: 503 })
  await server.stop()
  await postrider.stop()
})

test('an error of ours tells nothing of SQL, and the log tells all', async () => {
  const own = await startApi({ logger })
  await own.database.query('REVOKE ALL ON postrider.webhooks FROM postrider_tenant')
  const { path } = await own.createProject()
  lines.length = 0
  const answer = await own.call('GET', `${path}/webhooks`)
  expect(answer).toMatchObject({ status: 500, body: { code: 'internal' } })
  expect(answer.text).not.toMatch(/webhooks|permission|SELECT/)
  expect(lines).toMatchObject([{ level: 'error', status: 500, error: { code: '42501' } }])

  // As before the migrations of this version have run: the caller is to try again.
  await own.database.query('DROP TABLE postrider.webhooks CASCADE')
  const early = await own.call('GET', `${path}/webhooks`)
  expect(early).toMatchObject({ status: 503, body: { code: 'unavailable' } })
  expect(early.headers.get('retry-after')).toBe('5')
})

test('it stops once what is in flight is answered, and takes nothing new meanwhile', async () => {
  const started = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const engine = new Postrider({ connectionString: api.connectionString })
  const calls = engine.actingAs({ kind: 'admin' })
  calls.projects.list = async () => {
    started.resolve()
    await release.promise
    return { rows: [], next_cursor: null }
  }
  engine.actingAs = () => calls
  const server = createServer({ postrider: engine, adminKey: 'admin', port: 0 })
  const { url } = await server.start()
  const agent = new Agent({ keepAlive: true })
  const options: RequestOptions = { agent, headers: { authorization: 'Bearer admin' } }
  // One connection idles, one waits for its answer.
  const idle = httpRequest(`${url}/healthz`, options).end()
  const [idleAnswer] = await once(idle, 'response')
  idleAnswer.resume()
  await once(idleAnswer, 'end')
  const waiting = httpRequest(`${url}/api/projects`, options).end()
  await started.promise
  let isStopped = false
  const stopping = server.stop().then(() => (isStopped = true))
  await expect(fetch(`${url}/healthz`)).rejects.toThrow('fetch failed')
  expect(isStopped).toBe(false)
  release.resolve()
  const [answer] = await once(waiting, 'response')
  answer.resume()
  expect(answer.statusCode).toBe(200)
  await stopping
  await server.stop()
  expect((await server.start()).url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  await server.stop()
  await engine.stop()
  agent.destroy()
})

test('a port that is taken fails the start, and says so', async () => {
  const server = createServer({ postrider: api.postrider, adminKey: 'admin', port })
  await expect(server.start()).rejects.toMatchObject({ code: 'EADDRINUSE' })
})
