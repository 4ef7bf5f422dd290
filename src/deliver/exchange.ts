import type { Dispatcher } from 'undici'
import { type Answer, AnswerBody, maxBodyReadBytes, type SendError, storedHeaders } from './answer.ts'
import type { Connection } from './connection.ts'
import type { Connections } from './connections.ts'
import { describeFailure, type Failure, type Progress } from './failure.ts'
import type { SignedRequest } from './sign.ts'

export interface SendOptions {
  /** From connecting to the end of the answer's body. */
  timeoutMs: number
  /** Ends the attempt at once; what comes then is a `SendError` of class `aborted`. */
  signal?: AbortSignal
  /** Asked when the request is about to be written to its socket; no ends the attempt as `signal` does. */
  maySend?: () => boolean
}

/** Where a URL leads. */
export interface Place {
  /** Such as `https://example.com:8443`. */
  origin: string
  /** With the query. */
  path: string
}

export interface ExchangeInput {
  place: Place
  request: SignedRequest
  options: SendOptions
  connections: Connections
}

/** Informational answers (1xx) before the answer proper; a flood of them is cut off. */
const maxInformational = 32

/**
 * One request and its answer on one connection. It settles exactly once, at the latest at its deadline; once the
 * status and headers are in, the receiver has answered, whatever happens to the body.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly result: Promise<Answer | SendError>
  readonly #options: SendOptions
  readonly #connections: Connections
  readonly #connection: Connection
  readonly #startedMs = performance.now()
  readonly #deadline: NodeJS.Timeout
  readonly #onAbort = (): void => this.abort()
  #settle: (result: Answer | SendError) => void = () => {}
  #settled = false
  #controller: Dispatcher.DispatchController | undefined
  #answerBegun = false
  #informational = 0
  #head: { status: number; headers: Record<string, string> } | undefined
  readonly #body = new AnswerBody()

  constructor({ place, request, options, connections }: ExchangeInput) {
    this.result = new Promise((resolve) => {
      this.#settle = resolve
    })
    this.#options = options
    this.#connections = connections
    this.#connection = connections.take(place.origin)
    this.#connection.intake.begin(() => this.#refuse())
    this.#deadline = setTimeout(() => this.#timeOut(), options.timeoutMs)
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#connection.client.dispatch(
      { path: place.path, method: 'POST', headers: request.headers, body: request.body },
      this,
    )
  }

  /** Ends it now, as if it had not been sent; an answer whose status is known already stands. */
  abort(): void {
    this.#breakOff({ class: 'aborted', error: 'stopped before an answer' })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#settled) controller.abort(new Error('settled before it was sent'))
    // Connecting took its time, or this process stood still: it may no longer be ours to send.
    else if (this.#options.maySend?.() === false) this.abort()
  }

  onResponseStarted(): void {
    this.#answerBegun = true
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status >= 200) {
      this.#head = { status, headers: storedHeaders(headers) }
      return
    }
    this.#informational += 1
    if (this.#informational > maxInformational) {
      this.#breakOff({ class: 'protocol', error: 'too many informational answers' })
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#connection.intake.countBody(chunk.length)
    if (this.#settled || this.#body.take(chunk)) return
    this.#breakOff({ class: 'protocol', error: `cut off after ${maxBodyReadBytes} bytes` })
  }

  onResponseEnd(): void {
    if (this.#settled || !this.#head) return
    this.#finish(this.#answer())
    this.#connections.giveBack(this.#connection)
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#breakOff(describeFailure(error, this.#progress))
  }

  #refuse(): void {
    const error = this.#head ? 'chunk headers or trailers too large' : 'answer headers too large'
    this.#breakOff({ class: 'protocol', error })
  }

  #timeOut(): void {
    this.#breakOff({ class: 'timeout', error: `timeout after ${this.#options.timeoutMs} ms` })
  }

  /** Something went wrong: the connection is of no more use, and the answer is what had come in by then. */
  #breakOff(failure: Failure): void {
    if (this.#settled) return
    this.#finish(
      this.#head ? this.#answer(failure.error) : { kind: 'error', ...failure, durationMs: this.#durationMs },
    )
    this.#controller?.abort(new Error(failure.error))
    this.#connection.destroy()
  }

  #finish(result: Answer | SendError): void {
    this.#settled = true
    clearTimeout(this.#deadline)
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#settle(result)
  }

  #answer(problem?: string): Answer {
    const { status, headers } = this.#head!
    return {
      kind: 'answer',
      status,
      headers,
      body: this.#body.text(),
      bodyTruncated: problem !== undefined || this.#body.truncated,
      ...(problem !== undefined && { note: `answer body incomplete: ${problem}` }),
      durationMs: this.#durationMs,
    }
  }

  get #progress(): Progress {
    if (this.#head) return 'head'
    return this.#answerBegun ? 'begun' : 'nothing'
  }

  get #durationMs(): number {
    return Math.round(performance.now() - this.#startedMs)
  }
}
