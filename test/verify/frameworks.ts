import { getRequestListener } from '@hono/node-server'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { NextRequest } from 'next/server.js'
import { webhooks as forExpress } from '../../src/verify/express.ts'
import { webhooks as forFastify } from '../../src/verify/fastify.ts'
import { webhooks as forFetch } from '../../src/verify/fetch.ts'
import { webhooks as forHono } from '../../src/verify/hono.ts'
import { webhooks as forNext } from '../../src/verify/next.ts'
import type { WebhooksOptions } from '../../src/verify/webhooks.ts'
import { listening } from '../support/listening.ts'

/** What the receivers of these tests get. */
export interface Events {
  'order.paid': { order: number }
  'order.shipped': { carrier: string }
}

export type Options = WebhooksOptions<Events, unknown>

export interface Answer {
  status: number
  text: string
}

/** An application with a receiver at `/webhooks`, and beside it a route `/echo` that answers the JSON that it gets. */
export interface Application extends AsyncDisposable {
  post(body: BodyInit, headers: Record<string, string>, path?: string): Promise<Answer>
}

export const frameworks: Record<string, (options: Options) => Promise<Application>> = {
  Express: (options) => {
    const app = express()
    app.post('/webhooks', forExpress<Events>(options))
    app.use(express.json())
    app.post('/echo', (request, response) => {
      response.json(request.body)
    })
    app.use(quiet)
    return onSocket(app)
  },

  Fastify: async (options) => {
    const app = fastify()
    await app.register(forFastify<Events>({ path: '/webhooks', ...options }))
    app.post('/echo', (request) => request.body)
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    return { post: postTo(url), [Symbol.asyncDispose]: () => app.close() }
  },

  Hono: (options) => {
    const app = new Hono()
    app.post('/webhooks', forHono<Events>(options))
    app.post('/echo', async (context) => context.json(await context.req.json()))
    app.onError((_error, context) => context.text('', 500))
    return onSocket(getRequestListener(app.fetch, { overrideGlobalObjects: false }))
  },

  // Without a server, which takes long to start: a route is a function of the request.
  Next: async (options) => {
    const POST = forNext<Events>(options)
    return inProcess((init) => POST(new NextRequest('http://localhost/webhooks', init)))
  },

  'a fetch handler': async (options) => {
    const receive = forFetch<Events>(options)
    return inProcess((init) => receive(new Request('http://localhost/webhooks', init)))
  },
}

/** Express tells errors to the console, and these are meant. */
function quiet(
  error: Error,
  _request: express.Request,
  response: express.Response,
  _next: express.NextFunction,
): void {
  response.status(500).send(error.message)
}

export async function onSocket(answer: Parameters<typeof listening>[0]): Promise<Application> {
  const running = await listening(answer)
  return { post: postTo(running.url), [Symbol.asyncDispose]: running.stop }
}

function postTo(url: string): Application['post'] {
  return async (body, headers, path = '/webhooks') => {
    const response = await fetch(url + path, posting(body, headers))
    return { status: response.status, text: await response.text() }
  }
}

/** What a handler throws is answered 500 by whatever calls it. */
function inProcess(handle: (init: Posting) => Promise<Response>): Application {
  return {
    async post(body, headers) {
      try {
        const response = await handle(posting(body, headers))
        return { status: response.status, text: await response.text() }
      } catch (error) {
        return { status: 500, text: (error as Error).message }
      }
    },
    async [Symbol.asyncDispose]() {},
  }
}

interface Posting {
  method: 'POST'
  body: BodyInit
  headers: Record<string, string>
  /** A stream as body needs it. */
  duplex: 'half'
}

function posting(body: BodyInit, headers: Record<string, string>): Posting {
  return { method: 'POST', body, headers, duplex: 'half' }
}
