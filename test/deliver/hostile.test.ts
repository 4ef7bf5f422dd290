import type { Socket } from 'node:net'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judge } from '../../src/deliver/judge.ts'
import { type Answer, Sender, type SendError } from '../../src/deliver/send.ts'
import { type HostileCase, hostileReceivers } from '../corpora/hostile.ts'
import { authority, good, host, hostileTls, type HostileTlsCase } from '../corpora/hostile-tls.ts'
import { HostileReceiver, type HostileOptions, saysNothing } from '../support/hostile.ts'

/**
 * Each of them becomes an answer or an error in words, and its connection is closed. What becomes of their deliveries, in
 * what time and memory, is in hostile-worker.test.ts.
 */

const deadlineMs = { endless: 700, others: 5_000 }
const ok = 'HTTP/1.1 200 OK\r\n'

describe.concurrent.each(['TCP', 'TLS'])('over %s, from a receiver that', (transport) => {
  const options = transport === 'TLS' ? { tls: good, isSecure: true } : { isSecure: false }

  describe.each(hostileReceivers)('has %s and', (_, cases) => {
    it.each(cases)('$does', async (hostile) => {
      const { answer, timeoutMs, receiver } = await sendTo(hostile, { ...options, atOpen: hostile.atOpen })
      const { outcome, status, says, body } = hostile
      const { kind, responseStatus, ...words } = judged(answer)
      expect(kind).toBe(outcome)
      expectWords('note' in words ? words.note : words.error, says, timeoutMs)
      if (status !== undefined) expect(responseStatus).toBe(status)
      if (body !== undefined) expectWords((answer as Answer).body, body, timeoutMs)
      if (!hostile.isLarge) expect(receiver.requests).toBe(1)
    })
  })
})

describe.concurrent.each(hostileTls)(
  'instead of a request over TLS, to a receiver with %s that',
  (_, cases) => {
    it.each(cases)('$does', async (hostile) => {
      const options = hostile.tls ? { tls: hostile.tls } : { atOpen: hostile.insteadOfTls }
      const { answer, timeoutMs, receiver } = await sendTo(
        { ...hostile, behave: saysNothing },
        { ...options, isSecure: true },
      )
      expect(answer.kind).toBe('error')
      expectWords((answer as SendError).error, hostile.says, timeoutMs)
      expect(receiver.requests).toBe(0)
    })
  },
)

describe('a connection that is used again', () => {
  it('and is reset before any byte of the answer is an error, not a hang', async () => {
    await using receiver = await HostileReceiver.start((socket, requestNumber) => {
      if (requestNumber === 1) socket.write(`${ok}content-length: 0\r\n\r\n`)
      else socket.resetAndDestroy()
    })
    await using sender = open()
    expect(await send(sender, receiver.url)).toMatchObject({ status: 200 })
    expect(await send(sender, receiver.url)).toMatchObject({ kind: 'error', error: 'connection reset' })
    expect(await send(sender, receiver.url)).toMatchObject({ status: 200 })
    expect(receiver.connections).toBe(2)
    expect(receiver.requests).toBe(3)
  })

  it('never takes what came unasked on it for the answer of the next request', async () => {
    await using receiver = await HostileReceiver.start((socket, requestNumber) => {
      const forged = 'HTTP/1.1 200 OK\r\nx-forged: yes\r\ncontent-length: 0\r\n\r\n'
      socket.write(`HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n${requestNumber === 1 ? forged : ''}`)
    })
    await using sender = open()
    for (let count = 0; count < 10; count += 1)
      expect(await send(sender, receiver.url)).toMatchObject({ status: 500 })
  })

  it('and on which something comes while it is idle is used no more', async () => {
    const sockets: Socket[] = []
    await using receiver = await HostileReceiver.start((socket) => {
      sockets.push(socket)
      socket.write(`${ok}content-length: 0\r\n\r\n`)
    })
    await using sender = open()
    await send(sender, receiver.url)
    sockets[0]!.write('HTTP/1.1 200 OK\r\nx-forged: yes\r\ncontent-length: 0\r\n\r\n')
    await receiver.allClosed()
    expect(await send(sender, receiver.url)).toMatchObject({
      status: 200,
      headers: { 'content-length': '0' },
    })
    expect(receiver.connections).toBe(2)
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
  await using sender = open()
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 8 }),
      fc.constantFrom('end', 'reset', 'stay'),
      async (pieces, ending) => {
        await using receiver = await HostileReceiver.start(
          (socket) => void answerInPieces(socket, pieces, ending),
        )
        const results = [await send(sender, receiver.url, 30), await send(sender, receiver.url, 30)]
        for (const result of results) expect(['answer', 'error']).toContain(result.kind)
      },
    ),
    { numRuns: 150 },
  )
})

/** One request to a receiver of the corpus; afterwards the connection is closed, as the receiver sees it. */
async function sendTo(
  { behave, isEndless, isLarge }: Pick<HostileCase & HostileTlsCase, 'behave' | 'isEndless' | 'isLarge'>,
  { isSecure, ...options }: HostileOptions & { isSecure: boolean },
) {
  await using receiver = await HostileReceiver.start(behave, options)
  const timeoutMs = isEndless ? deadlineMs.endless : deadlineMs.others
  const sender = open()
  const url = isSecure ? `https://${host}:${receiver.port}/` : receiver.url
  const answer = await send(sender, url, timeoutMs, isLarge ? 'x'.repeat(200_000) : '{}')
  // Its deadline is kept to the second where it runs by itself; here it shares a thread with those that flood it.
  expect(answer.durationMs).toBeLessThan(timeoutMs + 4_000)
  await sender.close()
  await receiver.allClosed()
  return { answer, timeoutMs, receiver }
}

function judged(answer: Answer | SendError) {
  const rules = { now: new Date(), retrySeconds: [60], random: () => 0 }
  return judge(answer, { attempts: 0, maxAttempts: 6 }, rules)
}

function expectWords(text: string | null, expected: string | RegExp | null, timeoutMs: number): void {
  if (expected instanceof RegExp) expect(text).toMatch(expected)
  else expect(text).toBe(expected && expected.replace('{deadline}', String(timeoutMs)))
}

function open(): Sender & AsyncDisposable {
  const sender = new Sender({
    policy: { allowHttp: true, allowPrivate: ['127.0.0.0/8'] },
    resolver: async () => [{ address: '127.0.0.1', family: 4 }],
    ca: authority.cert,
  })
  return Object.assign(sender, { [Symbol.asyncDispose]: () => sender.close() })
}

function send(sender: Sender, url: string, timeoutMs = 5_000, body = '{}'): Promise<Answer | SendError> {
  return sender.send({ url, headers: { 'content-type': 'application/json' }, body }, { timeoutMs })
}

async function answerInPieces(socket: Socket, pieces: readonly Buffer[], ending: string): Promise<void> {
  for (const bytes of pieces) await new Promise((resolve) => socket.write(bytes, resolve))
  if (ending === 'end') socket.end()
  if (ending === 'reset') socket.resetAndDestroy()
}
