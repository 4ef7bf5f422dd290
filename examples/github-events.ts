/**
 * Real events, there and back: publishes every example payload of GitHub's webhooks through the HTTP API, to a receiver
 * that verifies each request with the official `standardwebhooks` library, and compares what arrived with what was sent.
 *
 *     POSTRIDER_ALLOW_HTTP=true POSTRIDER_ALLOW_PRIVATE=127.0.0.0/8 npm start
 *     POSTRIDER_URL=http://127.0.0.1:8080 POSTRIDER_KEY=… node examples/github-events.ts
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import examples from '@octokit/webhooks-examples' with { type: 'json' }
import { Webhook } from 'standardwebhooks'

const { POSTRIDER_URL = 'http://127.0.0.1:8080', POSTRIDER_KEY = '' } = process.env

/** The package's types describe it as a module. */
const eventTypes = examples as unknown as { name: string; examples: object[] }[]

/** `{"n": 1.0}` as `{ n: { number: '1.0' } }`: numbers by their digits, since a double would round them. */
function exactly(json: string): unknown {
  type Context = { source: string }
  const revive = (_key: string, value: unknown, { source }: Context): unknown =>
    typeof value === 'number' ? { number: source } : value
  return JSON.parse(json, revive as (key: string, value: unknown) => unknown)
}

async function call<Answer>(method: string, path: string, body: object): Promise<Answer> {
  const response = await fetch(`${POSTRIDER_URL}${path}`, {
    method,
    headers: { authorization: `Bearer ${POSTRIDER_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
  return (await response.json()) as Answer
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  return Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString()
}

let secret = ''
const received = new Map<string, string>()
const receiver = createServer((request, response) => {
  void (async () => {
    const body = await bodyOf(request)
    try {
      new Webhook(secret).verify(body, request.headers as Record<string, string>)
      received.set(String(request.headers['webhook-id']), body)
      response.writeHead(204).end()
    } catch (error) {
      response.writeHead(400).end(String(error))
    }
    receiver.emit('received')
  })()
})
receiver.listen(0, '127.0.0.1')
await once(receiver, 'listening')

const project = await call<{ id: string }>('POST', '/api/projects', { name: 'github events' })
const webhook = await call<{ id: string; secret: string }>('POST', `/api/projects/${project.id}/webhooks`, {
  name: 'receiver',
  url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`,
  event_types: ['github.*'],
})
secret = webhook.secret

const published = new Map<string, string>()
for (const { name, examples: payloads } of eventTypes) {
  for (const payload of payloads) {
    const event = { type: `github.${name}`, data: payload }
    const { id } = await call<{ id: string }>('POST', `/api/projects/${project.id}/events`, event)
    published.set(id, JSON.stringify(payload))
  }
}
console.log(`published ${published.size} events of ${eventTypes.length} types`)

const deadline = AbortSignal.timeout(60_000)
while (received.size < published.size) await once(receiver, 'received', { signal: deadline })

let equal = 0
for (const [id, data] of published) {
  const envelope = exactly(received.get(id) ?? 'null') as { data: unknown } | null
  if (isDeepStrictEqual(envelope?.data, exactly(data))) equal += 1
  else console.error(`event ${id} arrived changed`)
}
console.log(
  `received ${received.size}, each verified; ${equal} equal to what was published, numbers to the digit`,
)
receiver.close()
process.exitCode = equal === published.size ? 0 : 1
