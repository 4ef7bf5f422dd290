import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { VerificationError, type VerifiedEvent, verify } from '../verify/verify.ts'
import { type Failure, Failures } from './failures.ts'

export interface ReceiverOptions {
  /** What to verify with: the secrets of the webhooks that send here, `whsec_…`, or their public keys, `whpk_…`. */
  secret?: string | readonly string[]
  /** How long a wait takes before it fails. 4,000 by default, less than most runners give a test. */
  timeoutMs?: number
}

/** One request that came in. */
export interface ReceivedRequest<Data = unknown> {
  /** The event; `null` where it was not verified. */
  event: VerifiedEvent<Data> | null
  /** Why it was not. */
  problem: VerificationError | null
  /** What it got: a status, or nothing since the connection was held or broken. */
  answered: number | 'hang' | 'reset'
  /** The number of the try, from 1. */
  attempt: number
  deliveryId: string | undefined
  /** Path and query. */
  path: string
  headers: IncomingHttpHeaders
  body: string
}

/**
 * A receiver of webhooks for tests: an HTTP server on 127.0.0.1 that verifies what comes in, as a real one does, answers 204
 * or 401, remembers everything, and fails when it is told to.
 *
 *     await using receiver = await startReceiver({ secret })
 *     receiver.fail({ status: 503, times: 2 })
 *     …
 *     const { event, attempt } = await receiver.next('order.paid')
 */
export class TestReceiver {
  /** All that came in, in the order in which it was answered. */
  readonly requests: ReceivedRequest[] = []
  readonly #secrets: string[]
  readonly #timeoutMs: number
  readonly #failures = new Failures()
  readonly #server = createServer((request, response) => {
    // Who breaks off in the middle has sent nothing.
    this.#take(request, response).catch(() => response.destroy())
  })
  readonly #arrivals = new EventEmitter().setMaxListeners(0)
  readonly #handedOut = new Set<ReceivedRequest>()

  constructor({ secret = [], timeoutMs = 4_000 }: ReceiverOptions = {}) {
    this.#secrets = typeof secret === 'string' ? [secret] : [...secret]
    this.#timeoutMs = timeoutMs
  }

  /** Listens on a free port. */
  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  /** Where webhooks go to: `http://127.0.0.1:…/webhooks`. Any other path is received as well. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/webhooks`
  }

  /** Accepts what is signed with this secret, too, from now on. */
  trust(secret: string): void {
    this.#secrets.push(secret)
  }

  /** Answers the next requests with an error: 500 to the next one, unless it is told otherwise. */
  fail(failure: { status?: number; retryAfterSeconds?: number; body?: string; times?: number } = {}): void {
    const { status = 500, times = 1, ...rest } = failure
    this.#failures.add({ kind: 'status', status, ...rest }, times)
  }

  /** Never answers the next requests: the sender gives up when its time is over. */
  hang({ times = 1 }: { times?: number } = {}): void {
    this.#failures.add({ kind: 'hang' }, times)
  }

  /** Breaks the connection of the next requests instead of an answer. */
  reset({ times = 1 }: { times?: number } = {}): void {
    this.#failures.add({ kind: 'reset' }, times)
  }

  /** Everything is accepted again: failures that did not happen yet never will. */
  recover(): void {
    this.#failures.clear()
  }

  /**
   * The next request, of this type if one is given, whatever it was answered: each is handed out once, and waited for.
   * Fails after `timeoutMs`, saying what came instead.
   */
  async next<Data = unknown>(
    type?: string,
    { timeoutMs = this.#timeoutMs } = {},
  ): Promise<ReceivedRequest<Data>> {
    const take = (): ReceivedRequest | undefined => {
      const next = this.requests.find(
        (request) => !this.#handedOut.has(request) && (type === undefined || typeOf(request) === type),
      )
      if (next) this.#handedOut.add(next)
      return next
    }
    const next = await this.#until(take, { timeoutMs, wanted: `a request${ofType(type)}` })
    return next as ReceivedRequest<Data>
  }

  /** The events that were accepted, of this type if one is given, as soon as there are `count`. */
  async received<Data = unknown>(
    type?: string,
    { count = 1, timeoutMs = this.#timeoutMs } = {},
  ): Promise<VerifiedEvent<Data>[]> {
    const enough = (): VerifiedEvent[] | undefined => {
      const accepted = this.requests
        .filter(({ answered }) => answered === 204)
        .map(({ event }) => event!)
        .filter((event) => type === undefined || event.type === type)
      return accepted.length >= count ? accepted : undefined
    }
    const wanted = `${count} accepted event${count === 1 ? '' : 's'}${ofType(type)}`
    return (await this.#until(enough, { timeoutMs, wanted })) as VerifiedEvent<Data>[]
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #take(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = Buffer.concat(await Array.fromAsync(incoming as AsyncIterable<Buffer>))
    const { headers } = incoming
    const verified = this.#verify(headers, body)
    const failure = this.#failures.take() ?? refusal(verified.problem)
    this.requests.push({
      ...verified,
      answered: failure.kind === 'status' ? failure.status : failure.kind,
      attempt: Number(headers['postrider-attempt'] ?? 1),
      deliveryId: headers['postrider-delivery']?.toString(),
      path: incoming.url ?? '/',
      headers,
      body: body.toString(),
    })
    answer(response, failure)
    this.#arrivals.emit('request')
  }

  #verify(headers: IncomingHttpHeaders, body: Buffer): Pick<ReceivedRequest, 'event' | 'problem'> {
    try {
      return { event: verify({ secret: this.#secrets, headers, body }), problem: null }
    } catch (error) {
      if (!(error instanceof VerificationError)) throw error
      return { event: null, problem: error }
    }
  }

  /** The first answer that is one. What it takes it takes at once: several may wait for the same request. */
  async #until<Found>(
    look: () => Found | undefined,
    { timeoutMs, wanted }: { timeoutMs: number; wanted: string },
  ): Promise<Found> {
    const signal = AbortSignal.timeout(timeoutMs)
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      try {
        await once(this.#arrivals, 'request', { signal })
      } catch {
        throw new Error(`waited ${timeoutMs} ms for ${wanted}. ${this.#whatCame()}`)
      }
    }
  }

  #whatCame(): string {
    if (this.requests.length === 0) return 'Nothing came in.'
    const lines = this.requests.map(
      (request) =>
        `  ${typeOf(request)}, attempt ${request.attempt}, answered ${request.answered}${request.problem ? `: ${request.problem.message}` : ''}`,
    )
    return `What came in:\n${lines.join('\n')}`
  }
}

/** A receiver that listens. */
export async function startReceiver(options?: ReceiverOptions): Promise<TestReceiver> {
  const receiver = new TestReceiver(options)
  await receiver.start()
  return receiver
}

/** As the header says where it was not verified. */
function typeOf({ event, headers }: ReceivedRequest): string {
  return event?.type ?? headers['postrider-event']?.toString() ?? 'no webhook'
}

function ofType(type: string | undefined): string {
  return type === undefined ? '' : ` of ${type}`
}

function refusal(problem: VerificationError | null): Failure {
  return problem ? { kind: 'status', status: 401, body: problem.message } : { kind: 'status', status: 204 }
}

function answer(response: ServerResponse, failure: Failure): void {
  if (failure.kind === 'reset') response.socket?.resetAndDestroy()
  if (failure.kind !== 'status') return
  const { status, body = '', retryAfterSeconds } = failure
  response.writeHead(status, {
    ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
    ...(body !== '' && { 'content-type': 'text/plain; charset=utf-8' }),
  })
  response.end(body)
}
