import type { LookupAddress } from 'node:dns'
import { isIPv6 } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AddressPolicy } from '../../src/address.ts'
import { Guard } from '../../src/deliver/guard.ts'
import { type Answer, Sender, type SendError } from '../../src/deliver/send.ts'
import { hostOf, portOf } from '../../src/registry/url.ts'
import { blockedHosts, blockedPorts, passingHosts } from '../corpora/addresses.ts'
import { blockedTargets, blockedUrls } from '../corpora/urls.ts'
import { HostileReceiver } from '../support/hostile.ts'
import { Receiver } from '../support/receiver.ts'
import { ConnectionAttempts, Tripwire } from '../support/sockets.ts'

const strict: AddressPolicy = { allowHttp: true, allowPrivate: [] }
const local: AddressPolicy = { allowHttp: true, allowPrivate: ['127.0.0.0/8'] }
const blocked = { kind: 'error', class: 'blocked' }

let tripwire: Tripwire
let attempts: ConnectionAttempts
beforeAll(async () => {
  tripwire = await Tripwire.start()
})
afterAll(() => tripwire[Symbol.asyncDispose]())
beforeEach(() => {
  attempts = new ConnectionAttempts()
})
afterEach(() => attempts[Symbol.dispose]())

describe('what must be blocked, is blocked at every send, before a connection', () => {
  afterEach(() => {
    attempts.assertNone()
    tripwire.assertUntouched()
  })

  describe.each(Object.entries(blockedHosts))('%s', (_, hosts) => {
    it.each(hosts)('%s', async (host) => {
      for (const scheme of ['http', 'https']) {
        expect(await send(`${scheme}://${host}:${tripwire.port}/`)).toMatchObject(blocked)
      }
    })
  })

  describe.each(Object.entries(blockedUrls))('%s', (_, urls) => {
    it.each(urls)('%j', async (url) => {
      expect(await send(url.replace('{port}', String(tripwire.port)))).toMatchObject(blocked)
    })
  })

  it.each(blockedPorts)('port %i of a public host, without asking for its addresses', async (port) => {
    const error = `blocked port ${port}`
    expect(await send(`https://example.com:${port}/`)).toMatchObject({ ...blocked, error })
    expect(await send(`https://93.184.216.34:${port}/`)).toMatchObject({ ...blocked, error })
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
    [...Array<string>(100).fill('93.184.216.34'), '10.0.0.7'],
    ['no address'],
    ['0x7f.1'],
    [''],
  ])('a name that resolves to %s, %s', async (...addresses) => {
    const answer = await send('http://example.com/', { resolver: resolvingTo(...addresses) })
    expect(answer).toMatchObject(blocked)
    expect((answer as SendError).error).toMatch(/^blocked address (127|::|10\.0\.0\.7|fd00|fe80|no|0x7f|$)/)
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
    const found = await addresses(strict, `https://${host}/`, '93.184.216.34', '2606:4700:4700::1111')
    expect(found).toEqual(address ? [address] : ['93.184.216.34', '2606:4700:4700::1111'])
  }
})

describe('what a policy opens', () => {
  it('is the range that it names, and not its neighbours', async () => {
    const policy = { allowHttp: false, allowPrivate: ['10.1.0.0/16'] }
    expect(await addresses(policy, 'https://10.1.2.3/')).toEqual(['10.1.2.3'])
    await expect(addresses(policy, 'https://10.2.0.1/')).rejects.toThrow('blocked address 10.2.0.1')
  })

  it.each([
    ['169.254.0.0/16', '169.254.169.254'],
    ['0.0.0.0/0', '169.254.170.2'],
    ['0.0.0.0/0', '168.63.129.16'],
    ['100.64.0.0/10', '100.100.100.200'],
    ['192.0.0.0/24', '192.0.0.192'],
    ['fe80::/10', 'fe80::1'],
    ['fc00::/7', 'fd00:ec2::254'],
    ['fd20:ce::254', 'fd20:ce::254'],
    ['::/0', 'fd00:42::42'],
    ['::ffff:169.254.0.0/112', '::ffff:169.254.169.254'],
  ])('%s leaves %s shut without the switch for link-local addresses', async (range, host) => {
    const policy = { allowHttp: false, allowPrivate: [range] }
    const url = host.includes(':') ? `https://[${host}]/` : `https://${host}/`
    await expect(addresses(policy, url)).rejects.toThrow('blocked address')
    await expect(addresses(policy, 'https://example.com/', host)).rejects.toThrow('blocked address')
    expect(await addresses({ ...policy, allowLinkLocal: true }, url)).toHaveLength(1)
  })

  it('by the switch for link-local addresses alone is nothing', async () => {
    const policy = { allowHttp: false, allowPrivate: [], allowLinkLocal: true }
    await expect(addresses(policy, 'https://169.254.169.254/')).rejects.toThrow('blocked address')
  })

  it.each([
    ['64:ff9b::/96', '64:ff9b::a00:7', '64:ff9b::808:808'],
    ['64:ff9b::/96', '64:ff9b::a9fe:a9fe', '64:ff9b::101:101'],
    ['64:ff9b:1:fffe::/96', '64:ff9b:1:fffe::7f00:1', '64:ff9b:1:fffe::808:808'],
    ['2002::/16', '2002:7f00:1::', '2002:808:808::'],
    ['2001::/32', '2001::80ff:fffe', '2001::f7f7:f7f7'],
    ['::ffff:0:0:0/96', '::ffff:0:7f00:1', '::ffff:0:808:808'],
    ['::/96', '::7f00:1', '::808:808'],
    ['fd00::/8', 'fd00::5efe:7f00:1', 'fd00::7f00:1'],
  ])('as %s, which carries IPv4, opens no private IPv4: %s, but %s', async (range, shut, open) => {
    const policy = { allowHttp: false, allowPrivate: [range] }
    await expect(addresses(policy, `https://[${shut}]/`)).rejects.toThrow('blocked address')
    expect(await addresses(policy, `https://[${open}]/`)).toEqual([open])
  })

  it('as ::1 is this machine, which carries no IPv4', async () => {
    const policy = { allowHttp: false, allowPrivate: ['::1'] }
    expect(await addresses(policy, 'https://[::1]/')).toEqual(['::1'])
  })

  it('says nothing of ports: those of a private address follow the same rule', async () => {
    await expect(addresses(local, 'http://127.0.0.1:6379/')).rejects.toThrow('blocked port 6379')
    expect(await addresses({ ...local, allowPorts: ['6379'] }, 'http://127.0.0.1:6379/')).toHaveLength(1)
  })
})

it('ports are those that the policy names, less those that it denies', async () => {
  const policy = { ...strict, allowPorts: ['web', '444', '9200-9300'], denyPorts: ['8080', '9250-9260'] }
  const passes = async (port: number): Promise<boolean> =>
    addresses(policy, `https://1.1.1.1:${port}/`).then(
      () => true,
      () => false,
    )
  for (const port of [443, 80, 444, 8_081, 9_200, 9_249, 9_261, 9_300]) expect(await passes(port)).toBe(true)
  for (const port of [445, 22, 0, 8_080, 9_250, 9_260, 5_432]) expect(await passes(port)).toBe(false)
  await expect(addresses({ ...strict, allowPorts: [] }, 'https://1.1.1.1/')).rejects.toThrow(
    'blocked port 443',
  )
})

it('localhost leads to the loopback address that is allowed, and other names with both are refused', async () => {
  for (const host of ['localhost', 'a.localhost', 'LOCALHOST.']) {
    expect(await addresses(local, `http://${host}:9000/`, '::1', '127.0.0.1')).toEqual(['127.0.0.1'])
  }
  for (const host of ['receiver', 'example.com', 'notlocalhost']) {
    await expect(addresses(local, `http://${host}:9000/`, '::1', '127.0.0.1')).rejects.toThrow(
      'blocked address ::1',
    )
  }
})

it('a name without any address is not found', async () => {
  const answer = await send('https://example.com/', { resolver: resolvingTo() })
  expect(answer).toMatchObject({ kind: 'error', class: 'dns', error: 'host not found' })
})

it('a connection that leads elsewhere than to what was checked is given up before a byte is written', async () => {
  // 0.0.0.0 is let through here by its own name, and the system connects it to 127.0.0.1, which is not.
  const zero = { allowHttp: true, allowPrivate: ['0.0.0.0/32'] }
  await using own = await HostileReceiver.start(() => {})
  for (const scheme of ['http', 'https']) {
    const answer = await send(`${scheme}://example.com:${own.port}/`, {
      policy: zero,
      resolver: resolvingTo('0.0.0.0'),
    })
    expect(answer).toMatchObject({ ...blocked, error: 'blocked address 127.0.0.1' })
  }
  await own.allClosed()
  expect(own).toMatchObject({ connections: 2, bytesRead: 0 })
})

it.each([301, 302, 303, 307, 308])('a redirect (%i) is an answer and is not followed', async (status) => {
  let location = ''
  await using redirecting = await Receiver.start({ answer: () => ({ status, headers: { location } }) })
  const sender = new Sender({ policy: local, resolver: neverAsked })
  const written = blockedTargets(tripwire.port).map((url) => encodeURI(url))
  for (location of [`http://127.0.0.1:${tripwire.port}/secret`, ...written]) {
    const answer = await sender.send(request(redirecting.url), { timeoutMs: 10_000 })
    expect(answer).toMatchObject({ kind: 'answer', status, headers: { location } })
  }
  await sender.close()
  expect(attempts.exceptTo(redirecting.port)).toEqual([])
  expect(tripwire.connections).toBe(0)
})

describe('a policy', () => {
  it.each([
    [{ allowPrivate: ['10.0.0.0/8', 'localhost'] }, '"localhost" is not a CIDR'],
    [{ allowPrivate: ['10.0.0.0/8/8'] }, '"10.0.0.0/8/8" is not a CIDR'],
    [{ allowPorts: ['web', '0'] }, '"0" is not web, a port'],
    [{ denyPorts: ['ssh'] }, '"ssh" is not web, a port'],
  ])('of %j is refused at once', (wrong, message) => {
    expect(() => new Sender({ policy: { ...strict, ...wrong } })).toThrow(message)
  })

  it('is what it was when its sender was made, whatever becomes of the object', async () => {
    const policy = { allowHttp: true, allowPrivate: [] as string[], allowPorts: ['web'] }
    const sender = new Sender({ policy, resolver: neverAsked })
    policy.allowPrivate.push('127.0.0.0/8')
    const url = `http://127.0.0.1:${tripwire.port}/`
    expect(await sender.send(request(url), { timeoutMs: 10_000 })).toMatchObject(blocked)
    await sender.close()
    expect(attempts.all).toEqual([])
  })

  it('gets nothing of what another let through: no sender uses the connection of another', async () => {
    await using receiver = await Receiver.start()
    const open = new Sender({ policy: local })
    const shut = new Sender({ policy: strict })
    expect(await open.send(request(receiver.url), { timeoutMs: 10_000 })).toMatchObject({ status: 204 })
    expect(receiver.openConnections).toBe(1)
    expect(await shut.send(request(receiver.url), { timeoutMs: 10_000 })).toMatchObject(blocked)
    expect(receiver.requests).toHaveLength(1)
    await open.close()
    await receiver.until(() => receiver.openConnections === 0)
    await shut.close()
  })
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
  const answer = await sender.send(request(url), { timeoutMs: 10_000 })
  await sender.close()
  return answer
}

/** What the guard would connect to, the name resolving to `resolved`. */
async function addresses(policy: AddressPolicy, text: string, ...resolved: string[]): Promise<string[]> {
  const url = new URL(text)
  const target = { protocol: url.protocol, hostname: hostOf(url), port: portOf(url) }
  const found = await new Guard(policy, resolvingTo(...resolved)).addresses(target)
  return found.map(({ address }) => address)
}

function request(url: string): { url: string; headers: Record<string, string>; body: string } {
  return { url, headers: { 'content-type': 'application/json' }, body: '{}' }
}

function neverAsked(hostname: string): Promise<LookupAddress[]> {
  throw new Error(`${hostname} was to be refused before it is resolved`)
}

function resolvingTo(...resolved: string[]): () => Promise<LookupAddress[]> {
  return async () => resolved.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }))
}
