import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'

export interface EgressProxyOptions {
  /** Speaks TLS with those who ask it (PEM). */
  tls?: { key: string; cert: string }
  /** What to say instead of opening a tunnel, as it stands on the wire; `undefined` opens it. */
  refuse?: (authority: string) => string | undefined
}

/** A proxy that knows CONNECT alone, and whose every tunnel leads to this machine, whatever name was asked for. */
export class EgressProxy {
  /** The request line's authority and the headers of each CONNECT. */
  readonly asked: { authority: string; headers: IncomingMessage['headers'] }[] = []
  /** What is not CONNECT. */
  otherRequests = 0
  openConnections = 0
  readonly #server: Server
  readonly #open = new Set<Duplex>()

  private constructor({ tls, refuse }: EgressProxyOptions) {
    const server = tls ? createHttpsServer(tls) : createHttpServer()
    this.#server = server
    server.on('request', (_request, response) => {
      this.otherRequests += 1
      response.writeHead(405).end()
    })
    server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.openConnections += 1
      this.#keep(socket)
      socket.on('close', () => {
        this.openConnections -= 1
        server.emit('change')
      })
    })
    server.on('connect', (request, socket) => {
      const authority = request.url ?? ''
      this.asked.push({ authority, headers: request.headers })
      const refusal = refuse?.(authority)
      if (refusal !== undefined) {
        socket.end(refusal)
        return
      }
      const target = connect(Number(authority.split(':').at(-1)), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\nx-proxy: yes\r\n\r\n')
        socket.pipe(target).pipe(socket)
      })
      this.#keep(target)
      socket.on('close', () => target.destroy())
      target.on('close', () => socket.destroy())
    })
  }

  static async start(options: EgressProxyOptions = {}): Promise<EgressProxy> {
    const proxy = new EgressProxy(options)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async allClosed(): Promise<void> {
    const signal = AbortSignal.timeout(5_000)
    while (this.openConnections > 0) await once(this.#server, 'change', { signal })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #keep(socket: Duplex): void {
    this.#open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#open.delete(socket))
  }
}
