import type { Socket } from 'node:net'
import { Client, type buildConnector } from 'undici'
import { Intake, maxHeadBytes } from './intake.ts'
import { type Keep, open, type OpenOptions } from './open.ts'

/**
 * Short, because a request on a connection that the receiver is just closing is lost and costs a retry; yet
 * long enough that a busy webhook never waits for a handshake.
 */
const idleMs = 2_000
/**
 * One connection to one origin, through the guard, for one request at a time. An undici `Client` of its own, not a
 * `Pool`: a pool tells a request and the connection that is being opened for it apart only once the request is
 * written, so a deadline could not end the connecting.
 */
export class Connection {
  readonly origin: string
  readonly client: Client
  readonly intake = new Intake()
  readonly #options: OpenOptions
  readonly #madeMs = performance.now()
  #socket: Socket | undefined
  #destroyed = false

  constructor(origin: string, options: OpenOptions) {
    this.origin = origin
    this.#options = options
    this.client = new Client(origin, {
      connect: (target, callback) => void this.#connect(target, callback).catch(() => this.destroy()),
      pipelining: 1,
      allowH2: false,
      // Its experimental parser begins anew with each piece of a line that is not at its end yet.
      useMilo: false,
      // The intake's limit comes first.
      maxHeaderSize: 2 * maxHeadBytes,
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
      socket = await open({ protocol, hostname, port }, this.#options, this.#keep)
    } catch (error) {
      this.#socket?.destroy()
      callback(error instanceof Error ? error : new Error(String(error)), null)
      return
    }
    callback(null, this.intake.watch(socket))
  }

  readonly #keep: Keep = (make) => {
    if (this.#destroyed) throw new Error('given up while it was opened')
    const socket = make()
    // An error that nobody listens to would end the process, whoever held the socket at that moment.
    socket.on('error', () => {})
    this.#socket = socket
    return socket
  }
}
