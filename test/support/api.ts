import { randomBytes } from 'node:crypto'
import { afterAll } from 'vitest'
import { createServer, type ServerOptions } from '../../src/api/server.ts'
import { Postrider, type PostriderOptions } from '../../src/postrider.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { checkAnswer } from './openapi.ts'

export interface CallOptions {
  /** The admin key by default; `null` sends none. */
  key?: string | null
  json?: unknown
  /** A body as it stands, sent as JSON unless `headers` say otherwise. */
  raw?: string | Uint8Array | ReadableStream
  headers?: Record<string, string>
}

export interface ApiAnswer {
  status: number
  headers: Headers
  text: string
  /** The body read as JSON, or `undefined`. */
  body: Json
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests say what they expect of an answer by reading it
type Json = any

/** A server of its own on a database of its own, spoken to through a real socket. */
export interface TestApi extends TestDatabase {
  url: string
  adminKey: string
  postrider: Postrider
  /** Makes a call, at another server if it is told whole; its answer must be one that the OpenAPI document tells of. */
  call: (method: string, path: string, options?: CallOptions) => Promise<ApiAnswer>
  /** Before the end of the file, for what happens then. */
  stopServer: () => Promise<void>
  /** A project and a key for each role. */
  createProject: () => Promise<TestProject>
}

export interface TestProject {
  id: string
  /** `/api/projects/{id}` */
  path: string
  view: string
  publish: string
  manage: string
}

const stops: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const stop of stops.toReversed()) await stop()
})

/** Webhooks may be http and on this machine; limits are off. */
export async function startApi(
  options: Partial<ServerOptions> & { engine?: Partial<PostriderOptions> } = {},
): Promise<TestApi> {
  const testDatabase = await createTestDatabase()
  const adminKey = `admin-${randomBytes(12).toString('hex')}`
  const postrider = new Postrider({
    connectionString: testDatabase.connectionString,
    encryptionKeys: [{ id: 'k1', key: randomBytes(32) }],
    allowHttp: true,
    allowPrivate: ['127.0.0.0/8'],
    ...options.engine,
  })
  const server = createServer({ postrider, adminKey, port: 0, rateLimit: false, ...options })
  const { url } = await server.start()
  stops.push(async () => {
    await server.stop()
    await postrider.stop()
  })

  async function call(
    method: string,
    path: string,
    { key = adminKey, json, raw, headers }: CallOptions = {},
  ) {
    const body = raw ?? (json === undefined ? undefined : JSON.stringify(json))
    const isWhole = path.startsWith('http://')
    const response = await fetch(isWhole ? path : url + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: body as BodyInit, duplex: 'half' }),
    })
    // A stream would not end by itself.
    const isStream = response.headers.get('content-type') === 'text/event-stream'
    if (isStream) await response.body?.cancel()
    const text = isStream ? '' : await response.text()
    const isJson = text !== '' && /json/.test(response.headers.get('content-type') ?? '')
    const answer = {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson ? JSON.parse(text) : undefined,
    }
    checkAnswer(method, isWhole ? path.replace(/^http:\/\/[^/]+/, '') : path, answer)
    return answer
  }

  async function createProject(): Promise<TestProject> {
    const { id } = (await call('POST', '/api/projects', { json: { name: 'test' } })).body
    const path = `/api/projects/${id}`
    const keyOf = async (role: string): Promise<string> =>
      (await call('POST', `${path}/api-keys`, { json: { name: role, role } })).body.key
    return {
      id,
      path,
      view: await keyOf('view'),
      publish: await keyOf('publish'),
      manage: await keyOf('manage'),
    }
  }

  return { ...testDatabase, url, adminKey, postrider, call, stopServer: () => server.stop(), createProject }
}
