import { createHmac, createSecretKey } from 'node:crypto'
import { type Dispatcher, Pool } from 'undici'
import { timeoutMs } from './system.ts'

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
  durationMs: number
  requestHeaders: Record<string, string>
}

/** A key object once, not a buffer each time: that costs 14 µs more for each signature. */
const key = createSecretKey(Buffer.alloc(32, 7))

/** Signed POSTs with undici's `Pool.dispatch`, the fastest client there is: what the raw figure and the peers send with. */
export class Poster {
  readonly #connections: number
  readonly #pools = new Map<string, Pool>()

  constructor(connections: number) {
    this.#connections = connections
  }

  /** Rejects on a network error, a timeout or an answer that is not 2xx. */
  async post(url: string, id: string, body: string): Promise<Answer> {
    const { origin, pathname } = new URL(url)
    const timestamp = Math.floor(Date.now() / 1_000)
    const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'bench',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': `v1,${signature}`,
    }
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#pool(origin).dispatch(
        { path: pathname, method: 'POST', headers, body },
        new Exchange(headers, resolve, reject),
      )
    })
    if (answer.status < 200 || answer.status > 299) throw new Error(`http ${answer.status}`)
    return answer
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#pools.values(), (pool) => pool.destroy()))
  }

  #pool(origin: string): Pool {
    let pool = this.#pools.get(origin)
    if (!pool) {
      pool = new Pool(origin, {
        connections: this.#connections,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      })
      this.#pools.set(origin, pool)
    }
    return pool
  }
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly #startedMs = performance.now()
  readonly #requestHeaders: Record<string, string>
  readonly #resolve: (answer: Answer) => void
  readonly #reject: (error: Error) => void
  #status = 0
  #headers: Answer['headers'] = {}
  #body = ''

  constructor(
    requestHeaders: Record<string, string>,
    resolve: (answer: Answer) => void,
    reject: (error: Error) => void,
  ) {
    this.#requestHeaders = requestHeaders
    this.#resolve = resolve
    this.#reject = reject
  }

  onRequestStart(): void {}

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Answer['headers'],
  ): void {
    this.#status = status
    this.#headers = headers
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body += chunk.toString()
  }

  onResponseEnd(): void {
    this.#resolve({
      status: this.#status,
      headers: this.#headers,
      body: this.#body,
      durationMs: Math.round(performance.now() - this.#startedMs),
      requestHeaders: this.#requestHeaders,
    })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#reject(error)
  }
}
