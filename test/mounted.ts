import { getRequestListener } from '@hono/node-server'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { NextRequest } from 'next/server.js'
import { type Api, toFastifyPlugin, toNodeHandler } from '../src/api/server.ts'
import { listening } from './support/listening.ts'

/** Another application, in which Postrider is mounted. */
export interface Application extends AsyncDisposable {
  fetch(path: string, init?: RequestInit): Promise<Response>
}

export const applications: Record<string, (api: Api) => Promise<Application>> = {
  Express: (api) => {
    const app = express()
    app.use(api.basePath, toNodeHandler(api))
    app.use(express.json())
    app.post('/own', (request, response) => {
      response.json(request.body)
    })
    return onSocket(app)
  },

  Fastify: async (api) => {
    // It would wait for connections on which the client has sent nothing yet.
    const app = fastify({ forceCloseConnections: true })
    app.post('/own', (request) => request.body)
    await app.register(toFastifyPlugin(api))
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    return { fetch: fetchFrom(url), [Symbol.asyncDispose]: () => app.close() }
  },

  Hono: (api) => {
    const app = new Hono()
    app.post('/own', async (context) => context.json(await context.req.json()))
    app.all(`${api.basePath}/*`, (context) => api.fetch(context.req.raw, context.env))
    return onSocket(getRequestListener(app.fetch, { overrideGlobalObjects: false }))
  },

  // A route, `[[...path]]/route.ts`, is a function of the request; a server of Next takes long to start.
  Next: async (api) => {
    const answer = (request: Request) => api.fetch(request)
    const route: Record<string, (request: NextRequest) => Promise<Response>> = {
      GET: answer,
      POST: answer,
      PATCH: answer,
      DELETE: answer,
    }
    return {
      async fetch(path, { signal, ...init } = {}) {
        const request = new NextRequest(`http://localhost${path}`, init)
        if (path === '/own') return Response.json(await request.json())
        return cancelledBy(signal, await route[request.method]!(request))
      },
      async [Symbol.asyncDispose]() {},
    }
  },
}

export async function onSocket(answer: Parameters<typeof listening>[0]): Promise<Application> {
  const running = await listening(answer)
  return { fetch: fetchFrom(running.url), [Symbol.asyncDispose]: running.stop }
}

function fetchFrom(url: string): Application['fetch'] {
  return (path, init) => fetch(url + path, init)
}

/** As Next does when its client is gone. */
function cancelledBy(signal: AbortSignal | null | undefined, response: Response): Response {
  if (!signal || !response.body) return response
  const [told, lost] = [new TransformStream(), response.body]
  lost.pipeTo(told.writable, { signal }).catch(() => {})
  return new Response(told.readable, response)
}
