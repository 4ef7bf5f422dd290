/**
 * Receives webhooks in a route of Next, `app/webhooks/route.ts`, on Node.js and on the edge:
 *
 *     import { webhooks } from 'postrider/verify/next'
 *
 *     export const POST = webhooks<Events>({
 *       secret: () => process.env.WEBHOOK_SECRET!,
 *       on: { 'order.paid': async (event) => shipOrder(event.data.order) },
 *     })
 *
 * A `Request` is answered by a `Response` here as anywhere: it is the same function.
 */
export { webhooks } from './fetch.ts'
export { VerificationError, type VerificationErrorCode } from './verification-error.ts'
export type { VerifiedEvent } from './request.ts'
export type { AnyEvent, EventOf, WebhookSecret, WebhooksOptions } from './webhooks.ts'
