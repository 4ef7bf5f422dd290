import type { IncomingMessage, ServerResponse } from 'node:http'
import { VerificationError } from './verification-error.ts'
import { verify } from './verify.ts'
import {
  checkSecret,
  dispatch,
  refuse,
  type Refusal,
  secretFor,
  tooLarge,
  usualMaxBodyBytes,
  type WebhooksOptions,
} from './webhooks.ts'

export { VerificationError, type VerificationErrorCode } from './verification-error.ts'
export type { VerifiedEvent } from './request.ts'
export type { AnyEvent, EventOf, WebhookSecret, WebhooksOptions } from './webhooks.ts'

/** A request as Express hands it over; `body` or `rawBody` where something read it before. */
export type ExpressRequest = IncomingMessage & { body?: unknown; rawBody?: unknown }

/**
 * Receives webhooks in Express (or Connect). It reads the body itself: put it before `express.json()`.
 *
 *     app.post('/webhooks', webhooks<Events>({
 *       secret: process.env.WEBHOOK_SECRET,
 *       on: { 'order.paid': async (event) => shipOrder(event.data.order) },
 *     }))
 *
 * Answers 204 when that has ended, 400, 401 or 413 to what is no webhook of this secret, and gives any other error to
 * `next`.
 *
 * @throws {VerificationError} `invalid_secret`, when it is made
 */
export function webhooks<Events extends object = Record<string, unknown>>(
  options: WebhooksOptions<Events, ExpressRequest>,
): (request: ExpressRequest, response: ServerResponse, next: (error?: unknown) => void) => Promise<void> {
  checkSecret(options)
  return async (request, response, next) => {
    try {
      const event = await verified(request, options)
      if ('status' in event) {
        answer(response, event)
        return
      }
      await dispatch(event.verified, options, request)
      response.writeHead(204).end()
    } catch (error) {
      next(error)
    }
  }
}

async function verified<Events extends object>(
  request: ExpressRequest,
  options: WebhooksOptions<Events, ExpressRequest>,
): Promise<{ verified: ReturnType<typeof verify> } | Refusal> {
  const { maxBodyBytes = usualMaxBodyBytes, toleranceSeconds = 300 } = options
  try {
    const body = await rawBody(request, maxBodyBytes)
    const secret = await secretFor(options, request)
    return { verified: verify({ secret, headers: request.headers, body, toleranceSeconds }) }
  } catch (error) {
    return await refuse(error, options, request)
  }
}

function answer(response: ServerResponse, { status, body }: Refusal): void {
  // What is left of a body that is too large is not read.
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(status === 413 && { connection: 'close' }),
  })
  response.end(body)
}

async function rawBody(request: ExpressRequest, maxBodyBytes: number): Promise<string | Uint8Array> {
  // What `express.raw()` and `express.text()` read, and what some platforms keep beside the parsed body.
  for (const body of [request.rawBody, request.body]) {
    if (typeof body === 'string' || body instanceof Uint8Array) return body
  }
  if (request.readableDidRead) {
    throw new VerificationError(
      'body_not_raw',
      'something read the body before, such as express.json(), and the bytes that were signed are gone: ' +
        'put webhooks() before it, or let express.json() skip this path',
    )
  }
  return readStream(request, maxBodyBytes)
}

async function readStream(request: IncomingMessage, maxBodyBytes: number): Promise<Uint8Array> {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge(maxBodyBytes)
  const chunks: Buffer[] = []
  let bytes = 0
  // Whoever sends too much is still to be told so: the connection stays.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += (chunk as Buffer).length
    if (bytes > maxBodyBytes) throw tooLarge(maxBodyBytes)
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks)
}
