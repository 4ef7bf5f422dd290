import { LRUCache } from 'lru-cache'
import { createSecureContext } from 'node:tls'
import type { AddressPolicy } from '../address.ts'
import { parseProxy } from '../proxy.ts'
import { readUrl } from '../registry/url.ts'
import type { Answer, SendError } from './answer.ts'
import { Connections } from './connections.ts'
import { Exchange, type Place, type SendOptions } from './exchange.ts'
import type { FailureClass } from './failure.ts'
import { Guard } from './guard.ts'
import type { Resolver } from './resolve.ts'
import type { SignedRequest } from './sign.ts'

export type { Answer, SendError, SendOptions }

export interface SenderOptions {
  policy: AddressPolicy
  /** An http or https URL: every connection goes through it, and it decides which addresses names may lead to. */
  proxy?: string | undefined
  /** In place of the system's resolver. */
  resolver?: Resolver
  /** Certificates to trust in place of the usual ones (PEM). */
  ca?: string
}

/**
 * Sends signed requests, one attempt each, without following redirects. Never throws: whatever a receiver
 * does is an answer or an error in words. Two senders share no connection: what one policy let through is of no use to
 * another.
 *
 *     const sender = new Sender({ policy: { allowHttp: false, allowPrivate: [] } })
 *     const answer = await sender.send(sign(input, clock.now()), { timeoutMs: 10_000 })
 */
export class Sender {
  readonly #connections: Connections
  readonly #running = new Set<Exchange>()
  readonly #places = new LRUCache<string, Place | string>({ max: 1_000 })
  #closed = false

  /** Throws a `RangeError` where the policy holds something that is no CIDR or no port, or the proxy is no URL. */
  constructor({ policy, proxy, resolver, ca }: SenderOptions) {
    this.#connections = new Connections({
      guard: new Guard(policy, resolver),
      proxy: proxy === undefined ? undefined : parseProxy(proxy),
      secureContext: createSecureContext({ ca, minVersion: 'TLSv1.2' }),
    })
  }

  async send(request: SignedRequest, options: SendOptions): Promise<Answer | SendError> {
    if (this.#closed || options.signal?.aborted) return notSent('aborted', 'stopped before it was sent')
    const place = this.#placeOf(request.url)
    if (typeof place === 'string') return notSent('blocked', place)
    const exchange = new Exchange({ place, request, options, connections: this.#connections })
    this.#running.add(exchange)
    try {
      return await exchange.result
    } finally {
      this.#running.delete(exchange)
    }
  }

  /** Where a URL leads, or why nothing is sent there. Parsed once for many deliveries. */
  #placeOf(url: string): Place | string {
    let place = this.#places.get(url)
    if (place === undefined) {
      place = parsePlace(url)
      this.#places.set(url, place)
    }
    return place
  }

  /** Takes no more requests and waits for those that run. */
  async close(): Promise<void> {
    this.#closed = true
    this.#connections.close()
    await Promise.all(Array.from(this.#running, (exchange) => exchange.result))
  }

  /** Takes no more requests and ends those that run with a `SendError` of class `aborted`. */
  destroy(): void {
    this.#closed = true
    this.#connections.close()
    for (const exchange of this.#running) exchange.abort()
  }
}

function parsePlace(text: string): Place | string {
  const url = readUrl(text)
  if (!url) return 'blocked url'
  if (!/^https?:$/.test(url.protocol)) return `blocked scheme ${url.protocol.slice(0, -1)}`
  return { origin: url.origin, path: url.pathname + url.search }
}

function notSent(failureClass: FailureClass, error: string): SendError {
  return { kind: 'error', error, class: failureClass, durationMs: 0 }
}
