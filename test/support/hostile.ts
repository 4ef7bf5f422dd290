import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/**
 * A receiver that speaks bytes, not HTTP: `behave` gets each connection once a whole request has come in on it
 * (and again for each further request on the same one).
 */
export class HostileReceiver {
  connections = 0
  requests = 0
  bytesRead = 0
  readonly #server: Server
  readonly #open = new Set<Socket>()

  private constructor(behave: (socket: Socket, requestNumber: number) => void) {
    this.#server = createServer((socket) => {
      this.connections += 1
      this.#open.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => this.#open.delete(socket))
      let received = ''
      let requestNumber = 0
      socket.on('data', (chunk) => {
        this.bytesRead += chunk.length
        received += chunk.toString('latin1')
        const length = wholeRequestLength(received)
        if (length === undefined) return
        received = received.slice(length)
        requestNumber += 1
        this.requests += 1
        behave(socket, requestNumber)
      })
    })
  }

  static async start(behave: (socket: Socket, requestNumber: number) => void): Promise<HostileReceiver> {
    const receiver = new HostileReceiver(behave)
    receiver.#server.listen(0, '127.0.0.1')
    await once(receiver.#server, 'listening')
    return receiver
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`
  }

  /** Once the other side has closed every connection; fails after `timeoutMs`. */
  async allClosed(timeoutMs = 5_000): Promise<void> {
    const late = AbortSignal.timeout(timeoutMs)
    for (const socket of this.#open) {
      if (!socket.closed)
        await new Promise<void>((resolve, reject) => {
          socket.once('close', () => resolve())
          late.addEventListener('abort', () =>
            reject(new Error(`a connection is still open after ${timeoutMs} ms`)),
          )
        })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

function wholeRequestLength(received: string): number | undefined {
  const headLength = received.indexOf('\r\n\r\n') + 4
  if (headLength === 3) return undefined
  const bodyLength = Number(/^content-length: (\d+)\r$/im.exec(received.slice(0, headLength))?.[1] ?? 0)
  const length = headLength + bodyLength
  return received.length >= length ? length : undefined
}
