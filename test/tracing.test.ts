import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { context, type Link, propagation, type SpanContext, SpanKind, trace } from '@opentelemetry/api'
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node'
import { afterEach, describe, expect, it } from 'vitest'
import { registeredTracer } from '../src/tracing.ts'
import { Receiver } from './support/receiver.ts'
import { adminKey, type Running, startPostrider } from './support/running.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const parentId = 'b7ad6b7169203331'
const traceparent = `00-${traceId}-${parentId}-01`

/** As an application does it that wants spans; the exporter has those that ended. */
function register(): InMemorySpanExporter {
  const exporter = new InMemorySpanExporter()
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register()
  return exporter
}

afterEach(() => {
  trace.disable()
  context.disable()
  propagation.disable()
})

async function project({ postrider }: Running, receiver: Receiver, headers: Record<string, string> = {}) {
  const { id } = await postrider.projects.create({ name: 'shop' })
  // The path is a secret, as those of Slack are.
  const url = `${receiver.url}services/geheim?token=geheim`
  const webhook = await postrider.webhooks.create(id, { name: 'billing', url, headers })
  return { projectId: id, webhookId: webhook.id }
}

async function publishOverHttp(
  { url }: Running,
  projectId: string,
  headers: Record<string, string> = {},
): Promise<string> {
  const answer = await fetch(`${url}/api/projects/${projectId}/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ type: 'order.paid', data: { order: 1 } }),
  })
  expect(answer.status).toBe(202)
  return ((await answer.json()) as { id: string }).id
}

/** Those of a kind, once there are so many. */
async function spansOf(exporter: InMemorySpanExporter, name: string, count = 1): Promise<ReadableSpan[]> {
  const found = () => exporter.getFinishedSpans().filter((span) => span.name.startsWith(name))
  await expect.poll(() => found().length).toBeGreaterThanOrEqual(count)
  return found()
}

function linked(links: Link[]): string[] {
  return links.map((link) => link.context.spanId)
}

function idOf(span: { spanContext(): SpanContext }): string {
  return span.spanContext().spanId
}

describe('with a tracer provider', () => {
  it('an event has a trace from the request that publishes it to the receiver', async () => {
    const exporter = register()
    await using receiver = await Receiver.start()
    await using running = await startPostrider()
    const { projectId, webhookId } = await project(running, receiver, { 'x-token': 'hidden' })
    const eventId = await publishOverHttp(running, projectId, { traceparent })
    const [request] = await receiver.waitFor(1)

    const [published] = await spansOf(exporter, 'publish')
    const [claim] = await spansOf(exporter, 'claim')
    const [attempt] = await spansOf(exporter, 'deliver')
    expect(published).toMatchObject({
      name: 'publish order.paid',
      kind: SpanKind.PRODUCER,
      parentSpanContext: { traceId, spanId: parentId, isRemote: true },
      attributes: {
        'messaging.system': 'postrider',
        'messaging.operation.name': 'publish',
        'messaging.destination.name': 'order.paid',
        'messaging.message.id': eventId,
        'postrider.project.id': projectId,
        'postrider.deliveries': 1,
        'postrider.duplicate': false,
      },
    })
    expect(claim!.parentSpanContext).toBeUndefined()
    expect(claim!.spanContext().traceId).not.toBe(traceId)
    expect(linked(claim!.links)).toEqual([idOf(published!)])
    expect(claim!.attributes).toMatchObject({ 'messaging.batch.message_count': 1 })

    expect(attempt).toMatchObject({
      name: 'deliver order.paid',
      kind: SpanKind.CLIENT,
      parentSpanContext: { traceId, spanId: idOf(published!) },
      attributes: {
        'messaging.destination.name': 'order.paid',
        'messaging.message.id': eventId,
        'postrider.project.id': projectId,
        'postrider.webhook.id': webhookId,
        'postrider.attempt': 1,
        'postrider.outcome': 'delivered',
        'http.request.method': 'POST',
        'http.response.status_code': 204,
        'url.full': `http://127.0.0.1:${receiver.port}/REDACTED`,
        'server.address': '127.0.0.1',
        'server.port': receiver.port,
      },
    })
    expect(linked(attempt!.links)).toEqual([idOf(claim!)])
    expect(request!.headers['traceparent']).toBe(`00-${traceId}-${idOf(attempt!)}-01`)
    const told = exporter
      .getFinishedSpans()
      .map(({ name, attributes, status, events }) => ({ name, attributes, status, events }))
    expect(JSON.stringify(told)).not.toMatch(/geheim|hidden|whsec_/)
  })

  it('an event that is published within a span of the application belongs to it, in a transaction too', async () => {
    const exporter = register()
    await using receiver = await Receiver.start()
    await using running = await startPostrider()
    const { projectId } = await project(running, receiver)
    const { postrider } = running
    const event = { projectId, type: 'order.paid', data: {} }
    const tracer = trace.getTracer('shop')
    const around = tracer.startSpan('checkout')
    await context.with(trace.setSpan(context.active(), around), async () => {
      await postrider.publish(event)
      await postrider.publishMany([event, event])
      await publishOverHttp(running, projectId, { traceparent })
    })
    around.end()
    await receiver.waitFor(4)
    const published = await spansOf(exporter, 'publish', 3)
    const byTheApplication = published.filter(
      ({ parentSpanContext }) => parentSpanContext?.spanId === idOf(around),
    )
    expect(byTheApplication.map(({ name }) => name)).toEqual(['publish order.paid', 'publish'])
    expect(byTheApplication[1]!.attributes).toMatchObject({ 'messaging.batch.message_count': 2 })
    const attempts = await spansOf(exporter, 'deliver', 4)
    const parents = published.map(idOf)
    expect(attempts.every(({ parentSpanContext }) => parents.includes(parentSpanContext!.spanId))).toBe(true)
  })

  it('an attempt that fails says so, and so does what is not published', async () => {
    const exporter = register()
    await using receiver = await Receiver.start({ answer: () => ({ status: 503 }) })
    await using running = await startPostrider()
    const { projectId } = await project(running, receiver)
    await running.postrider.publish({ projectId, type: 'order.paid', data: {} })
    await expect(running.postrider.publish({ projectId, type: 'no type', data: {} })).rejects.toMatchObject({
      code: 'validation_failed',
    })
    const [attempt] = await spansOf(exporter, 'deliver')
    expect(attempt).toMatchObject({
      status: { code: 2, message: 'http 503' },
      attributes: { 'error.type': '503', 'http.response.status_code': 503, 'postrider.outcome': 'retry' },
    })
    const [, refused] = await spansOf(exporter, 'publish', 2)
    expect(refused).toMatchObject({
      status: { code: 2, message: 'not published: validation_failed' },
      attributes: { 'error.type': 'validation_failed' },
    })
  })
})

it('instrumentation of libraries makes no second span of an attempt, and adds no second header', async () => {
  const exporter = register()
  await using receiver = await Receiver.start()
  await using running = await startPostrider()
  const { projectId } = await project(running, receiver)
  const added: Record<string, string>[] = []
  // As that of undici does it, for each request on its way.
  const instrument = (message: unknown): void => {
    const { origin } = (message as { request: { origin: string | URL } }).request
    if (!String(origin).includes(String(receiver.port))) return
    const headers: Record<string, string> = {}
    const span = trace.getTracer('undici').startSpan('POST', { kind: SpanKind.CLIENT })
    propagation.inject(trace.setSpan(context.active(), span), headers)
    span.end()
    added.push(headers)
  }
  subscribe('undici:request:create', instrument)
  await running.postrider.publish({ projectId, type: 'order.paid', data: {} })
  await receiver.waitFor(1)
  unsubscribe('undici:request:create', instrument)
  await spansOf(exporter, 'deliver')
  expect(added).toEqual([{}])
  expect(exporter.getFinishedSpans().filter(({ name }) => name === 'POST')).toEqual([])
})

describe('without a tracer provider', () => {
  it('nothing is there to make spans with', () => {
    expect(registeredTracer()).toBeUndefined()
    register()
    expect(registeredTracer()).toBeDefined()
    trace.disable()
    expect(registeredTracer()).toBeUndefined()
  })

  it('the trace of a request reaches the receiver as it is, at each attempt, and the history', async () => {
    let answers = 0
    await using receiver = await Receiver.start({ answer: () => ({ status: answers++ === 0 ? 500 : 204 }) })
    await using running = await startPostrider()
    const { postrider } = running
    const { projectId } = await project(running, receiver)
    const eventId = await publishOverHttp(running, projectId, { traceparent })
    await receiver.waitFor(1)
    const { rows } = await postrider.deliveries.list(projectId, { event_id: eventId })
    const read = () => postrider.deliveries.get(projectId, rows[0]!.id)
    await expect.poll(async () => (await read()).attempts).toBe(1)
    await postrider.deliveries.retry(projectId, rows[0]!.id)
    const requests = await receiver.waitFor(2)
    expect(requests.map(({ headers }) => headers['traceparent'])).toEqual([traceparent, traceparent])
    const [attempt] = await postrider.deliveries.attempts(projectId, rows[0]!.id)
    expect(attempt!.request_headers).toMatchObject({ traceparent })
  })

  it.each([[{}], [{ traceparent: 'trace me' }]])('a request with %j sends none', async (headers) => {
    await using receiver = await Receiver.start()
    await using running = await startPostrider()
    const { projectId } = await project(running, receiver)
    await publishOverHttp(running, projectId, headers)
    const [request] = await receiver.waitFor(1)
    expect(request!.headers).not.toHaveProperty('traceparent')
  })

  it('a header of the webhook’s own of that name stands', async () => {
    await using receiver = await Receiver.start()
    await using running = await startPostrider()
    const { projectId } = await project(running, receiver, { TraceParent: 'of my own' })
    await publishOverHttp(running, projectId, { traceparent })
    const [request] = await receiver.waitFor(1)
    expect(request!.headers['traceparent']).toBe('of my own')
  })
})
