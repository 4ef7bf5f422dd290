import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLifecycle, type Lifecycle } from '../../lifecycle.ts'
import { type VerifiedEvent, verify } from '../../verify/verify.ts'

/** One request at the receiver, and what its signature was worth. */
export interface Arrival {
  headers: IncomingHttpHeaders
  body: string
  event: VerifiedEvent | null
  /** Why it was not accepted; null for a request that is what it says. */
  problem: string | null
}

export interface Receiver extends Lifecycle {
  url(): string
  /** Accepts what is signed with this from now on. */
  trust(secret: string): void
  /** Answers the next request with this status, whatever it is. */
  answerNext(status: number): void
  /** The next request that carries this event. */
  arrival(eventId: string): Promise<Arrival>
  /** Hears of every request from now on. */
  watch(listener: (arrival: Arrival) => void): void
}

/** A receiver as a customer would write it: it verifies each request and answers 204, or 401. */
export function createReceiver(): Receiver {
  const waiting = new Map<string, (arrival: Arrival) => void>()
  let listener: ((arrival: Arrival) => void) | undefined
  let secret = ''
  let nextStatus: number | undefined

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const arrival = await check(request, secret)
    response.writeHead(nextStatus ?? (arrival.event ? 204 : 401)).end()
    nextStatus = undefined
    listener?.(arrival)
    const eventId = String(arrival.headers['webhook-id'])
    waiting.get(eventId)?.(arrival)
    waiting.delete(eventId)
  }

  const server = createServer((request, response) => {
    take(request, response).catch(() => response.destroy())
  })

  return {
    ...createLifecycle({
      start: () =>
        new Promise((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, '127.0.0.1', resolve)
        }),
      stop: () =>
        new Promise((resolve) => {
          server.close(() => resolve())
          server.closeAllConnections()
        }),
    }),
    url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks`,
    trust: (trusted) => (secret = trusted),
    answerNext: (status) => (nextStatus = status),
    arrival: (eventId) => new Promise((resolve) => waiting.set(eventId, resolve)),
    watch: (newListener) => (listener = newListener),
  }
}

async function check(request: IncomingMessage, secret: string): Promise<Arrival> {
  const { headers } = request
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks)
  try {
    const event = verify({ secret, headers, body })
    return { headers, body: body.toString(), event, problem: null }
  } catch (error) {
    return { headers, body: body.toString(), event: null, problem: (error as Error).message }
  }
}
