import type { Socket } from 'node:net'
import type { ProxyServer } from '../proxy.ts'
import { version } from '../version.ts'
import type { Target } from './guard.ts'

/** The egress proxy could not be reached, or refused the connection; `message` is the words for the history. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'
}

/** Of the proxy's answer; it is trusted, yet its answer may hold what the receiver sent. */
const maxHeadBytes = 16_384

/**
 * Asks the proxy at the other end of `socket` for a tunnel to the target (CONNECT, RFC 9110 § 9.3.6). Afterwards the
 * socket speaks with the target. Throws a `ProxyError`; the deadline is the caller's, who ends it by destroying the socket.
 */
export async function askForTunnel(socket: Socket, proxy: ProxyServer, target: Target): Promise<void> {
  const host = target.hostname.includes(':') ? `[${target.hostname}]` : target.hostname
  const authority = `${host}:${target.port}`
  const lines = [
    `CONNECT ${authority} HTTP/1.1`,
    `Host: ${authority}`,
    `User-Agent: Postrider/${version}`,
    ...(proxy.authorization ? [`Proxy-Authorization: ${proxy.authorization}`] : []),
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  const { statusLine, isAll } = await readHead(socket)
  const [, status, reason = ''] = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(statusLine) ?? []
  if (status === undefined) throw new ProxyError('proxy: invalid http answer')
  if (!status.startsWith('2')) throw new ProxyError(`refused by the proxy: ${said(status, reason)}`)
  // The target has not been asked anything yet.
  if (!isAll) throw new ProxyError('proxy: bytes after its answer')
}

interface Head {
  statusLine: string
  /** Nothing came after it. */
  isAll: boolean
}

function readHead(socket: Socket): Promise<Head> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    const end = (settle: () => void): void => {
      socket.off('readable', read)
      socket.off('close', closed)
      settle()
    }
    const fail = (message: string): void => end(() => reject(new ProxyError(message)))
    const closed = (): void => fail('proxy: connection closed before an answer')
    const read = (): void => {
      for (let chunk = nextChunk(socket); chunk; chunk = nextChunk(socket)) {
        received = Buffer.concat([received, chunk])
        const length = received.indexOf('\r\n\r\n') + 4
        if (length > 3) {
          const statusLine = received.toString('latin1', 0, received.indexOf('\r\n'))
          return end(() => resolve({ statusLine, isAll: length === received.length }))
        }
        if (received.length > maxHeadBytes) return fail('proxy: answer headers too large')
      }
    }
    socket.on('readable', read)
    socket.once('close', closed)
    read()
  })
}

function nextChunk(socket: Socket): Buffer | null {
  return socket.read() as Buffer | null
}

/** `407 Request rejected by proxy`, of which nothing but printable ASCII reaches the history. */
function said(status: string, reason: string): string {
  return `${status} ${reason.replace(/[^\x20-\x7e]/g, '').slice(0, 100)}`.trim()
}
