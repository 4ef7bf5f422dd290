import type { Socket } from 'node:net'
import * as fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { type Answer, Sender, type SendError } from '../../src/deliver/send.ts'
import { HostileReceiver } from '../support/hostile.ts'

/**
 * Receivers that speak no HTTP, too much of it, or too slowly. Each becomes an answer or an error in words, within
 * the deadline, and its connection is closed.
 */

const sender = new Sender({ policy: { allowHttp: true, allowPrivate: ['127.0.0.0/8'] } })
afterAll(() => sender.close())

const ok = 'HTTP/1.1 200 OK\r\n'
const timeout = { kind: 'error', class: 'timeout', error: 'timeout after 300 ms' }
const invalid = { kind: 'error', class: 'protocol' }
const closedEarly = { kind: 'error', class: 'network' }

/** Without a timeout of its own a case is over long before it. */
type Case = [does: string, behave: (socket: Socket) => void, result: object, timeoutMs?: number]

describe('no answer', () => {
  it.each<Case>([
    ['says nothing', () => {}, timeout, 300],
    [
      'drips a header, one byte at a time',
      (socket) => drip(socket, `${ok}x-drip: ${'a'.repeat(10_000)}`),
      timeout,
      300,
    ],
    [
      'sends a status line without end',
      (socket) => flood(socket, 'HTTP/1.1 200 ', 'A'.repeat(1_000)),
      timeout,
      300,
    ],
    ['sends 100 without end', (socket) => flood(socket, '', 'HTTP/1.1 100 Continue\r\n\r\n'), invalid],
    ['sends 102 without end', (socket) => flood(socket, '', 'HTTP/1.1 102 Processing\r\n\r\n'), invalid],
    [
      'sends 103 without end',
      (socket) => flood(socket, '', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'),
      invalid,
    ],
    [
      'switches protocols',
      once('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
      invalid,
    ],
    [
      'sends a header of 100 KB',
      once(`${ok}x-big: ${'a'.repeat(100_000)}\r\n\r\n`),
      {
        ...invalid,
        error: 'answer headers too large',
      },
    ],
    ['sends 10,000 headers', once(ok + 'x-many: 1\r\n'.repeat(10_000) + '\r\n'), invalid],
    ['sends headers without end', (socket) => flood(socket, ok, 'a: b\r\n'), invalid],
    [
      'resets the connection',
      (socket) => socket.resetAndDestroy(),
      { ...closedEarly, error: 'connection reset' },
    ],
    [
      'closes the connection',
      (socket) => socket.end(),
      { ...closedEarly, error: 'connection closed before an answer' },
    ],
    ['closes in the middle of the headers', closing(`${ok}x-half: `), invalid],
    ['sends garbage', once('\x00\x01\x02garbage\r\n\r\n'), invalid],
    ['sends another protocol', once('SSH-2.0-OpenSSH_9.6\r\n'), invalid],
    ['sends a TLS alert', once(Buffer.from([0x15, 3, 1, 0, 2, 2, 0x28])), invalid],
    ['speaks HTTP/0.9', closing('<html>hello</html>'), invalid],
    ['speaks HTTP/2', once('HTTP/2 200\r\n\r\n'), invalid],
    ['sends status 099', once('HTTP/1.1 099 Nothing\r\ncontent-length: 0\r\n\r\n'), invalid],
    ['sends status 000', once('HTTP/1.1 000 Nothing\r\ncontent-length: 0\r\n\r\n'), invalid],
    ['sends status 2000', once('HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n'), invalid],
    [
      'sends content-length and chunks',
      once(`${ok}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`),
      invalid,
    ],
    ['sends two content-lengths', once(`${ok}content-length: 5\r\ncontent-length: 6\r\n\r\nhello!`), invalid],
    ['sends a content-length of -1', once(`${ok}content-length: -1\r\n\r\n`), invalid],
    ['sends a content-length of 1e30', once(`${ok}content-length: ${'9'.repeat(30)}\r\n\r\n`), invalid],
    ['sends NUL in a header', once(`${ok}x-nul: a\0b\r\ncontent-length: 0\r\n\r\n`), invalid],
    ['sends a bare line feed in a header', once(`${ok}x: a\rb\r\ncontent-length: 0\r\n\r\n`), invalid],
  ])('from a receiver that %s', expectResult)
})

describe('an answer whose body is wrong is judged by its status', () => {
  const cut = { kind: 'answer', status: 200, bodyTruncated: true }
  const whole = { kind: 'answer', status: 200, bodyTruncated: false }

  it.each<Case>([
    [
      'a body of a byte now and then',
      (socket) => drip(socket, `${ok}content-length: 9999\r\n\r\n`, 'abc'),
      {
        ...cut,
        body: expect.stringMatching(/^abc/),
        note: 'answer body incomplete: timeout after 300 ms',
      },
      300,
    ],
    [
      'a body that never ends',
      (socket) => flood(socket, `${ok}\r\n`, 'x'.repeat(10_000)),
      {
        ...cut,
        body: 'x'.repeat(16_384),
        note: 'answer body incomplete: cut off after 65536 bytes',
      },
    ],
    [
      'chunks that never end',
      (socket) => flood(socket, `${ok}transfer-encoding: chunked\r\n\r\n`, '1\r\nx\r\n'),
      {
        ...cut,
        note: 'answer body incomplete: cut off after 65536 bytes',
      },
    ],
    [
      'a chunk extension that never ends',
      (socket) => flood(socket, `${ok}transfer-encoding: chunked\r\n\r\n1;`, 'x'.repeat(1_000)),
      cut,
      300,
    ],
    [
      'trailers that never end',
      (socket) => flood(socket, `${ok}transfer-encoding: chunked\r\n\r\n0\r\n`, 'a: b\r\n'),
      {
        ...cut,
        note: 'answer body incomplete: answer headers too large',
      },
    ],
    [
      'a reset in the middle of the body',
      (socket) => {
        socket.write(`${ok}content-length: 100\r\n\r\nhalf`, () =>
          setImmediate(() => socket.resetAndDestroy()),
        )
      },
      { ...cut, note: expect.stringContaining('answer body incomplete: connection') },
    ],
    [
      'a close in the middle of the body',
      closing(`${ok}content-length: 100\r\n\r\nhalf`),
      {
        ...cut,
        body: 'half',
        note: expect.stringContaining('answer body incomplete'),
      },
    ],
    [
      'a close in the middle of a chunk',
      closing(`${ok}transfer-encoding: chunked\r\n\r\n64\r\nhalf`),
      {
        ...cut,
        body: 'half',
      },
    ],
    [
      'a bad chunk size',
      once(`${ok}transfer-encoding: chunked\r\n\r\nzz\r\nhello`),
      {
        ...cut,
        note: expect.stringContaining('invalid http answer'),
      },
    ],
    [
      'a chunk size of 2^80',
      once(`${ok}transfer-encoding: chunked\r\n\r\nffffffffffffffffffff\r\nhello`),
      cut,
    ],
    ['no length and a close', closing(`${ok}\r\nwhole`), { ...whole, body: 'whole' }],
    ['more than its length', once(`${ok}content-length: 2\r\n\r\nok and more`), { ...whole, body: 'ok' }],
    ['two answers at once', once(`${ok}content-length: 2\r\n\r\nok`.repeat(2)), { ...whole, body: 'ok' }],
    [
      '204 with a body',
      once('HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello'),
      {
        ...whole,
        status: 204,
        body: '',
      },
    ],
    [
      'a few 103 before the answer',
      once('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(3) + `${ok}content-length: 0\r\n\r\n`),
      whole,
    ],
    ['HTTP/1.0', closing('HTTP/1.0 200 OK\r\n\r\nold'), { ...whole, body: 'old' }],
    ['status 999', once('HTTP/1.1 999 What\r\ncontent-length: 0\r\n\r\n'), { ...whole, status: 999 }],
    [
      '500 and a reset',
      closing('HTTP/1.1 500 No\r\ncontent-length: 100\r\n\r\nhalf'),
      { ...cut, status: 500 },
    ],
    ['a header named __proto__', once(`${ok}__proto__: x\r\ncontent-length: 0\r\n\r\n`), whole],
  ])('%s', expectResult)
})

describe('a connection that is used again', () => {
  it('and is reset before any byte of the answer is an error, not a hang', async () => {
    await using receiver = await HostileReceiver.start((socket, requestNumber) => {
      if (requestNumber === 1) socket.write(`${ok}content-length: 0\r\n\r\n`)
      else socket.resetAndDestroy()
    })
    expect(await send(receiver.url)).toMatchObject({ status: 200 })
    expect(await send(receiver.url)).toMatchObject({ kind: 'error', error: 'connection reset' })
    expect(await send(receiver.url)).toMatchObject({ status: 200 })
    expect(receiver.connections).toBe(2)
    expect(receiver.requests).toBe(3)
  })

  it('never takes what came unasked on it for the answer of the next request', async () => {
    await using receiver = await HostileReceiver.start((socket, requestNumber) => {
      const forged = 'HTTP/1.1 200 OK\r\nx-forged: yes\r\ncontent-length: 0\r\n\r\n'
      socket.write(`HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n${requestNumber === 1 ? forged : ''}`)
    })
    for (let count = 0; count < 10; count += 1)
      expect(await send(receiver.url)).toMatchObject({ status: 500 })
  })
})

it('whatever comes back, in whatever pieces, is an answer or an error', { timeout: 30_000 }, async () => {
  const piece = fc.oneof(
    { weight: 3, arbitrary: fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)) },
    {
      weight: 7,
      arbitrary: fc
        .constantFrom(
          ok,
          'HTTP/1.1 204 No\r\n',
          'HTTP/1.1 103 Early Hints\r\n\r\n',
          'HTTP/1.1 100 Continue\r\n\r\n',
          'content-length: 5\r\n',
          'transfer-encoding: chunked\r\n',
          'connection: close\r\n',
          'connection: upgrade\r\nupgrade: h2c\r\n',
          'keep-alive: timeout=0\r\n',
          '\r\n',
          'hello',
          '5\r\nhello\r\n',
          '0\r\n\r\n',
          ' ',
          '\n',
        )
        .map((text) => Buffer.from(text)),
    },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 8 }),
      fc.constantFrom('end', 'reset', 'stay'),
      async (pieces, ending) => {
        await using receiver = await HostileReceiver.start(
          (socket) => void answerInPieces(socket, pieces, ending),
        )
        const results = [await send(receiver.url, 30), await send(receiver.url, 30)]
        for (const result of results) expect(['answer', 'error']).toContain(result.kind)
      },
    ),
    { numRuns: 150 },
  )
})

async function expectResult(...[, behave, result, timeoutMs = 5_000]: Case): Promise<void> {
  await using receiver = await HostileReceiver.start(behave)
  const received = await send(receiver.url, timeoutMs)
  expect(received).toMatchObject(result)
  expect(received.durationMs).toBeLessThan(timeoutMs + 1_500)
  expect(receiver.requests).toBe(1)
  if (received.kind === 'error' || received.bodyTruncated) await receiver.allClosed()
}

function send(url: string, timeoutMs = 5_000): Promise<Answer | SendError> {
  return sender.send({ url, headers: { 'content-type': 'application/json' }, body: '{}' }, { timeoutMs })
}

async function answerInPieces(socket: Socket, pieces: readonly Buffer[], ending: string): Promise<void> {
  for (const bytes of pieces) await new Promise((resolve) => socket.write(bytes, resolve))
  if (ending === 'end') socket.end()
  if (ending === 'reset') socket.resetAndDestroy()
}

function once(bytes: string | Buffer): (socket: Socket) => void {
  return (socket) => void socket.write(bytes)
}

function closing(bytes: string): (socket: Socket) => void {
  return (socket) => void socket.end(bytes)
}

/** The beginning at once, then byte after byte for as long as the other side holds. */
function drip(socket: Socket, text: string, start = ''): void {
  let sent = 0
  socket.write(start === '' ? text.slice(0, (sent = 20)) : text + start)
  const timer = setInterval(() => socket.write(text[sent++ % text.length]!), 20)
  socket.once('close', () => clearInterval(timer))
}

/** The beginning, then the same again for as long as the other side takes it. */
function flood(socket: Socket, start: string, again: string): void {
  const block = again.repeat(Math.ceil(16_384 / again.length))
  const more = (): void => {
    if (!socket.destroyed) socket.write(block, () => setImmediate(more))
  }
  socket.write(start)
  more()
}
