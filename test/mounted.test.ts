import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import express from 'express'
import fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { createApi, toFastifyPlugin, toNodeHandler } from '../src/api/server.ts'
import { type Application, applications, onSocket } from './mounted.ts'
import { startApi } from './support/api.ts'

const { postrider, adminKey, createProject } = await startApi()
const basePath = '/tools/hooks'
const json = { 'content-type': 'application/json' }

/** A stream of the project's deliveries, and how to go away from it. */
async function watch(app: Application, path: string, key: string) {
  const leaving = new AbortController()
  const response = await app.fetch(`${basePath}${path}/live`, {
    headers: { authorization: `Bearer ${key}` },
    signal: leaving.signal,
  })
  return { response, leave: () => leaving.abort() }
}

describe.each(Object.entries(applications))('mounted in %s', (_name, mount) => {
  it.concurrent('the API answers under the base path, and the application beside it', async ({ expect }) => {
    await using app = await mount(createApi({ engine: postrider, adminKey, basePath }))
    const { path, publish, view } = await createProject()
    // Bodies come through as they are: to the digit, and larger than the application takes them.
    const data = `{"number": 12345678901234567890, "text": "${'x'.repeat(200_000)}"}`
    const events = Array.from({ length: 6 }, () => `{"type": "order.paid", "data": ${data}}`)
    const published = await app.fetch(`${basePath}${path}/events/batch`, {
      method: 'POST',
      headers: { ...json, authorization: `Bearer ${publish}` },
      body: `{"events": [${events.join(', ')}]}`,
    })
    expect(published.status).toBe(202)
    const {
      events: [first],
    } = (await published.json()) as { events: [{ id: string }] }
    const read = await app.fetch(`${basePath}${path}/events/${first.id}`, {
      headers: { authorization: `Bearer ${view}` },
    })
    expect(await read.text()).toContain('12345678901234567890')
    const refused = await app.fetch(`${basePath}${path}/webhooks`, {
      headers: { authorization: 'Bearer no' },
    })
    expect([refused.status, refused.headers.get('content-type')]).toEqual([401, 'application/problem+json'])
    const own = await app.fetch('/own', { method: 'POST', headers: json, body: '{"own": [1]}' })
    expect(await own.json()).toEqual({ own: [1] })
  })

  it.concurrent('the dashboard finds its files from each of its pages', async ({ expect }) => {
    await using app = await mount(createApi({ engine: postrider, adminKey, basePath }))
    for (const page of [basePath, `${basePath}/projects`, `${basePath}/projects/1/webhooks`]) {
      const response = await app.fetch(page)
      expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
      const [, base] = /<base href="([^"]*)"/.exec(await response.text()) ?? []
      expect(new URL(base!, `http://localhost${page}`).pathname).toBe(`${basePath}/`)
    }
  })

  it.concurrent('a stream brings what happens, and is freed when its reader leaves', async ({ expect }) => {
    const api = createApi({ engine: postrider, adminKey, basePath })
    await using app = await mount(api)
    const { id, path, view } = await createProject()
    await postrider.webhooks.create(id, { name: 'w', url: 'http://127.0.0.1:8081/' })
    const streams = await Promise.all(Array.from({ length: 10 }, () => watch(app, path, view)))
    const [first] = streams
    expect(first!.response.headers.get('content-type')).toBe('text/event-stream')
    const reader = first!.response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let told = ''
    const until = async (text: string) => {
      while (!told.includes(text)) {
        const { value, done } = await reader.read()
        if (done) throw new Error(`the stream ended without ${text}: ${told}`)
        told += value
      }
    }
    await until(': open')
    const published = await postrider.publish({ projectId: id, type: 'order.paid', data: {} })
    await until(published.id)
    expect(told).toContain('"change":"created"')
    // As many as one key may have: the next has to wait until one has left.
    const eleventh = async () => {
      const { response, leave } = await watch(app, path, view)
      if (response.status === 200) leave()
      else await response.body?.cancel()
      return response.status
    }
    expect(await eleventh()).toBe(429)
    first!.leave()
    await expect.poll(eleventh, { timeout: 10_000 }).toBe(200)
    // Those that are left would hold up the end of the application.
    api.endStreams()
  })
})

it('Fastify ends the streams when it closes, also on connections that are kept alive', async () => {
  const app = fastify()
  await app.register(toFastifyPlugin(createApi({ engine: postrider, adminKey, basePath })))
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const { path, view } = await createProject()
  const agent = new Agent({ keepAlive: true })
  const options = { agent, headers: { authorization: `Bearer ${view}` } }
  const [response] = (await once(get(`${url}${basePath}${path}/live`, options), 'response')) as [
    IncomingMessage,
  ]
  expect(response.statusCode).toBe(200)
  const [ended] = await Promise.all([once(response.resume(), 'end'), app.close()])
  expect(ended).toEqual([])
  agent.destroy()
})

it('Express is told when it parsed the body before', async () => {
  const app = express()
  const errors: Error[] = []
  app.use(express.json())
  app.use(basePath, toNodeHandler(createApi({ engine: postrider, adminKey, basePath })))
  const report: express.ErrorRequestHandler = (error: Error, _request, response, _next) => {
    errors.push(error)
    response.status(500).end()
  }
  app.use(report)
  await using running = await onSocket(app)
  const answer = await running.fetch(`${basePath}/api/projects`, {
    method: 'POST',
    headers: json,
    body: '{}',
  })
  expect(answer.status).toBe(500)
  expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('mount Postrider before it')])
  expect((await running.fetch(`${basePath}/healthz`)).status).toBe(200)
})
