import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { nameResolver } from '../../src/deliver/resolve.ts'
import { Sender } from '../../src/deliver/send.ts'
import { publish } from '../../src/publish/publish.ts'
import { checkUrl } from '../../src/registry/url.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { deliveryOf, storedAttempts, storedDelivery, TestWorker } from '../support/engine.ts'
import { DnsServer } from '../support/dns.ts'
import { Receiver } from '../support/receiver.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'
import { ConnectionAttempts, Tripwire } from '../support/sockets.ts'

/**
 * Names that change what they resolve to. 127.0.0.1 is the public address of these tests, the one that is open;
 * 127.0.0.2 and everything else on this machine is what must not be reached.
 */
const policy = { allowHttp: true, allowPrivate: ['127.0.0.1/32'] }

let dns: DnsServer
let tripwire: Tripwire
let attempts: ConnectionAttempts
let sender: Sender
beforeEach(async () => {
  dns = await DnsServer.start(() => ['127.0.0.1'])
  tripwire = await Tripwire.start()
  sender = new Sender({ policy, resolver: nameResolver({ servers: [dns.address] }) })
  attempts = new ConnectionAttempts()
})
afterEach(async () => {
  attempts[Symbol.dispose]()
  await sender.close()
  await tripwire[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
})

/** A webhook of a name that passed when it was saved, one event, and a worker that looks names up in the tests' DNS. */
async function journey(url: string) {
  expect(checkUrl(url, policy).ok).toBe(true)
  const { database, connectionString } = await createTestDatabase()
  const projectId = await insertProject(database)
  await insertWebhook(database, { projectId, url })
  const { id } = await publish(database, { projectId, type: 'config.deployed', data: {} })
  const clock = new MovedClock()
  const worker = new TestWorker({ database, clock, sender })
  const databasePort = Number(new URL(connectionString).port)
  return { database, databasePort, clock, worker, deliveryId: await deliveryOf(database, id) }
}

it('a name that is public when it is saved and private when it is sent to gets nothing', async () => {
  dns.answer = () => ['127.0.0.2']
  const { database, databasePort, worker, deliveryId } = await journey(
    `http://rebind.example:${tripwire.port}/`,
  )
  await using _ = worker
  await worker.start()
  await worker.ended(1)
  expect(await storedDelivery(database, deliveryId)).toMatchObject({
    status: 'pending',
    attempts: 1,
    last_error: 'blocked address 127.0.0.2',
  })
  expect(tripwire).toMatchObject({ connections: 0, bytesRead: 0 })
  expect(attempts.exceptTo(databasePort)).toEqual([])
})

it('a name that turns private between two attempts gets the first alone', async () => {
  await using receiver = await Receiver.start({
    answer: () => ({ status: 500, headers: { connection: 'close' } }),
  })
  const { database, clock, worker, deliveryId } = await journey(`http://rebind.example:${receiver.port}/`)
  await using _ = worker
  await worker.start()
  await worker.ended(1)
  dns.answer = () => ['127.0.0.2', '127.0.0.1']
  clock.advance(120)
  worker.wake()
  await worker.ended(2)
  const tries = await storedAttempts(database, deliveryId)
  expect(tries.map(({ error }) => error)).toEqual(['http 500', 'blocked address 127.0.0.2'])
  expect(receiver.requests).toHaveLength(1)
})

describe('each new connection', () => {
  it('looks its name up again', async () => {
    await using receiver = await Receiver.start({
      answer: () => ({ status: 204, headers: { connection: 'close' } }),
    })
    const url = `http://rebind.example:${receiver.port}/`
    for (const count of [1, 2, 3]) {
      expect(await send(url)).toMatchObject({ status: 204 })
      expect(dns.questions).toHaveLength(count * 2)
    }
    dns.answer = () => ['10.0.0.7']
    expect(await send(url)).toMatchObject({ error: 'blocked address 10.0.0.7' })
    expect(receiver.connections).toBe(3)
  })

  it('leads to what was checked: there is no second lookup that could answer otherwise', async () => {
    await using receiver = await Receiver.start()
    dns.answer = ({ type }) => {
      const isFirst = dns.questions.filter((question) => question.type === type).length === 1
      return isFirst ? ['127.0.0.1'] : ['127.0.0.2']
    }
    expect(await send(`http://rebind.example:${receiver.port}/`)).toMatchObject({ status: 204 })
    expect(dns.questions).toHaveLength(2)
    expect(attempts.all).toEqual([{ address: '127.0.0.1', port: receiver.port }])
    expect(receiver.requests[0]!.headers.host).toBe(`rebind.example:${receiver.port}`)
  })
})

describe('records that are mixed', () => {
  it.each([
    ['127.0.0.2', '127.0.0.1'],
    ['127.0.0.1', '127.0.0.2'],
    ['127.0.0.1', '10.0.0.7'],
    ['127.0.0.1', '169.254.169.254'],
  ])('%s and %s refuse the name', async (...answer) => {
    dns.answer = () => answer
    const blocked = answer.find((address) => address !== '127.0.0.1')
    expect(await send(`http://mixed.example:${tripwire.port}/`)).toMatchObject({
      class: 'blocked',
      error: `blocked address ${blocked}`,
    })
    expect(attempts.all).toEqual([])
  })

  it.each(['::1', 'fd00:ec2::254', '64:ff9b::7f00:1', '::ffff:7f00:2'])(
    'a public A beside an AAAA of %s refuses the name',
    async (address) => {
      dns.answer = () => ['127.0.0.1', address]
      expect(await send(`http://mixed.example:${tripwire.port}/`)).toMatchObject({ class: 'blocked' })
      expect(attempts.all).toEqual([])
    },
  )
})

function send(url: string) {
  return sender.send({ url, headers: {}, body: '{}' }, { timeoutMs: 10_000 })
}
