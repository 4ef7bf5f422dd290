import { execFile } from 'node:child_process'
import { createServer, type AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Sender, type SenderOptions } from '../../src/deliver/send.ts'
import { parseProxy } from '../../src/proxy.ts'
import { blockedTargets } from '../corpora/urls.ts'
import { makeCertificate } from '../support/certificate.ts'
import { EgressProxy } from '../support/egress-proxy.ts'
import { HostileReceiver } from '../support/hostile.ts'
import { Receiver } from '../support/receiver.ts'
import { ConnectionAttempts, Tripwire } from '../support/sockets.ts'

const policy = { allowHttp: true, allowPrivate: [] }
const authority = makeCertificate({ name: 'Test authority', isAuthority: true })
const certificate = makeCertificate({
  name: 'hooks.example.com',
  hosts: ['hooks.example.com', '127.0.0.1'],
  issuer: authority,
})

let attempts: ConnectionAttempts
beforeEach(() => {
  attempts = new ConnectionAttempts()
})
afterEach(() => attempts[Symbol.dispose]())

describe.each(['http', 'https'] as const)('through an %s proxy', (scheme) => {
  const tls = scheme === 'https' ? { tls: certificate } : {}

  it.each(['http', 'https'])(
    'an %s request goes by CONNECT, and the proxy resolves the name',
    async (target) => {
      await using receiver = await Receiver.start(target === 'https' ? { tls: certificate } : {})
      await using proxy = await EgressProxy.start(tls)
      await using sender = senderThrough(`${scheme}://127.0.0.1:${proxy.port}`)
      const url = `${target}://hooks.example.com:${receiver.port}/hook?q=1`
      for (let count = 0; count < 3; count += 1)
        expect(await send(sender, url)).toMatchObject({ status: 204 })
      expect(receiver.requests).toHaveLength(3)
      expect(receiver.requests[0]).toMatchObject({
        url: '/hook?q=1',
        headers: { host: `hooks.example.com:${receiver.port}` },
      })
      expect(receiver.requests[0]!.headers).not.toHaveProperty('proxy-authorization')
      // One tunnel for all three, and nothing beside it.
      expect(proxy.asked).toHaveLength(1)
      expect(proxy.asked[0]!.authority).toBe(`hooks.example.com:${receiver.port}`)
      expect(proxy.otherRequests).toBe(0)
      expect(attempts.exceptTo(proxy.port)).toEqual([`127.0.0.1 ${receiver.port}`])
    },
  )

  it('the connection is closed when the request has failed, and when the sender is closed', async () => {
    await using receiver = await Receiver.start({ tls: certificate, answer: () => new Promise(() => {}) })
    await using proxy = await EgressProxy.start(tls)
    await using sender = senderThrough(`${scheme}://127.0.0.1:${proxy.port}`)
    const url = `https://hooks.example.com:${receiver.port}/`
    expect(await send(sender, url, 300)).toMatchObject({ error: 'timeout after 300 ms' })
    await proxy.allClosed()
    receiver.answer = () => ({ status: 204 })
    expect(await send(sender, url)).toMatchObject({ status: 204 })
    expect(proxy.openConnections).toBe(1)
    await sender.close()
    await proxy.allClosed()
  })
})

it('the certificate of the receiver is checked, not that of the proxy alone', async () => {
  const other = makeCertificate({ name: 'other.example.com', issuer: authority })
  await using receiver = await Receiver.start({ tls: other })
  await using proxy = await EgressProxy.start({ tls: certificate })
  await using sender = senderThrough(`https://127.0.0.1:${proxy.port}`)
  expect(await send(sender, `https://hooks.example.com:${receiver.port}/`)).toMatchObject({
    class: 'tls',
    error: 'tls: certificate is for another host',
  })
  expect(receiver.requests).toHaveLength(0)
})

describe('what is blocked by what its URL says', () => {
  it('is refused without asking the proxy', async () => {
    await using proxy = await EgressProxy.start()
    await using sender = senderThrough(`http://127.0.0.1:${proxy.port}`)
    for (const url of [...blockedTargets(8_080), 'https://example.com:25/']) {
      expect({ url, ...(await send(sender, url)) }).toMatchObject({ url, kind: 'error', class: 'blocked' })
    }
    expect(proxy.asked).toEqual([])
    expect(attempts.all).toEqual([])
  })

  it('but what a policy opens is asked of the proxy', async () => {
    await using receiver = await Receiver.start()
    await using proxy = await EgressProxy.start()
    const open = { allowHttp: true, allowPrivate: ['10.0.0.0/8', 'fd00::/8'] }
    await using sender = senderThrough(`http://127.0.0.1:${proxy.port}`, { policy: open })
    for (const host of ['10.0.0.7', '[fd00::7]', 'receiver.internal', '1.1.1.1', '[2606:4700:4700::1111]']) {
      expect(await send(sender, `http://${host}:${receiver.port}/`)).toMatchObject({ status: 204 })
      expect(proxy.asked.at(-1)).toMatchObject({
        authority: `${host}:${receiver.port}`,
        headers: { host: `${host}:${receiver.port}` },
      })
    }
  })
})

describe('credentials in the URL of the proxy', () => {
  it('reach the proxy, and nobody else', async () => {
    await using receiver = await Receiver.start()
    await using proxy = await EgressProxy.start()
    await using sender = senderThrough(`http://post%40rider:p%3Aß@127.0.0.1:${proxy.port}`)
    expect(await send(sender, `http://hooks.example.com:${receiver.port}/`)).toMatchObject({ status: 204 })
    const sent = Buffer.from('post@rider:p:ß').toString('base64')
    expect(proxy.asked[0]!.headers['proxy-authorization']).toBe(`Basic ${sent}`)
    expect(JSON.stringify(receiver.requests[0])).not.toContain(sent)
  })

  it('are in no error', async () => {
    for (const text of ['ftp://user:geheim@proxy', 'http://user:geheim@', 'http://user:geheim%ff@proxy']) {
      expect(() => parseProxy(text)).toThrow(RangeError)
      expect(() => parseProxy(text)).not.toThrow(/geheim/)
    }
    await using sender = senderThrough(`http://user:geheim@127.0.0.1:${await closedPort()}`)
    expect(JSON.stringify(await send(sender, 'http://hooks.example.com/'))).not.toContain('geheim')
  })
})

describe('what the proxy says instead of opening a tunnel is told in words', () => {
  it.each([
    ['HTTP/1.1 407 Request rejected by proxy\r\n\r\n', 'refused by the proxy: 407 Request rejected by proxy'],
    ['HTTP/1.1 403 Forbidden\r\ncontent-length: 9\r\n\r\nno 10.0.7', 'refused by the proxy: 403 Forbidden'],
    ['HTTP/1.0 502\r\n\r\n', 'refused by the proxy: 502'],
    ['HTTP/1.1 504 \x00\x07é\tGateway\r\n\r\n', 'refused by the proxy: 504 Gateway'],
    [`HTTP/1.1 500 ${'x'.repeat(5_000)}\r\n\r\n`, `refused by the proxy: 500 ${'x'.repeat(100)}`],
    ['HTTP/1.1 101 Switching Protocols\r\n\r\n', 'refused by the proxy: 101 Switching Protocols'],
    ['SSH-2.0-OpenSSH_9.6\r\n\r\n', 'proxy: invalid http answer'],
    ['', 'proxy: connection closed before an answer'],
    ['HTTP/1.1 200 OK\r\n', 'proxy: connection closed before an answer'],
    [`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(20_000)}`, 'proxy: answer headers too large'],
  ])('%j', async (refusal, error) => {
    await using proxy = await EgressProxy.start({ refuse: () => refusal })
    await using sender = senderThrough(`http://127.0.0.1:${proxy.port}`)
    expect(await send(sender, 'https://hooks.example.com/')).toMatchObject({
      kind: 'error',
      class: 'proxy',
      error,
    })
    await proxy.allClosed()
  })

  it('nobody listens there', async () => {
    await using sender = senderThrough(`http://127.0.0.1:${await closedPort()}`)
    expect(await send(sender, 'https://hooks.example.com/')).toMatchObject({
      class: 'proxy',
      error: 'proxy: connection refused',
    })
  })

  it('its certificate is not to be trusted', async () => {
    await using proxy = await EgressProxy.start({ tls: makeCertificate({ name: '127.0.0.1' }) })
    await using sender = senderThrough(`https://127.0.0.1:${proxy.port}`)
    expect(await send(sender, 'https://hooks.example.com/')).toMatchObject({
      class: 'proxy',
      error: 'proxy: tls: self-signed certificate',
    })
    expect(proxy.asked).toEqual([])
  })

  it('nothing: the deadline is that of the whole attempt', async () => {
    await using proxy = await HostileReceiver.start(() => {})
    await using sender = senderThrough(`http://127.0.0.1:${proxy.port}`)
    const answer = await send(sender, 'https://hooks.example.com/', 200)
    expect(answer).toMatchObject({ class: 'timeout', error: 'timeout after 200 ms' })
    await proxy.allClosed()
  })

  it('a yes in pieces is a yes', async () => {
    const answer = 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n'
    await using proxy = await HostileReceiver.start((socket, requestNumber) => {
      // The tunnel first, byte by byte, then as the receiver.
      if (requestNumber === 1) for (const byte of answer.slice(0, 19)) socket.write(byte)
      else socket.end(answer.slice(19))
    })
    await using sender = senderThrough(`http://127.0.0.1:${proxy.port}`)
    expect(await send(sender, 'http://hooks.example.com/')).toMatchObject({ status: 204 })
  })

  it.each(['http', 'https'])('bytes of a receiver that was not asked yet (%s)', async (scheme) => {
    const early = 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n'
    await using proxy = await HostileReceiver.start((socket) => socket.write(early))
    await using sender = senderThrough(`http://127.0.0.1:${proxy.port}`)
    expect(await send(sender, `${scheme}://hooks.example.com/`)).toMatchObject({
      class: 'proxy',
      error: 'proxy: bytes after its answer',
    })
    await proxy.allClosed()
  })
})

describe('the environment variables that other programs take proxies from', () => {
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy']

  it('are ignored, whatever Node is told of them, and so is the one that lets any certificate pass', async () => {
    await using tripwire = await Tripwire.start()
    await using receiver = await Receiver.start()
    await using secure = await Receiver.start({ tls: makeCertificate({ name: '127.0.0.1' }) })
    const answers = await sendElsewhere([receiver.url, secure.url], {
      ...Object.fromEntries(names.map((name) => [name, `http://127.0.0.1:${tripwire.port}`])),
      NODE_USE_ENV_PROXY: '1',
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
    })
    expect(answers).toMatchObject([{ status: 204 }, { error: 'tls: self-signed certificate' }])
    expect(receiver.requests).toHaveLength(1)
    expect(secure.requests).toHaveLength(0)
    expect(tripwire.connections).toBe(0)
  })

  it('leave out nothing of what goes through the proxy of the setting', async () => {
    await using receiver = await Receiver.start()
    await using proxy = await EgressProxy.start()
    const env = { NO_PROXY: '*', no_proxy: '*', NODE_USE_ENV_PROXY: '1' }
    const answers = await sendElsewhere([receiver.url], env, `http://127.0.0.1:${proxy.port}`)
    expect(answers).toMatchObject([{ status: 204 }])
    expect(proxy.asked).toHaveLength(1)
  })
})

/** What a process with such an environment gets for each URL. */
async function sendElsewhere(urls: string[], env: NodeJS.ProcessEnv, proxy?: string): Promise<unknown> {
  const script = `
    import { Sender } from '${new URL('../../src/deliver/send.ts', import.meta.url)}'
    const { urls, options } = JSON.parse(process.argv[1])
    const sender = new Sender(options)
    const send = (url) => sender.send({ url, headers: {}, body: '{}' }, { timeoutMs: 5_000 })
    console.log(JSON.stringify(await Promise.all(urls.map(send))))
    await sender.close()`
  const options = { policy: { allowHttp: true, allowPrivate: ['127.0.0.0/8'] }, proxy }
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', script, JSON.stringify({ urls, options })],
    { env: { PATH: process.env['PATH'], ...env } },
  )
  return JSON.parse(stdout)
}

function senderThrough(proxy: string, options: Partial<SenderOptions> = {}): Sender & AsyncDisposable {
  const resolver = (hostname: string): never => {
    throw new Error(`${hostname} is the proxy's to resolve`)
  }
  const sender = new Sender({ policy, proxy, resolver, ca: authority.cert, ...options })
  return Object.assign(sender, { [Symbol.asyncDispose]: () => sender.close() })
}

function send(sender: Sender, url: string, timeoutMs = 5_000) {
  return sender.send({ url, headers: { 'content-type': 'application/json' }, body: '{}' }, { timeoutMs })
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
