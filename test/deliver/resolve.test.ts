import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HostsFile } from '../../src/deliver/hosts-file.ts'
import { LookupError, nameResolver } from '../../src/deliver/resolve.ts'
import { Sender } from '../../src/deliver/send.ts'
import { DnsServer } from '../support/dns.ts'
import { Receiver } from '../support/receiver.ts'

let dns: DnsServer
beforeEach(async () => {
  dns = await DnsServer.start(() => ['93.184.216.34', '2606:4700:4700::1111'])
})
afterEach(() => dns[Symbol.asyncDispose]())

describe('a name', () => {
  it('has the addresses of both families, those of IPv4 first', async () => {
    expect(await resolve('example.com')).toEqual(['93.184.216.34', '2606:4700:4700::1111'])
    expect(dns.questions).toHaveLength(2)
  })

  it('is asked for again each time, and once for all that ask at the same moment', async () => {
    const resolver = nameResolver({ servers: [dns.address] })
    await Promise.all([resolver('example.com'), resolver('example.com'), resolver('example.com')])
    expect(dns.questions).toHaveLength(2)
    dns.answer = () => ['1.1.1.1']
    expect(await resolver('example.com')).toEqual([{ address: '1.1.1.1', family: 4 }])
    expect(dns.questions).toHaveLength(4)
  })

  it('of one family is enough, and so is one where the other fails', async () => {
    dns.answer = ({ type }) => (type === 'A' ? ['1.1.1.1'] : [])
    expect(await resolve('example.com')).toEqual(['1.1.1.1'])
    dns.answer = ({ type }) => (type === 'A' ? 'SERVFAIL' : ['2606:4700:4700::1111'])
    expect(await resolve('example.com')).toEqual(['2606:4700:4700::1111'])
  })

  it.each([
    ['NXDOMAIN', 'host not found'],
    [[], 'host not found'],
    ['SERVFAIL', 'dns lookup failed (ESERVFAIL)'],
  ] as const)('that the DNS answers with %j is told in words: %s', async (answer, error) => {
    dns.answer = () => answer
    await expect(resolve('nowhere.example')).rejects.toThrow(LookupError)
    expect(await send('https://nowhere.example/')).toMatchObject({ kind: 'error', class: 'dns', error })
  })

  it('that has no AAAA, and whose A fails, is not told to be unknown', async () => {
    dns.answer = ({ type }) => (type === 'A' ? 'SERVFAIL' : [])
    expect(await send('https://example.com/')).toMatchObject({ error: 'dns lookup failed (ESERVFAIL)' })
  })

  it('whose DNS servers are not there is told in words', async () => {
    const resolver = nameResolver({ servers: ['127.0.0.1:1'] })
    const sender = new Sender({ policy: { allowHttp: false, allowPrivate: [] }, resolver })
    const answer = await sender.send(
      { url: 'https://example.com/', headers: {}, body: '' },
      { timeoutMs: 5_000 },
    )
    expect(answer).toMatchObject({ class: 'dns', error: 'dns lookup failed (ECONNREFUSED)' })
    await sender.close()
  })
})

it('names whose servers are silent, however many, hold up no other, and no longer than the deadline', async () => {
  await using receiver = await Receiver.start()
  dns.answer = ({ name }) => (name.endsWith('silent.example') ? 'silence' : ['127.0.0.1'])
  const resolver = nameResolver({ servers: [dns.address] })
  const sender = new Sender({ policy: { allowHttp: true, allowPrivate: ['127.0.0.0/8'] }, resolver })
  const silent = Array.from({ length: 60 }, (_, n) =>
    sender.send({ url: `http://x${n}.silent.example/`, headers: {}, body: '' }, { timeoutMs: 1_000 }),
  )
  const healthy = await sender.send(
    { url: `http://healthy.example:${receiver.port}/`, headers: {}, body: '' },
    { timeoutMs: 1_000 },
  )
  expect(healthy).toMatchObject({ kind: 'answer', status: 204 })
  for (const answer of await Promise.all(silent)) {
    expect(answer).toMatchObject({ class: 'timeout', error: 'timeout after 1000 ms' })
    expect(answer.durationMs).toBeLessThan(2_000)
  }
  await sender.close()
})

describe('names inside a network', () => {
  it('are asked for of the system, and only where they may be sent to', async () => {
    const inside = nameResolver({ insideToo: true, servers: [dns.address] })
    expect((await inside('localhost')).map(({ address }) => address)).toContain('127.0.0.1')
    await expect(inside('no-such-host')).rejects.toThrow(LookupError)
    expect(dns.questions).toEqual([])
  })

  it('may be what the DNS does not know', async () => {
    dns.answer = () => 'NXDOMAIN'
    const inside = nameResolver({ insideToo: true, servers: [dns.address] })
    // The system takes every name below localhost for this machine.
    await expect(inside('receiver.shop')).rejects.toMatchObject({ code: expect.stringMatching(/^E/) })
    expect(dns.questions).toHaveLength(2)
  })
})

describe('the hosts file', () => {
  let path: string
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'postrider-hosts-'))
    path = join(directory, 'hosts')
  })
  afterEach(() => rm(directory, { recursive: true }))

  it('is read with its comments, aliases and both families', async () => {
    await writeFile(
      path,
      '# staging\n10.0.0.7\thooks.example.com hooks # ours\n::1 Hooks.Example.COM\n\n bad',
    )
    const hosts = new HostsFile(path)
    expect(await hosts.addresses('hooks.example.com.')).toEqual([
      { address: '10.0.0.7', family: 4 },
      { address: '::1', family: 6 },
    ])
    expect(await hosts.addresses('HOOKS')).toEqual([{ address: '10.0.0.7', family: 4 }])
    expect(await hosts.addresses('staging')).toEqual([])
    expect(await hosts.addresses('__proto__')).toEqual([])
  })

  it('is read again when it has changed, and holds no names where it is gone', async () => {
    await writeFile(path, '10.0.0.7 a.example\n')
    const hosts = new HostsFile(path)
    expect(await hosts.addresses('b.example')).toEqual([])
    await appendFile(path, '10.0.0.8 b.example\n')
    expect(await hosts.addresses('b.example')).toEqual([{ address: '10.0.0.8', family: 4 }])
    await rm(path)
    expect(await hosts.addresses('b.example')).toEqual([])
  })

  it('of this machine comes before the DNS', async () => {
    expect(await resolve('localhost')).toContain('127.0.0.1')
    expect(dns.questions).toEqual([])
  })
})

async function resolve(hostname: string): Promise<string[]> {
  const found = await nameResolver({ servers: [dns.address] })(hostname)
  return found.map(({ address }) => address)
}

async function send(url: string) {
  const resolver = nameResolver({ servers: [dns.address] })
  const sender = new Sender({ policy: { allowHttp: false, allowPrivate: [] }, resolver })
  const answer = await sender.send({ url, headers: {}, body: '' }, { timeoutMs: 5_000 })
  await sender.close()
  return answer
}
