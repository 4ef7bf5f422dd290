import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Client, type buildConnector } from 'undici'
import type { Guard, Target } from './guard.ts'

export interface ConnectionOptions {
  guard: Guard
  /** Certificates to trust in place of the usual ones (PEM). */
  ca?: string | undefined
}

/**
 * Short, because a request on a connection that the receiver is just closing is lost and costs a retry; yet
 * long enough that a busy webhook never waits for a handshake.
 */
const idleMs = 2_000
const maxHeadersSize = 16_384

/**
 * One connection to one origin, through the guard, for one request at a time. An undici `Client` of its own, not a
 * `Pool`: a pool tells a request and the connection that is being opened for it apart only once the request is
 * written, so a deadline could not end the connecting.
 */
export class Connection {
  readonly origin: string
  readonly client: Client
  readonly #options: ConnectionOptions
  readonly #madeMs = performance.now()
  #socket: Socket | undefined
  #destroyed = false

  constructor(origin: string, options: ConnectionOptions) {
    this.origin = origin
    this.#options = options
    this.client = new Client(origin, {
      connect: (target, callback) => void this.#connect(target, callback).catch(() => this.destroy()),
      pipelining: 1,
      allowH2: false,
      maxHeaderSize: maxHeadersSize,
      keepAliveTimeout: idleMs,
      keepAliveMaxTimeout: idleMs,
      // The one deadline is the sender's.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  }

  get ageMs(): number {
    return performance.now() - this.#madeMs
  }

  /** Ends everything at once, the opening of the connection too. */
  destroy(): void {
    if (this.#destroyed) return
    this.#destroyed = true
    this.#socket?.destroy()
    void this.client.destroy().catch(() => {})
  }

  async #connect(options: buildConnector.Options, callback: buildConnector.Callback): Promise<void> {
    const { protocol, hostname } = options
    const port = options.port === '' ? (protocol === 'https:' ? 443 : 80) : Number(options.port)
    let socket: Socket
    try {
      socket = await this.#open({ protocol, hostname, port })
    } catch (error) {
      this.#socket?.destroy()
      callback(error instanceof Error ? error : new Error(String(error)), null)
      return
    }
    callback(null, socket)
  }

  async #open(target: Target): Promise<Socket> {
    const { guard, ca } = this.#options
    const addresses = await guard.addresses(target)
    if (this.#destroyed) throw new Error('given up while its name was looked up')
    const socket = this.#keep(
      connectTcp({
        host: target.hostname,
        port: target.port,
        // Only what was checked: nothing is resolved a second time.
        lookup: (_hostname, { all }, found) => {
          if (all) found(null, addresses)
          else found(null, addresses[0]!.address, addresses[0]!.family)
        },
        autoSelectFamily: addresses.length > 1,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: 60_000,
      }),
    )
    await opened(socket, 'connect')
    guard.check(socket.remoteAddress ?? '', target)
    if (target.protocol !== 'https:') return socket
    const secure = this.#keep(
      connectTls({
        socket,
        // The certificate is for the host of the URL; an address is no server name (RFC 6066 § 3).
        host: target.hostname,
        servername: isIP(target.hostname) ? '' : target.hostname.replace(/\.$/, ''),
        ALPNProtocols: ['http/1.1'],
        minVersion: 'TLSv1.2',
        rejectUnauthorized: true,
        ca,
      }),
    )
    await opened(secure, 'secureConnect')
    return secure
  }

  #keep(socket: Socket): Socket {
    // An error that nobody listens to would end the process, whoever held the socket at that moment.
    socket.on('error', () => {})
    this.#socket = socket
    if (this.#destroyed) socket.destroy()
    return socket
  }
}

function opened(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve)
    socket.once('error', reject)
    socket.once('close', () =>
      reject(Object.assign(new Error('closed while connecting'), { code: 'ECONNRESET' })),
    )
  })
}
