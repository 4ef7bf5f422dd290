import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'

/** What a receiver does on a connection, on which this many requests have come in whole. */
export type Behaviour = (socket: Socket, requestNumber: number) => void

export interface HostileOptions {
  /** Speaks TLS. */
  tls?: TlsOptions
  /** Done with each new connection, before anything has come in on it. */
  atOpen?: Behaviour | undefined
}

/** A receiver that speaks bytes, not HTTP: it answers each request with `behave`. */
export class HostileReceiver {
  connections = 0
  requests = 0
  /** Of TCP: what was written before it was known who is there counts too. */
  bytesRead = 0
  readonly #server: Server
  readonly #scheme: string
  readonly #open = new Set<Socket>()
  /** The same, or what speaks TLS on them. */
  readonly #speaking = new Set<Socket>()

  private constructor(behave: Behaviour, { tls, atOpen }: HostileOptions) {
    const speak = (socket: Socket): void => {
      this.#speak(socket, behave)
      atOpen?.(socket, 0)
    }
    this.#scheme = tls ? 'https' : 'http'
    this.#server = tls ? createTlsServer(tls, speak) : createTcpServer({ noDelay: true }, speak)
    this.#server.on('tlsClientError', () => {})
    this.#server.prependListener('connection', (socket) => {
      this.connections += 1
      this.#open.add(socket)
      const ports = portsOf(socket)
      beneath.set(ports, socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.bytesRead += socket.bytesRead
        this.#open.delete(socket)
        beneath.delete(ports)
      })
    })
  }

  static async start(behave: Behaviour, options: HostileOptions = {}): Promise<HostileReceiver> {
    const receiver = new HostileReceiver(behave, options)
    receiver.#server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 })
    await once(receiver.#server, 'listening')
    return receiver
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}/`
  }

  get openConnections(): number {
    return this.#open.size
  }

  /** Once the other side has closed every connection; fails after `timeoutMs`. */
  async allClosed(timeoutMs = 5_000): Promise<void> {
    // Who does not read sees no end.
    for (const socket of this.#speaking) socket.resume()
    const late = AbortSignal.timeout(timeoutMs)
    for (const socket of this.#open) {
      await new Promise<void>((resolve, reject) => {
        socket.once('close', () => resolve())
        late.addEventListener('abort', () =>
          reject(new Error(`${this.#open.size} connections are still open after ${timeoutMs} ms`)),
        )
      })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #speak(socket: Socket, behave: Behaviour): void {
    socket.on('error', () => {})
    this.#speaking.add(socket)
    socket.on('close', () => this.#speaking.delete(socket))
    let received = ''
    let requestNumber = 0
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      const length = wholeRequestLength(received)
      if (length === undefined) return
      received = received.slice(length)
      requestNumber += 1
      this.requests += 1
      behave(socket, requestNumber)
    })
  }
}

function wholeRequestLength(received: string): number | undefined {
  const headLength = received.indexOf('\r\n\r\n') + 4
  if (headLength === 3) return undefined
  const bodyLength = Number(/^content-length: (\d+)\r$/im.exec(received.slice(0, headLength))?.[1] ?? 0)
  const length = headLength + bodyLength
  return received.length >= length ? length : undefined
}

/** Each character is one byte. */
function bytes(text: string | Buffer): Buffer {
  return typeof text === 'string' ? Buffer.from(text, 'latin1') : text
}

export const saysNothing: Behaviour = () => {}

export function sends(...texts: (string | Buffer)[]): Behaviour {
  return (socket) => {
    for (const text of texts) socket.write(bytes(text))
  }
}

export function sendsAndCloses(text: string | Buffer): Behaviour {
  return (socket) => void socket.end(bytes(text))
}

/** The TCP connection beneath TLS, by the ports of both its ends. */
const beneath = new Map<string, Socket>()

function portsOf({ localPort, remotePort }: Socket): string {
  return `${localPort} ${remotePort}`
}

function reset(socket: Socket): void {
  beneath.get(portsOf(socket))!.resetAndDestroy()
}

/** By TCP RST, once what it sends is on its way. */
export function sendsAndResets(text: string | Buffer): Behaviour {
  return (socket) => void socket.write(bytes(text), () => setImmediate(() => reset(socket)))
}

export const resets: Behaviour = (socket) => reset(socket)

/** The beginning at once, then what follows byte by byte, again and again, for as long as the other side holds. */
export function drips(start: string, text: string): Behaviour {
  return (socket) => {
    let sent = 0
    socket.write(bytes(start))
    const timer = setInterval(() => socket.write(bytes(text[sent++ % text.length]!)), 20)
    socket.once('close', () => clearInterval(timer))
  }
}

/** The beginning, then the same again as fast as the other side takes it. */
export function floods(start: string, again: string): Behaviour {
  const block = Buffer.alloc(16_384 - (16_384 % again.length), again, 'latin1')
  return (socket) => {
    const more = (): void => {
      if (!socket.destroyed) socket.write(block, () => setImmediate(more))
    }
    socket.write(bytes(start))
    more()
  }
}
