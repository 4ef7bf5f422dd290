import { createServer, type SecureVersion } from 'node:tls'
import { once } from 'node:events'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Sender, type SenderOptions } from '../../src/deliver/send.ts'
import { makeCertificate } from '../support/certificate.ts'
import { Receiver } from '../support/receiver.ts'

const policy = { allowHttp: false, allowPrivate: ['127.0.0.0/8'] }
const resolver: NonNullable<SenderOptions['resolver']> = async () => [{ address: '127.0.0.1', family: 4 }]
const authority = makeCertificate({ name: 'Test authority', isAuthority: true })
const good = makeCertificate({
  name: 'hooks.example.com',
  hosts: ['hooks.example.com', '127.0.0.1'],
  issuer: authority,
})
const dayMs = 86_400_000

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

const expired = { validFrom: new Date(Date.now() - 2 * dayMs), validTo: new Date(Date.now() - dayMs) }
const notYet = { validFrom: new Date(Date.now() + dayMs), validTo: new Date(Date.now() + 2 * dayMs) }
const stranger = makeCertificate({ name: 'Stranger', isAuthority: true })

it.each([
  ['is expired', { issuer: authority, ...expired }, 'tls: certificate has expired'],
  ['is not valid yet', { issuer: authority, ...notYet }, 'tls: certificate is not yet valid'],
  ['is self-signed', {}, 'tls: self-signed certificate'],
  [
    'is for another host',
    { issuer: authority, hosts: ['example.org'] },
    'tls: certificate is for another host',
  ],
  [
    'is for a host one level up',
    { issuer: authority, hosts: ['example.com'] },
    'tls: certificate is for another host',
  ],
  [
    'is from an unknown authority',
    { issuer: stranger },
    'tls: certificate of an unknown authority, or its chain is incomplete',
  ],
])('sends nothing where the certificate %s', async (_, input, error) => {
  const certificate = makeCertificate({ name: 'hooks.example.com', ...input })
  await using receiver = await Receiver.start({ tls: certificate })
  expect(await send(`https://hooks.example.com:${receiver.port}/`)).toMatchObject({
    kind: 'error',
    class: 'tls',
    error,
  })
  expect(receiver.requests).toHaveLength(0)
})

it.each<SecureVersion>(['TLSv1', 'TLSv1.1'])('does not speak %s', async (version) => {
  const server = createServer({
    ...good,
    minVersion: 'TLSv1',
    maxVersion: version,
    ciphers: 'DEFAULT@SECLEVEL=0',
  })
  server.on('tlsClientError', () => {})
  const port = await listen(server)
  expect(await send(`https://hooks.example.com:${port}/`)).toMatchObject({ kind: 'error', class: 'tls' })
  server.close()
})

it('speaks TLS 1.2', async () => {
  const server = createServer({ ...good, maxVersion: 'TLSv1.2' }, (socket) => {
    socket.end('HTTP/1.1 204 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
  })
  const port = await listen(server)
  expect(await send(`https://hooks.example.com:${port}/`)).toMatchObject({ kind: 'answer', status: 204 })
  server.close()
})

it('reports a receiver that speaks plain http on its https port', async () => {
  await using receiver = await Receiver.start()
  expect(await send(`https://127.0.0.1:${receiver.port}/`)).toMatchObject({ kind: 'error', class: 'tls' })
})

it('counts the handshake into the deadline', async () => {
  const server = createTcpServer((socket) => socket.on('error', () => {}).resume())
  const port = await listen(server)
  expect(await send(`https://hooks.example.com:${port}/`, 100)).toMatchObject({
    error: 'timeout after 100 ms',
  })
  server.close()
  await once(server, 'close')
})

it('reports a connection closed in the handshake', async () => {
  const server = createTcpServer((socket) => socket.on('error', () => {}).once('data', () => socket.end()))
  const port = await listen(server)
  expect(await send(`https://hooks.example.com:${port}/`)).toMatchObject({
    kind: 'error',
    error: 'connection reset',
  })
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
