import { EventEmitter, once } from 'node:events'
import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

export interface ReceivedRequest {
  method: string
  /** Path and query. */
  url: string
  headers: IncomingHttpHeaders
  /** Names and values as they came, in turn. */
  rawHeaders: string[]
  rawBody: Buffer
  body: string
  receivedAt: Date
  /** Which connection it came on, from 1. */
  connection: number
}

export interface ReceiverAnswer {
  status?: number
  headers?: Record<string, string | string[]>
  body?: string | Buffer
  /** Waits before answering. A test that wants to decide the moment itself gives a promise from `answer` instead. */
  delayMs?: number
}

export type AnswerFunction = (request: ReceivedRequest) => ReceiverAnswer | Promise<ReceiverAnswer>

export interface ReceiverOptions {
  /** Serves https with these (PEM). */
  tls?: { key: string; cert: string }
  answer?: AnswerFunction
}

/**
 * A real receiver on 127.0.0.1 that remembers what it got.
 *
 *     await using receiver = await Receiver.start()
 *     receiver.answer = () => ({ status: 500 })
 *     await receiver.waitFor(2)
 *     expect(receiver.requests[1].headers['postrider-attempt']).toBe('2')
 */
export class Receiver {
  readonly requests: ReceivedRequest[] = []
  /** What to answer from now on; 204 by default. */
  answer: AnswerFunction
  /** Connections that were opened, and those that are open now. */
  connections = 0
  openConnections = 0
  readonly #server: Server
  readonly #scheme: 'http' | 'https'
  readonly #events = new EventEmitter().setMaxListeners(0)

  private constructor({ tls, answer }: ReceiverOptions) {
    this.answer = answer ?? (() => ({ status: 204 }))
    this.#scheme = tls ? 'https' : 'http'
    this.#server = tls ? createHttpsServer(tls) : createHttpServer()
    // A receiver that closes idle connections at its own time would make tests a matter of luck.
    this.#server.keepAliveTimeout = 60_000
    const numbers = new WeakMap<object, number>()
    this.#server.on(tls ? 'secureConnection' : 'connection', (socket) => {
      this.connections += 1
      this.openConnections += 1
      numbers.set(socket, this.connections)
      socket.on('error', () => {})
      socket.once('close', () => {
        this.openConnections -= 1
        this.#events.emit('change')
      })
    })
    this.#server.on('request', (incoming, response) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', () => {})
      incoming.on('end', () => {
        const rawBody = Buffer.concat(chunks)
        const request: ReceivedRequest = {
          method: incoming.method ?? '',
          url: incoming.url ?? '',
          headers: incoming.headers,
          rawHeaders: incoming.rawHeaders,
          rawBody,
          body: rawBody.toString(),
          receivedAt: new Date(),
          connection: numbers.get(incoming.socket) ?? 0,
        }
        this.requests.push(request)
        this.#events.emit('change')
        void this.#respond(request, response)
      })
    })
  }

  static async start(options: ReceiverOptions = {}): Promise<Receiver> {
    const receiver = new Receiver(options)
    receiver.#server.listen(0, '127.0.0.1')
    await once(receiver.#server, 'listening')
    return receiver
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Where to send to: `http://127.0.0.1:port/`. */
  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}/`
  }

  /** The first `count` requests, as soon as they are in. Fails after `timeoutMs`. */
  async waitFor(count: number, { timeoutMs = 15_000 } = {}): Promise<ReceivedRequest[]> {
    await this.until(() => this.requests.length >= count, {
      timeoutMs,
      wanted: () => `${count} requests, got ${this.requests.length}`,
    })
    return this.requests.slice(0, count)
  }

  /** Resolves once `condition` holds; it is asked again after each request and each closed connection. */
  async until(
    condition: () => boolean,
    {
      timeoutMs = 15_000,
      wanted = () => String(condition),
    }: { timeoutMs?: number; wanted?: () => string } = {},
  ): Promise<void> {
    const signal = AbortSignal.timeout(timeoutMs)
    while (!condition()) {
      await once(this.#events, 'change', { signal }).catch(() => {
        throw new Error(`waited ${timeoutMs} ms for ${wanted()}`)
      })
    }
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #respond(request: ReceivedRequest, response: ServerResponse): Promise<void> {
    const { status = 204, headers = {}, body = '', delayMs = 0 } = await this.answer(request)
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
    response.on('error', () => {})
    response.writeHead(status, headers)
    response.end(body)
  }
}
