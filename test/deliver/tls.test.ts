import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import { createServer } from 'node:tls'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Sender, type SenderOptions } from '../../src/deliver/send.ts'
import { authority, good } from '../corpora/hostile-tls.ts'
import { Receiver } from '../support/receiver.ts'

/** With whom TLS does not come about is in the corpus of hostile receivers. */

const policy = { allowHttp: false, allowPrivate: ['127.0.0.0/8'] }
const resolver: NonNullable<SenderOptions['resolver']> = async () => [{ address: '127.0.0.1', family: 4 }]

let sender: Sender
beforeAll(() => {
  sender = new Sender({ policy, resolver, ca: authority.cert })
})
afterAll(() => sender.close())

it.each(['hooks.example.com', 'hooks.example.com.', '127.0.0.1'])(
  'sends to %s with a certificate for it',
  async (host) => {
    await using receiver = await Receiver.start({ tls: good })
    expect(await send(`https://${host}:${receiver.port}/`)).toMatchObject({ kind: 'answer', status: 204 })
    expect(receiver.requests[0]!.headers.host).toBe(`${host}:${receiver.port}`)
  },
)

it('names the host of the URL in the handshake, not the address that it resolved to', async () => {
  const names: (string | false)[] = []
  const server = createServer({ ...good }, (socket) => {
    names.push(socket.servername!)
    socket.end('HTTP/1.1 204 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
  })
  const port = await listen(server)
  await send(`https://hooks.example.com:${port}/`)
  expect(names).toEqual(['hooks.example.com'])
  server.close()
})

it('uses a connection again', async () => {
  await using receiver = await Receiver.start({ tls: good })
  for (let count = 0; count < 3; count += 1) await send(`https://hooks.example.com:${receiver.port}/`)
  expect(receiver.requests).toHaveLength(3)
  expect(receiver.connections).toBe(1)
})

it('speaks TLS 1.2', async () => {
  const server = createServer({ ...good, maxVersion: 'TLSv1.2' }, (socket) => {
    socket.end('HTTP/1.1 204 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
  })
  const port = await listen(server)
  expect(await send(`https://hooks.example.com:${port}/`)).toMatchObject({ kind: 'answer', status: 204 })
  server.close()
})

it('speaks HTTP/1.1 to a receiver that also offers HTTP/2', async () => {
  const server = createServer({ ...good, ALPNProtocols: ['h2', 'http/1.1'] }, (socket) => {
    expect(socket.alpnProtocol).toBe('http/1.1')
    socket.end('HTTP/1.1 204 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
  })
  const port = await listen(server)
  expect(await send(`https://hooks.example.com:${port}/`)).toMatchObject({ kind: 'answer', status: 204 })
  server.close()
})

function send(url: string, timeoutMs = 5_000) {
  return sender.send({ url, headers: { 'content-type': 'application/json' }, body: '{}' }, { timeoutMs })
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
