import type { IncomingHttpHeaders } from 'node:http'
import { verify } from './verify.ts'
import {
  checkSecret,
  dispatch,
  refuse,
  secretFor,
  usualMaxBodyBytes,
  type WebhooksOptions,
} from './webhooks.ts'

export { VerificationError, type VerificationErrorCode } from './verification-error.ts'
export type { VerifiedEvent } from './request.ts'
export type { AnyEvent, EventOf, WebhookSecret, WebhooksOptions } from './webhooks.ts'

/** What is used of a `FastifyRequest`. */
export interface FastifyRequest {
  headers: IncomingHttpHeaders
  body: unknown
}

interface FastifyReply {
  code(status: number): FastifyReply
  header(name: string, value: string): FastifyReply
  send(payload?: string): FastifyReply
}

type BodyParser = (request: unknown, body: Buffer, done: (error: null, body: Buffer) => void) => void

/** What is used of a `FastifyInstance`. */
interface FastifyScope {
  removeAllContentTypeParsers(): unknown
  addContentTypeParser(
    contentType: string,
    options: { parseAs: 'buffer'; bodyLimit: number },
    parser: BodyParser,
  ): unknown
  post(path: string, handler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>): unknown
}

export interface FastifyWebhooksOptions<Events extends object> extends WebhooksOptions<
  Events,
  FastifyRequest
> {
  /** Where webhooks come in: `/webhooks`. */
  path: string
}

/**
 * Receives webhooks in Fastify: a plugin with one route, in which bodies stay as they are. How the application parses its
 * others does not change.
 *
 *     await app.register(webhooks<Events>({
 *       path: '/webhooks',
 *       secret: process.env.WEBHOOK_SECRET,
 *       on: { 'order.paid': async (event) => shipOrder(event.data.order) },
 *     }))
 *
 * Answers 204 when that has ended, 400, 401 or 413 to what is no webhook of this secret; any other error is Fastify's to
 * answer, with 500.
 *
 * @throws {VerificationError} `invalid_secret`, when it is made
 */
export function webhooks<Events extends object = Record<string, unknown>>(
  options: FastifyWebhooksOptions<Events>,
): (scope: FastifyScope) => Promise<void> {
  checkSecret(options)
  const { path, maxBodyBytes = usualMaxBodyBytes, toleranceSeconds = 300 } = options
  return async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maxBodyBytes }, (_request, body, done) =>
      done(null, body),
    )
    scope.post(path, async (request, reply) => {
      let event: ReturnType<typeof verify>
      try {
        const secret = await secretFor(options, request)
        // Without a body there is nothing to parse.
        const body = (request.body as Buffer | undefined) ?? ''
        event = verify({ secret, headers: request.headers, body, toleranceSeconds })
      } catch (error) {
        const { status, body } = await refuse(error, options, request)
        return reply.code(status).header('content-type', 'application/json').send(body)
      }
      await dispatch(event, options, request)
      return reply.code(204).send()
    })
  }
}
