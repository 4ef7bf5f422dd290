import express from 'express'
import { Hono } from 'hono'
import { Webhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { signed } from '../../src/testing/signed.ts'
import { webhooks as forExpress } from '../../src/verify/express.ts'
import { webhooks as forFastify } from '../../src/verify/fastify.ts'
import { webhooks as forFetch } from '../../src/verify/fetch.ts'
import { webhooks as forHono } from '../../src/verify/hono.ts'
import { VerificationError } from '../../src/verify/verify.ts'
import { type Events, frameworks, onSocket } from './frameworks.ts'

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const otherSecret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const paid = signed({ type: 'order.paid', data: { order: 7 } }, secret)

describe.each(Object.entries(frameworks))('a receiver in %s', (_name, start) => {
  it('hands over the event by its type, once its signature is verified, and answers 204 when that has ended', async () => {
    const heard: unknown[] = []
    await using app = await start({
      secret,
      on: {
        'order.paid': async ({ type, data }) => {
          await new Promise(setImmediate)
          heard.push([type, data.order])
        },
      },
      onEvent: ({ type }) => heard.push(type),
    })
    expect(await app.post(paid.body, paid.headers)).toEqual({ status: 204, text: '' })
    const shipped = signed({ type: 'order.shipped', data: { carrier: 'post' } }, secret)
    expect(await app.post(shipped.body, shipped.headers)).toMatchObject({ status: 204 })
    expect(heard).toEqual([['order.paid', 7], 'order.shipped'])
  })

  it('accepts what standardwebhooks and svix sign', async () => {
    const heard: unknown[] = []
    await using app = await start({ secret, onEvent: ({ id }) => heard.push(id) })
    const now = new Date()
    for (const [library, prefix] of [
      [new Webhook(secret), 'webhook'],
      [new SvixWebhook(secret), 'svix'],
    ] as const) {
      const body = JSON.stringify({ id: prefix, type: 'order.paid' })
      const answer = await app.post(body, {
        'content-type': 'application/json',
        [`${prefix}-id`]: prefix,
        [`${prefix}-timestamp`]: String(Math.floor(now.getTime() / 1_000)),
        [`${prefix}-signature`]: library.sign(prefix, now, body),
      })
      expect(answer).toMatchObject({ status: 204 })
    }
    expect(heard).toEqual(['webhook', 'svix'])
  })

  it('answers what nobody asked for, so that it does not come again', async () => {
    await using app = await start({ secret })
    const strange = signed({ type: '__proto__' }, secret)
    expect(await app.post(strange.body, strange.headers)).toMatchObject({ status: 204 })
  })

  it('refuses with 401, 400 and 413 what is no webhook, tells why, and hands nothing over', async () => {
    const heard: unknown[] = []
    const refused: string[] = []
    await using app = await start({
      secret: () => Promise.resolve([otherSecret]),
      maxBodyBytes: 1_000,
      onEvent: (event) => heard.push(event),
      onRefused: ({ code }) => refused.push(code),
    })
    expect(await app.post(paid.body, paid.headers)).toMatchObject({
      status: 401,
      text: expect.stringContaining('"signature_mismatch"'),
    })
    expect(await app.post('{}', { 'content-type': 'application/json' })).toMatchObject({
      status: 400,
      text: expect.stringContaining('webhook-id header'),
    })
    const old = signed({ type: 'order.paid' }, otherSecret, { signedAt: new Date(Date.now() - 3_600_000) })
    expect(await app.post(old.body, old.headers)).toMatchObject({
      status: 401,
      text: expect.stringContaining('"timestamp_too_old"'),
    })
    const large = signed({ type: 'order.paid', data: 'x'.repeat(1_001) }, otherSecret)
    expect(await app.post(large.body, large.headers)).toMatchObject({ status: 413 })
    expect(heard).toEqual([])
    // Fastify itself refuses what is too large.
    expect(refused.slice(0, 3)).toEqual(['signature_mismatch', 'missing_header', 'timestamp_too_old'])
  })

  it('refuses a body that grows too large and says nothing of its length', async () => {
    await using app = await start({ secret, maxBodyBytes: 1_000 })
    const pieces = new ReadableStream({
      pull: (controller) => controller.enqueue(new TextEncoder().encode('x'.repeat(400))),
    })
    const posted = app.post(pieces, paid.headers).then(({ status }) => status)
    // The connection may be closed before all of the answer is read.
    expect([413, 'closed']).toContain(await posted.catch(() => 'closed'))
  })

  it('answers 500 when the application fails, so that the event comes again', async () => {
    const fail = () => {
      throw new Error('the database is away')
    }
    await using app = await start({
      secret,
      on: { 'order.paid': fail },
      onRefused: () => Promise.reject(new Error('the log is away')),
    })
    expect(await app.post(paid.body, paid.headers)).toMatchObject({ status: 500 })
    expect(await app.post('{}', { 'content-type': 'application/json' })).toMatchObject({ status: 500 })
  })
})

describe('what read the body before', () => {
  it('is told by name in Express, and does no harm where it kept the bytes', async () => {
    const errors: unknown[] = []
    const app = express()
    app.use('/raw', express.raw({ type: 'application/json' }))
    app.use('/text', express.text({ type: 'application/json' }))
    app.use(
      '/kept',
      express.json({
        verify: (request, _response, buffer) => Object.assign(request, { rawBody: buffer }),
      }),
    )
    app.use('/parsed', express.json())
    for (const path of ['/raw', '/text', '/kept', '/parsed']) app.post(path, forExpress<Events>({ secret }))
    const report: express.ErrorRequestHandler = (error, _request, response, _next) => {
      errors.push(error)
      response.status(500).end()
    }
    app.use(report)
    await using running = await onSocket(app)
    for (const path of ['/raw', '/text', '/kept']) {
      expect(await running.post(paid.body, paid.headers, path)).toMatchObject({ status: 204 })
    }
    expect(await running.post(paid.body, paid.headers, '/parsed')).toMatchObject({ status: 500 })
    expect(errors).toEqual([
      expect.objectContaining({
        code: 'body_not_raw',
        message: expect.stringContaining('put webhooks() before it'),
      }),
    ])
  })

  it('keeps the text in Hono, and takes it away elsewhere', async () => {
    const app = new Hono()
    app.use(async (context, next) => {
      await context.req.json()
      await next()
    })
    app.post('/', forHono<Events>({ secret }))
    expect((await app.request('/', paid)).status).toBe(204)
    const request = paid.request()
    await request.json()
    await expect(forFetch<Events>({ secret })(request)).rejects.toMatchObject({ code: 'body_not_raw' })
  })

  it('is none in Fastify, whose other routes still get parsed bodies; nor in Express', async () => {
    for (const start of [frameworks['Fastify']!, frameworks['Express']!]) {
      await using app = await start({ secret })
      const json = { 'content-type': 'application/json' }
      expect(await app.post('{"parsed": true}', json, '/echo')).toEqual({
        status: 200,
        text: '{"parsed":true}',
      })
    }
  })
})

describe('a wrong secret', () => {
  it('stops the start of an application, where it is known by then', () => {
    for (const make of [
      () => forExpress({ secret: undefined as never }),
      () => forFastify({ path: '/', secret: [secret, 'abc'] }),
    ]) {
      expect(make).toThrow(VerificationError)
    }
  })

  it('is the application’s own mistake: 500, so that the event comes again', async () => {
    const receive = forFetch({ secret: () => '' })
    await expect(receive(paid.request())).rejects.toMatchObject({ code: 'invalid_secret' })
  })
})

it('answers another method than POST with 405', async () => {
  const response = await forFetch({ secret })(new Request('http://localhost/webhooks'))
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
})

it('the types of events reach what is done with them, and a type that is none is refused', () => {
  forFetch<Events>({
    secret,
    on: {
      'order.paid': (event, request) => {
        expectTypeOf(event.data).toEqualTypeOf<{ order: number }>()
        expectTypeOf(event.type).toEqualTypeOf<'order.paid'>()
        expectTypeOf(request).toEqualTypeOf<Request>()
      },
    },
    onEvent: (event) => {
      if (event.type === 'order.shipped') expectTypeOf(event.data.carrier).toEqualTypeOf<string>()
    },
  })
  // @ts-expect-error -- there is no such event
  forFetch<Events>({ secret, on: { 'order.lost': () => {} } })
  forFetch({ secret, on: { 'anything.at.all': ({ data }) => expectTypeOf(data).toEqualTypeOf<unknown>() } })
})
