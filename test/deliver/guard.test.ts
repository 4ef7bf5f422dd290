import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { LookupAddress } from 'node:dns'
import { isIPv6 } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AddressPolicy } from '../../src/address.ts'
import { Guard } from '../../src/deliver/guard.ts'
import { type Answer, Sender, type SendError } from '../../src/deliver/send.ts'
import { hostOf, portOf } from '../../src/registry/url.ts'
import { blockedHosts, blockedPorts, blockedUrls, passingHosts } from '../corpora/addresses.ts'
import { HostileReceiver } from '../support/hostile.ts'
import { Receiver } from '../support/receiver.ts'

const strict: AddressPolicy = { allowHttp: true, allowPrivate: [] }
const blocked = { kind: 'error', class: 'blocked' }

let receiver: Receiver
let socketsOpened = 0
const countSocket = (): void => {
  socketsOpened += 1
}

beforeAll(async () => {
  receiver = await Receiver.start()
  subscribe('net.client.socket', countSocket)
})
afterAll(async () => {
  unsubscribe('net.client.socket', countSocket)
  await receiver.close()
})
beforeEach(() => {
  socketsOpened = 0
})

describe('what must be blocked, is blocked at every send, before a connection', () => {
  afterEach(() => {
    if (socketsOpened > 0 || receiver.connections > 0) throw new Error('a connection was opened')
  })

  describe.each(Object.entries(blockedHosts))('%s', (_, hosts) => {
    it.each(hosts)('%s', async (host) => {
      for (const scheme of ['http', 'https']) {
        expect(await send(`${scheme}://${host}:${receiver.port}/`)).toMatchObject(blocked)
      }
    })
  })

  it.each(blockedUrls.filter((url) => !/[\r\n\t]/.test(url)))('%s', async (url) => {
    expect(await send(url.replace('{port}', String(receiver.port)))).toMatchObject(blocked)
  })

  it.each(blockedPorts)('port %i of a public host', async (port) => {
    const answer = await send(`https://example.com:${port}/`, { resolver: resolvingTo('93.184.216.34') })
    expect(answer).toMatchObject({ ...blocked, error: `blocked port ${port}` })
  })

  it('plain http where it is not allowed', async () => {
    const answer = await send('http://93.184.216.34/', { policy: { allowHttp: false, allowPrivate: [] } })
    expect(answer).toMatchObject({ ...blocked, error: 'blocked scheme http' })
  })

  it.each([
    ['127.0.0.1'],
    ['::1'],
    ['93.184.216.34', '10.0.0.7'],
    ['10.0.0.7', '93.184.216.34'],
    ['2606:4700:4700::1111', 'fd00:ec2::254'],
    ['93.184.216.34', '::ffff:169.254.169.254'],
    ['93.184.216.34', 'fe80::1%eth0'],
    ['no address'],
  ])('a name that resolves to %s, %s', async (...addresses) => {
    const answer = await send(`http://example.com:${receiver.port}/`, { resolver: resolvingTo(...addresses) })
    expect(answer).toMatchObject(blocked)
    expect((answer as SendError).error).toMatch(/^blocked address (127|::|10\.0\.0\.7|fd00|fe80|no)/)
  })

  it('a name inside a network that resolves to a public address, even where a private range is allowed', async () => {
    const policy = { allowHttp: true, allowPrivate: ['10.0.0.0/8'] }
    const answer = await send('http://localhost:8080/', { policy, resolver: resolvingTo('93.184.216.34') })
    expect(answer).toMatchObject({ ...blocked, error: 'blocked address 93.184.216.34' })
  })
})

it('says in the words of the contract which address was blocked', async () => {
  expect(await send('https://10.0.0.7/')).toMatchObject({ error: 'blocked address 10.0.0.7' })
})

it('what must pass, passes', async () => {
  for (const [host, address] of passingHosts) {
    const url = new URL(`https://${host}/`)
    const guard = new Guard(strict, resolvingTo('93.184.216.34', '2606:4700:4700::1111'))
    const addresses = await guard.addresses({
      protocol: url.protocol,
      hostname: hostOf(url),
      port: portOf(url),
    })
    expect(addresses.map((found) => found.address)).toEqual(
      address ? [address] : ['93.184.216.34', '2606:4700:4700::1111'],
    )
  }
})

it('10.1.2.3 passes when its range is allowed, and its neighbours do not', async () => {
  const guard = new Guard({ allowHttp: false, allowPrivate: ['10.1.0.0/16'] })
  const target = { protocol: 'https:', port: 9 }
  await expect(guard.addresses({ ...target, hostname: '10.1.2.3' })).resolves.toEqual([
    { address: '10.1.2.3', family: 4 },
  ])
  await expect(guard.addresses({ ...target, hostname: '10.2.0.1' })).rejects.toThrow(
    'blocked address 10.2.0.1',
  )
})

it('localhost leads to the loopback address that is allowed, and other names with both are refused', async () => {
  const guard = new Guard({ allowHttp: true, allowPrivate: ['127.0.0.0/8'] }, resolvingTo('::1', '127.0.0.1'))
  const target = { protocol: 'http:', port: 9_000 }
  for (const hostname of ['localhost', 'a.localhost', 'LOCALHOST.']) {
    const addresses = await guard.addresses({ ...target, hostname })
    expect(addresses).toEqual([{ address: '127.0.0.1', family: 4 }])
  }
  for (const hostname of ['receiver', 'example.com', 'notlocalhost']) {
    await expect(guard.addresses({ ...target, hostname })).rejects.toThrow('blocked address ::1')
  }
})

it('a name without any address is not found', async () => {
  const answer = await send('https://example.com/', { resolver: resolvingTo() })
  expect(answer).toMatchObject({ kind: 'error', class: 'dns', error: 'host not found' })
})

describe('names that change what they resolve to', () => {
  const policy = { allowHttp: true, allowPrivate: ['127.0.0.1/32'] }

  it('are resolved and checked again for each new connection', async () => {
    await using own = await Receiver.start({
      answer: () => ({ status: 204, headers: { connection: 'close' } }),
    })
    const answers = ['127.0.0.1', '127.0.0.2']
    const resolver = async (): Promise<LookupAddress[]> => lookups(answers.shift()!)
    const sender = new Sender({ policy, resolver })
    const url = `http://example.com:${own.port}/`
    expect(await sender.send(request(url), { timeoutMs: 2_000 })).toMatchObject({
      kind: 'answer',
      status: 204,
    })
    expect(await sender.send(request(url), { timeoutMs: 2_000 })).toMatchObject({
      ...blocked,
      error: 'blocked address 127.0.0.2',
    })
    expect(own.connections).toBe(1)
    await sender.close()
  })

  it('are resolved once for a connection: what was checked is what is connected to', async () => {
    let lookupCount = 0
    const resolver = async (): Promise<LookupAddress[]> => {
      lookupCount += 1
      return lookups(lookupCount === 1 ? '127.0.0.1' : '127.0.0.2')
    }
    await using own = await Receiver.start()
    expect(await send(`http://example.com:${own.port}/`, { policy, resolver })).toMatchObject({ status: 204 })
    expect(lookupCount).toBe(1)
    expect(socketsOpened).toBe(1)
    expect(own.requests[0]!.headers.host).toBe(`example.com:${own.port}`)
  })

  it('are given up when the connection leads elsewhere than to what was checked, before a byte is written', async () => {
    // 0.0.0.0 is let through here by its own name, and the system connects it to 127.0.0.1, which is not.
    const zero = { allowHttp: true, allowPrivate: ['0.0.0.0/32'] }
    await using own = await HostileReceiver.start(() => {})
    const answer = await send(`http://example.com:${own.port}/`, {
      policy: zero,
      resolver: resolvingTo('0.0.0.0'),
    })
    expect(answer).toMatchObject({ ...blocked, error: 'blocked address 127.0.0.1' })
    await own.allClosed()
    expect(own.bytesRead).toBe(0)
  })
})

it.each([301, 302, 303, 307, 308])('a redirect (%i) is an answer and is not followed', async (status) => {
  const location = `http://127.0.0.1:${receiver.port}/secret`
  await using redirecting = await Receiver.start({ answer: () => ({ status, headers: { location } }) })
  const policy = { allowHttp: true, allowPrivate: ['127.0.0.0/8'] }
  expect(await send(redirecting.url, { policy })).toMatchObject({
    kind: 'answer',
    status,
    headers: { location },
  })
  expect(receiver.connections).toBe(0)
})

it('a policy with something that is no CIDR is refused at once', () => {
  expect(
    () => new Sender({ policy: { allowHttp: true, allowPrivate: ['10.0.0.0/8', 'localhost'] } }),
  ).toThrow('"localhost" is not a CIDR')
})

interface SendCase {
  policy?: AddressPolicy
  resolver?: (hostname: string) => Promise<LookupAddress[]>
}

async function send(
  url: string,
  { policy = strict, resolver = neverAsked }: SendCase = {},
): Promise<Answer | SendError> {
  const sender = new Sender({ policy, resolver })
  const answer = await sender.send(request(url), { timeoutMs: 2_000 })
  await sender.close()
  return answer
}

function request(url: string): { url: string; headers: Record<string, string>; body: string } {
  return { url, headers: { 'content-type': 'application/json' }, body: '{}' }
}

function neverAsked(hostname: string): Promise<LookupAddress[]> {
  throw new Error(`${hostname} was to be refused before it is resolved`)
}

function resolvingTo(...addresses: string[]): () => Promise<LookupAddress[]> {
  return async () => lookups(...addresses)
}

function lookups(...addresses: string[]): LookupAddress[] {
  return addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }))
}
