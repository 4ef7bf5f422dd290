import { receive } from './fetch.ts'
import type { WebhooksOptions } from './webhooks.ts'

export { VerificationError, type VerificationErrorCode } from './verification-error.ts'
export type { VerifiedEvent } from './request.ts'
export type { AnyEvent, EventOf, WebhookSecret, WebhooksOptions } from './webhooks.ts'

/** What is used of Hono's `Context`. */
export interface HonoContext {
  req: {
    raw: Request
    /** What was read of the body before, under the name of the method that read it. */
    bodyCache?: object
    text(): Promise<string>
    arrayBuffer(): Promise<ArrayBuffer>
  }
}

/**
 * Receives webhooks in Hono, on any of its runtimes.
 *
 *     app.post('/webhooks', webhooks<Events>({
 *       secret: process.env.WEBHOOK_SECRET,
 *       on: { 'order.paid': async (event) => shipOrder(event.data.order) },
 *     }))
 *
 * Where the secret comes with the request, as in Cloudflare's workers, name the context:
 * `webhooks<Events, Context<{ Bindings: Env }>>({ secret: ({ env }) => env.WEBHOOK_SECRET, … })`.
 *
 * Answers 204 when that has ended, 400, 401 or 413 to what is no webhook of this secret; any other error goes to
 * `app.onError`, which answers 500.
 */
export function webhooks<
  Events extends object = Record<string, unknown>,
  Context extends HonoContext = HonoContext,
>(options: WebhooksOptions<Events, Context>): (context: Context) => Promise<Response> {
  return async (context) =>
    receive(options, { source: context, request: context.req.raw, body: await readBefore(context) })
}

/** Hono keeps what it read: as text or bytes that is still what was signed. */
async function readBefore({ req }: HonoContext): Promise<string | ArrayBuffer | undefined> {
  const { bodyCache = {} } = req
  if ('arrayBuffer' in bodyCache) return req.arrayBuffer()
  return 'text' in bodyCache ? req.text() : undefined
}
