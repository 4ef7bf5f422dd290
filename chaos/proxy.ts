import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type Committed, Conversation, type Frame, FrameReader } from './protocol.ts'

/**
 * - `passing`: as if it were not there.
 * - `swallowing`: a firewall that forgot its connections. What is sent vanishes without an error, for good on the
 *   connections that were open then; new ones get nowhere either, but pass again afterwards.
 * - `holding`: a network that is cut and comes back. What is sent arrives when it does.
 */
export type Passage = 'passing' | 'swallowing' | 'holding'

interface Line {
  client: Socket
  server: Socket | undefined
  conversation: Conversation
  /** Of the server, not handed on before the request they answer is done. */
  replies: Buffer[]
  swallowed: boolean
}

interface Loss {
  matches: (committed: Committed) => boolean
  done: () => void
}

/** The network between a process and PostgreSQL. */
export class DatabaseProxy {
  readonly #server: Server
  readonly #target: number
  readonly #lines = new Set<Line>()
  #passage: Passage = 'passing'
  #loss: Loss | undefined

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer({ noDelay: true }, (client) => this.#open(client))
  }

  static async start(target: number): Promise<DatabaseProxy> {
    const proxy = new DatabaseProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  /** The same database, by way of this proxy. */
  through(databaseUrl: string): string {
    const url = new URL(databaseUrl)
    url.port = String((this.#server.address() as AddressInfo).port)
    return url.href
  }

  set passage(passage: Passage) {
    this.#passage = passage
    for (const line of this.#lines) {
      if (passage === 'swallowing') line.swallowed = true
      if (passage === 'holding') pause(line)
      else resume(line)
      if (passage === 'passing' && !line.server && !line.swallowed) this.#connect(line)
    }
  }

  /**
   * The reply to what matches next is lost, and the connection with it, after PostgreSQL has committed it. Resolves
   * when that has happened.
   */
  loseReply(matches: (committed: Committed) => boolean): Promise<void> {
    return new Promise((done) => {
      this.#loss = { matches, done }
    })
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const line of this.#lines) cut(line)
    await once(this.#server, 'close')
  }

  #open(client: Socket): void {
    const line: Line = {
      client,
      server: undefined,
      conversation: new Conversation(),
      replies: [],
      swallowed: this.#passage === 'swallowing',
    }
    this.#lines.add(line)
    const frames = new FrameReader({ startsWithoutType: true })
    client.on('data', (chunk) => {
      if (line.swallowed) return
      for (const frame of frames.read(chunk)) line.conversation.fromClient(frame)
      line.server?.write(chunk)
    })
    this.#closeWith(client, line)
    if (this.#passage === 'passing') this.#connect(line)
    else client.pause()
    if (line.swallowed) client.resume()
  }

  #connect(line: Line): void {
    const server = connect({ port: this.#target, host: '127.0.0.1', noDelay: true })
    line.server = server
    const frames = new FrameReader({ startsWithoutType: false })
    server.on('data', (chunk) => {
      if (line.swallowed) return
      for (const frame of frames.read(chunk)) this.#reply(line, frame)
    })
    this.#closeWith(server, line)
    line.client.resume()
  }

  /** Replies wait for the ReadyForQuery that ends them: only that says whether they are to be lost. */
  #reply(line: Line, frame: Frame): void {
    const { client, conversation, replies } = line
    const isAnswer = conversation.isWaiting
    const committed = conversation.fromServer(frame)
    if (committed && this.#loses(committed)) return cut(line)
    replies.push(frame.raw)
    if (isAnswer && frame.type !== 'Z') return
    client.write(replies.length === 1 ? replies[0]! : Buffer.concat(replies))
    replies.length = 0
  }

  #loses(committed: Committed): boolean {
    if (!this.#loss?.matches(committed)) return false
    this.#loss.done()
    this.#loss = undefined
    return true
  }

  /** An end of one side is one of the other, unless nothing gets through. */
  #closeWith(side: Socket, line: Line): void {
    side.on('error', () => {})
    side.on('close', () => {
      if (line.swallowed) return
      this.#lines.delete(line)
      cut(line)
    })
  }
}

function pause({ client, server }: Line): void {
  client.pause()
  server?.pause()
}

function resume({ client, server }: Line): void {
  client.resume()
  server?.resume()
}

function cut({ client, server }: Line): void {
  client.destroy()
  server?.destroy()
}
