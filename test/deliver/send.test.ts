import { afterAll, describe, expect, it } from 'vitest'
import { type Answer, Sender } from '../../src/deliver/send.ts'
import { Receiver } from '../support/receiver.ts'

const policy = { allowHttp: true, allowPrivate: ['127.0.0.0/8'] }
const timeoutMs = 5_000
const sender = new Sender({ policy })
afterAll(() => sender.close())

describe('an answer', () => {
  it('is the status, headers, body and time of the receiver', async () => {
    await using receiver = await Receiver.start({
      answer: () => ({
        status: 201,
        headers: { 'X-Trace': 'abc', 'set-cookie': ['a=1', 'b=2'] },
        body: 'thanks ✓',
      }),
    })
    const answer = await send(receiver.url)
    expect(answer).toMatchObject({ kind: 'answer', status: 201, body: 'thanks ✓', bodyTruncated: false })
    expect((answer as Answer).headers).toMatchObject({ 'x-trace': 'abc', 'set-cookie': 'a=1, b=2' })
    expect(answer).not.toHaveProperty('note')
    expect(answer.durationMs).toBeGreaterThanOrEqual(0)
    expect(receiver.requests[0]).toMatchObject({ method: 'POST', body: '{"id":1}' })
  })

  it.each([
    ['NUL', Buffer.from('a\0b'), 'a\uFFFDb'],
    ['bytes that are no UTF-8', Buffer.from([0x61, 0xff, 0xfe, 0x62]), 'a\uFFFD\uFFFDb'],
    ['a byte order mark', Buffer.from('\uFEFFa'), '\uFEFFa'],
  ])('keeps a body with %s as text that a database can hold', async (_, body, stored) => {
    await using receiver = await Receiver.start({ answer: () => ({ status: 200, body }) })
    expect(await send(receiver.url)).toMatchObject({ body: stored, bodyTruncated: false })
  })

  it.each([
    ['letters', 'x'.repeat(20_000), 16_384],
    ['two-byte letters, not cut in half', 'x' + 'ä'.repeat(10_000), 16_383],
    ['bytes that are no UTF-8, which grow by being replaced', Buffer.alloc(20_000, 0xff), 16_383],
  ])('keeps 16 KiB of a longer body of %s', async (_, body, bytes) => {
    await using receiver = await Receiver.start({ answer: () => ({ status: 200, body }) })
    const answer = (await send(receiver.url)) as Answer
    expect(answer).toMatchObject({ status: 200, bodyTruncated: true })
    expect(answer).not.toHaveProperty('note')
    expect(Buffer.byteLength(answer.body)).toBe(bytes)
  })

  it('does not decompress: a compressed body is what came', async () => {
    const body = Buffer.from([0x1f, 0x8b, 0x08])
    const headers = { 'content-encoding': 'gzip' }
    await using receiver = await Receiver.start({ answer: () => ({ status: 200, headers, body }) })
    expect(await send(receiver.url)).toMatchObject({ body: '\x1f\uFFFD\x08' })
  })

  it('keeps about 8 KiB of headers', async () => {
    const headers = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`x-${n}`, 'v'.repeat(100)]))
    await using receiver = await Receiver.start({ answer: () => ({ status: 200, headers }) })
    const answer = (await send(receiver.url)) as Answer
    expect(JSON.stringify(answer.headers).length).toBeLessThan(9_000)
    expect(Object.keys(answer.headers).length).toBeGreaterThan(70)
  })
})

describe('connections', () => {
  it('are used again for the next request to the same origin', async () => {
    await using receiver = await Receiver.start()
    for (let count = 0; count < 5; count += 1) await send(receiver.url)
    expect(receiver.requests.map(({ connection }) => connection)).toEqual([1, 1, 1, 1, 1])
  })

  it('carry one request at a time: a slow one does not hold the next', async () => {
    await using receiver = await Receiver.start()
    const release = Promise.withResolvers<void>()
    receiver.answer = async ({ body }) => {
      if (body === '"slow"') await release.promise
      return { status: 204 }
    }
    const slow = send(receiver.url, { body: '"slow"' })
    await receiver.waitFor(1)
    expect(await send(receiver.url)).toMatchObject({ status: 204 })
    release.resolve()
    expect(await slow).toMatchObject({ status: 204 })
    expect(receiver.connections).toBe(2)
  })

  it('are opened anew after one that the receiver closed while it was idle', async () => {
    await using receiver = await Receiver.start({
      answer: () => ({ status: 204, headers: { connection: 'close' } }),
    })
    for (let count = 0; count < 3; count += 1) expect(await send(receiver.url)).toMatchObject({ status: 204 })
    expect(receiver.connections).toBe(3)
  })

  it('are closed after two idle seconds', async () => {
    await using receiver = await Receiver.start()
    await send(receiver.url)
    expect(receiver.openConnections).toBe(1)
    await receiver.until(() => receiver.openConnections === 0, { timeoutMs: 4_000 })
  })

  it('serve many requests at once, each with its own answer', async () => {
    await using receiver = await Receiver.start({ answer: ({ body }) => ({ status: 200, body }) })
    const bodies = Array.from({ length: 500 }, (_, n) => JSON.stringify({ n }))
    const answers = await Promise.all(bodies.map((body) => send(receiver.url, { body })))
    expect(answers.map((answer) => (answer as Answer).body)).toEqual(bodies)
  })
})

describe('when nothing answers', () => {
  it('says so in words: nobody listens', async () => {
    const receiver = await Receiver.start()
    const { url } = receiver
    await receiver.close()
    expect(await send(url)).toMatchObject({ kind: 'error', class: 'refused', error: 'connection refused' })
  })

  it('tries the other addresses of a name', async () => {
    await using receiver = await Receiver.start()
    const both = { allowHttp: true, allowPrivate: ['127.0.0.0/8', '::1/128'] }
    const own = new Sender({ policy: both, resolver: resolvingTo('::1', '127.0.0.1') })
    const answer = await own.send(request(`http://example.com:${receiver.port}/`), { timeoutMs })
    expect(answer).toMatchObject({ status: 204 })
    await own.close()
  })

  it('says so in words: no address of a name answers', async () => {
    const receiver = await Receiver.start()
    const { port } = receiver
    await receiver.close()
    const own = new Sender({ policy, resolver: resolvingTo('127.0.0.1', '127.0.0.2') })
    const answer = await own.send(request(`http://example.com:${port}/`), { timeoutMs })
    expect(answer).toMatchObject({ class: 'refused', error: 'connection refused' })
    await own.close()
  })

  it.each([
    ['ENOTFOUND', 'host not found'],
    ['EAI_AGAIN', 'dns lookup failed (EAI_AGAIN)'],
  ])('says so in words: the name is not known (%s)', async (code, error) => {
    const resolver = async () => {
      throw Object.assign(new Error('getaddrinfo'), { code })
    }
    const own = new Sender({ policy, resolver })
    const answer = await own.send(request('https://nowhere.example/'), { timeoutMs })
    expect(answer).toMatchObject({ kind: 'error', class: 'dns', error })
    await own.close()
  })

  it('counts the lookup of the name into the deadline', async () => {
    const own = new Sender({ policy, resolver: () => new Promise(() => {}) })
    const answer = await own.send(request('https://silent.example/'), { timeoutMs: 50 })
    expect(answer).toMatchObject({ class: 'timeout', error: 'timeout after 50 ms' })
    await own.close()
  })

  it('does not connect once the deadline is over, when the lookup comes late', async () => {
    await using receiver = await Receiver.start()
    const lookup = Promise.withResolvers<{ address: string; family: number }[]>()
    const own = new Sender({ policy, resolver: () => lookup.promise })
    await own.send(request(`http://example.com:${receiver.port}/`), { timeoutMs: 20 })
    lookup.resolve([{ address: '127.0.0.1', family: 4 }])
    await own.close()
    await send(receiver.url)
    expect(receiver.connections).toBe(1)
  })
})

describe('the sender', () => {
  it('ends a request at once when its signal is given, and counts it as no answer of the receiver', async () => {
    await using receiver = await Receiver.start({ answer: () => new Promise(() => {}) })
    const stopping = new AbortController()
    const sent = send(receiver.url, { signal: stopping.signal })
    await receiver.waitFor(1)
    stopping.abort()
    expect(await sent).toMatchObject({ kind: 'error', class: 'aborted' })
    await receiver.until(() => receiver.openConnections === 0)
    expect(await send(receiver.url, { signal: stopping.signal })).toMatchObject({ class: 'aborted' })
    expect(receiver.requests).toHaveLength(1)
  })

  it('waits for running requests when it is closed, and takes no more', async () => {
    await using receiver = await Receiver.start()
    const release = Promise.withResolvers<{ status: number }>()
    receiver.answer = () => release.promise
    const own = new Sender({ policy })
    const sent = own.send(request(receiver.url), { timeoutMs })
    await receiver.waitFor(1)
    const closed = own.close()
    expect(await own.send(request(receiver.url), { timeoutMs })).toMatchObject({ class: 'aborted' })
    release.resolve({ status: 204 })
    await closed
    expect(await sent).toMatchObject({ status: 204 })
    await receiver.until(() => receiver.openConnections === 0)
  })

  it('ends running requests when it is destroyed', async () => {
    await using receiver = await Receiver.start({ answer: () => new Promise(() => {}) })
    const own = new Sender({ policy })
    const sent = [1, 2, 3].map(() => own.send(request(receiver.url), { timeoutMs }))
    await receiver.waitFor(3)
    own.destroy()
    for (const answer of await Promise.all(sent)) expect(answer).toMatchObject({ class: 'aborted' })
    await receiver.until(() => receiver.openConnections === 0)
  })

  it.each(['', 'nonsense', 'https://', 'https://user:pass@example.com/', 'mailto:a@example.com'])(
    'refuses the url %j without throwing',
    async (url) => {
      expect(await send(url)).toMatchObject({ kind: 'error', class: 'blocked' })
    },
  )

  it('reports a request that cannot be written, such as one with a stored header of another rule, without throwing', async () => {
    await using receiver = await Receiver.start()
    const headers = { 'x-bad': 'a\r\nX-Evil: 1' }
    const answer = await sender.send({ url: receiver.url, headers, body: '{}' }, { timeoutMs })
    expect(answer).toMatchObject({ kind: 'error', class: 'request' })
    expect(receiver.requests).toHaveLength(0)
  })
})

function request(url: string, body = '{"id":1}') {
  return { url, headers: { 'content-type': 'application/json' }, body }
}

function send(url: string, { body = '{"id":1}', signal }: { body?: string; signal?: AbortSignal } = {}) {
  return sender.send(request(url, body), { timeoutMs, ...(signal && { signal }) })
}

function resolvingTo(...addresses: string[]) {
  return async () => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
}
