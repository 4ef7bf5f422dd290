import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SeenRequest {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: string
}

type Step = (request: SeenRequest, response: ServerResponse) => void | Promise<void>

/** A server on loopback that meets each request with the next of its steps, the last of them for all that follow. */
export class FlakyServer {
  readonly seen: SeenRequest[] = []
  readonly #server = createServer((incoming, response) => void this.#meet(incoming, response))
  readonly #steps: Step[]

  private constructor(steps: Step[]) {
    this.#steps = steps
  }

  static async start(...steps: Step[]): Promise<FlakyServer> {
    const flaky = new FlakyServer(steps)
    flaky.#server.listen(0, '127.0.0.1')
    await once(flaky.#server, 'listening')
    return flaky
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #meet(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const { method = '', url = '', headers } = incoming
    const request = { method, url, headers, body: Buffer.concat(chunks).toString() }
    this.seen.push(request)
    const step = this.#steps[Math.min(this.seen.length, this.#steps.length) - 1]!
    await step(request, response)
  }
}

/** No answer: the connection ends. */
export const cut: Step = (_request, response) => {
  response.socket!.destroy()
}

export function answer(status: number, body: unknown = '', headers: Record<string, string> = {}): Step {
  return (_request, response) => {
    response.writeHead(status, headers)
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
}

/** Hands it on to a real server; with `loseAnswer` it is carried out there, and nobody hears of it. */
export function pass(to: string, { loseAnswer = false } = {}): Step {
  return async ({ method, url, headers, body }, response) => {
    const answered = await fetch(to + url, {
      method,
      headers: {
        authorization: headers.authorization ?? '',
        ...(headers['content-type'] && { 'content-type': headers['content-type'] }),
        ...(headers['idempotency-key'] && { 'idempotency-key': String(headers['idempotency-key']) }),
      },
      ...(body !== '' && { body }),
    })
    const text = await answered.text()
    if (loseAnswer) response.socket!.destroy()
    else {
      response.writeHead(answered.status, { 'content-type': answered.headers.get('content-type') ?? '' })
      response.end(text)
    }
  }
}
