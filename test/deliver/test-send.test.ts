import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { Sender, type SenderOptions } from '../../src/deliver/send.ts'
import { sendTest, type TestResult } from '../../src/deliver/test-send.ts'
import { Postrider } from '../../src/postrider.ts'
import { generateSecret } from '../../src/registry/secret.ts'
import { makeCertificate } from '../support/certificate.ts'
import { createTestDatabase } from '../support/database.ts'
import { EgressProxy } from '../support/egress-proxy.ts'
import { HostileReceiver, resets, saysNothing, sends } from '../support/hostile.ts'
import { Receiver } from '../support/receiver.ts'
import { insertProject } from '../support/seed.ts'

const { database, connectionString } = await createTestDatabase()
const projectId = await insertProject(database)

describe('what went wrong with the network is told by its kind, and nothing of what was seen is', () => {
  it.each([
    ['a name that leads into the network', resolvingTo('10.0.0.7'), 'blocked: '],
    ['a name that leads to cloud metadata', resolvingTo('169.254.169.254'), 'blocked: '],
    ['a name of which one address is private', resolvingTo('127.0.0.1', 'fd00::7'), 'blocked: '],
    ['a name that is not known', failing('ENOTFOUND'), 'host not found: '],
    ['a name whose servers fail', failing('ESERVFAIL'), 'host not found: '],
  ])('%s', async (_, resolver, kind) => {
    const { error, ...rest } = await failed('https://hooks.example.com/', { resolver })
    expect(error).toMatch(new RegExp(`^${kind}[a-z .]+$`, 'i'))
    expect(JSON.stringify(rest)).toBe('{"success":false,"response_status":null}')
  })

  it('nobody listens', async () => {
    const receiver = await Receiver.start()
    const { url } = receiver
    await receiver.close()
    expect(await failed(url)).toMatchObject({ error: 'connection refused' })
  })

  it('what answers is not there in time, breaks off, or speaks something else', async () => {
    await using silent = await HostileReceiver.start(saysNothing)
    await using breaking = await HostileReceiver.start(resets)
    await using other = await HostileReceiver.start(sends('SSH-2.0-OpenSSH_9.6\r\n\r\n'))
    expect(await failed(silent.url)).toMatchObject({ error: expect.stringMatching(/^timeout: /) })
    expect(await failed(breaking.url)).toMatchObject({ error: 'the connection failed' })
    expect(await failed(other.url)).toMatchObject({ error: 'the answer is no valid HTTP' })
  })

  it('its certificate is of another name, which is not told', async () => {
    const certificate = makeCertificate({ name: 'inside.corp.example' })
    await using receiver = await Receiver.start({ tls: certificate })
    const result = await failed(receiver.url)
    expect(result).toMatchObject({ error: expect.stringMatching(/^TLS failed: /) })
    expect(JSON.stringify(result)).not.toContain('inside')
  })

  it('the egress proxy says why, which is not told', async () => {
    await using egress = await EgressProxy.start({ refuse: () => 'HTTP/1.1 502 10.0.0.7 is down\r\n\r\n' })
    const result = await failed('https://hooks.example.com/', { proxy: `http://127.0.0.1:${egress.port}` })
    expect(result).toMatchObject({ error: 'the egress proxy did not let the connection through' })
    expect(egress.asked).toHaveLength(1)
  })
})

it('the options of a Postrider are those of its guard, at save and at send', async () => {
  await using receiver = await Receiver.start()
  await using egress = await EgressProxy.start()
  const postrider = new Postrider({
    connectionString,
    allowHttp: true,
    allowPrivate: ['127.0.0.0/8', '169.254.0.0/16'],
    allowLinkLocal: true,
    allowPorts: ['web', '444'],
    denyPorts: ['8080'],
    proxy: `http://127.0.0.1:${egress.port}`,
  })
  const draft = (url: string) => postrider.webhookTests.sendDraft(projectId, { url })
  expect(await draft(receiver.url)).toMatchObject({ success: true })
  expect(egress.asked.map(({ authority }) => authority)).toEqual([`127.0.0.1:${receiver.port}`])
  // Let through to the proxy, which finds nobody there.
  for (const url of ['http://169.254.169.254/', 'http://127.0.0.1:444/']) {
    expect(await draft(url)).toMatchObject({ success: false, response_status: null })
    expect(egress.asked.at(-1)!.authority).toContain(new URL(url).hostname)
  }
  await expect(draft('http://127.0.0.1:8080/')).rejects.toMatchObject({ code: 'validation_failed' })
  expect(egress.asked).toHaveLength(3)
  await postrider.stop()
})

/** A test that fails, without the time that it took. */
async function failed(url: string, options: Partial<SenderOptions> = {}) {
  const policy = { allowHttp: true, allowPrivate: ['127.0.0.0/8'] }
  const sender = new Sender({ policy, ...options })
  const target = {
    projectId,
    url,
    secrets: [generateSecret()],
    headers: {},
    application_id: null,
    environment_name: null,
    timeout_ms: 300,
    shape: { payload_template: null, filter: null },
  }
  const result = await sendTest(database, target, {}, { sender, clock: systemClock })
  await sender.close()
  const { response_time_ms, ...rest } = result as Extract<TestResult, { error: string }>
  expect(response_time_ms).toBeLessThan(1_300)
  return rest
}

function resolvingTo(...addresses: string[]) {
  return async () => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
}

function failing(code: string) {
  return async () => {
    throw Object.assign(new Error('lookup'), { code })
  }
}
