import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { PostriderError } from '../contract/errors.ts'
import type { Api } from './api.ts'
import { problemAnswer } from './problem.ts'

/** The API in servers that hand over Node's own requests. */

export type NodeListener = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export function nodeListener(api: Api): NodeListener {
  return getRequestListener((request, env) => api.fetch(request, env), {
    // The application around us keeps the globals of its runtime.
    overrideGlobalObjects: false,
    // For requests of HTTP/1.0, which need no Host header: probes of load balancers send such.
    hostname: 'localhost',
    // A request so broken that no `Request` can be made of it: a bad Host header or path.
    errorHandler: () => problemAnswer(new PostriderError('bad_request', 'The request has no valid URL.')),
  })
}

/** What Express adds to a request: the path with what it took away for a mount, and what a parser read. */
type MountedRequest = IncomingMessage & { originalUrl?: string; rawBody?: unknown }

/**
 * The API and the dashboard in Express, Connect, or a server of `node:http`; before any `express.json()`.
 *
 *     const api = createApi({ engine: postrider, adminKey, basePath: '/webhooks' })
 *     app.use('/webhooks', toNodeHandler(api))
 *
 * `basePath` is the whole path under which requests come in. Before the server closes, `api.endStreams()` ends those that
 * would not end by themselves.
 */
export function toNodeHandler(
  api: Api,
): (request: IncomingMessage, response: ServerResponse, next?: (error: unknown) => void) => void {
  const listener = nodeListener(api)
  return (request: MountedRequest, response, next) => {
    if (request.originalUrl !== undefined) request.url = request.originalUrl
    if (request.readableDidRead && !(request.rawBody instanceof Buffer)) {
      const message =
        'Something read the body before Postrider, such as express.json(): mount Postrider before it.'
      if (next) next(new Error(message))
      else response.writeHead(500).end(message)
      return
    }
    void listener(request, response)
  }
}

/** What is used of a `FastifyInstance`. */
interface FastifyScope {
  removeAllContentTypeParsers(): unknown
  addContentTypeParser(
    contentType: string,
    parser: (request: unknown, payload: unknown, done: (error: null) => void) => void,
  ): unknown
  all(
    path: string,
    handler: (request: { raw: IncomingMessage }, reply: { raw: ServerResponse; hijack(): unknown }) => void,
  ): unknown
  addHook(name: 'preClose', hook: () => Promise<void>): unknown
}

/**
 * The API and the dashboard in Fastify, as a plugin, under the API's `basePath`. How the application parses the bodies of
 * its own routes does not change.
 *
 *     await app.register(toFastifyPlugin(createApi({ engine: postrider, adminKey, basePath: '/webhooks' })))
 */
export function toFastifyPlugin(api: Api): (scope: FastifyScope) => Promise<void> {
  const listener = nodeListener(api)
  const unfinished = new Set<ServerResponse>()
  return async (scope) => {
    scope.removeAllContentTypeParsers()
    // Left unread: the API reads bodies itself, to their digits and limits.
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
    const { basePath } = api
    for (const path of basePath === '' ? ['/*'] : [basePath, `${basePath}/*`]) {
      scope.all(path, (request, reply) => {
        reply.hijack()
        unfinished.add(reply.raw)
        reply.raw.once('close', () => unfinished.delete(reply.raw))
        void listener(request.raw, reply.raw)
      })
    }
    scope.addHook('preClose', async () => {
      api.endStreams()
      // Fastify then closes connections that are idle, and waits for the others until they are kept alive no more.
      await Promise.all(Array.from(unfinished, (response) => once(response, 'close')))
    })
  }
}
