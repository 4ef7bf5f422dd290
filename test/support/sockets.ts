import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { once } from 'node:events'

/** Every connection that this process begins, whether or not anybody listens: `127.0.0.1 8080`. */
export class ConnectionAttempts implements Disposable {
  readonly all: { address: string; port: number }[] = []
  readonly #onSocket = (message: unknown): void => {
    const { socket } = message as { socket: Socket }
    socket.on('connectionAttempt', (address: string, port: number) => this.all.push({ address, port }))
  }

  constructor() {
    subscribe('net.client.socket', this.#onSocket)
  }

  /** Throws if there was one, but for those to ports that a test speaks with itself. */
  assertNone({ exceptTo = [] }: { exceptTo?: number[] } = {}): void {
    const others = this.exceptTo(...exceptTo)
    if (others.length > 0) throw new Error(`connections were begun: ${others.join(', ')}`)
  }

  /** But for those to ports that a test speaks with itself. */
  exceptTo(...ports: number[]): string[] {
    return this.all
      .filter(({ port }) => !ports.includes(port))
      .map(({ address, port }) => `${address} ${port}`)
  }

  [Symbol.dispose](): void {
    unsubscribe('net.client.socket', this.#onSocket)
  }
}

/** Listens on every address of this machine and tells what came. */
export class Tripwire {
  connections = 0
  bytesRead = 0
  readonly #server: Server

  private constructor() {
    this.#server = createServer((socket) => {
      this.connections += 1
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        this.bytesRead += chunk.length
      })
    })
  }

  static async start(): Promise<Tripwire> {
    const tripwire = new Tripwire()
    tripwire.#server.listen(0)
    await once(tripwire.#server, 'listening')
    return tripwire
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Throws if anything came. */
  assertUntouched(): void {
    const { connections, bytesRead } = this
    if (connections > 0) throw new Error(`${connections} connections came, and ${bytesRead} bytes`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    await once(this.#server, 'close')
  }
}
