import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** One request as the receiver saw it. */
export interface ReceivedRequest {
  eventId: string
  deliveryId: string
  attempt: number
  /** The time that the sender signed. */
  signedMs: number
  receivedMs: number
  /** The status it was answered with, or `reset`: its connection was broken instead. */
  answer: number | 'reset'
}

export interface Behaviour {
  /** Before each answer. */
  delayMs: number
  /** Every so manieth first attempt of an event is answered with 500; 0 for none, here and below. */
  refuseFirstEvery: number
  /** Every so manieth request on a connection that was used before is met with a reset. */
  resetReusedEvery: number
  /** After every so manieth answer the connection is reset while it is idle. */
  resetIdleEvery: number
}

export type ToReceiver =
  | { behave: Behaviour }
  /** Answered once so many requests are in. */
  | { until: number; id: number }
  | { dump: true; id: number }

export type FromReceiver = { listening: number } | { id: number; requests?: ReceivedRequest[] }

/** Where webhooks lead: a process of its own that remembers every request by its event. */
export class Receiver {
  readonly #child: ChildProcess
  readonly #answers = new Map<number, (answer: ReceivedRequest[]) => void>()
  #asked = 0
  #port = 0

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (message: FromReceiver) => {
      if (!('id' in message)) return
      this.#answers.get(message.id)?.(message.requests ?? [])
      this.#answers.delete(message.id)
    })
  }

  static async start(behaviour: Partial<Behaviour> = {}): Promise<Receiver> {
    const child = fork(join(import.meta.dirname, 'receiver-process.ts'), {
      execArgv: [],
      serialization: 'advanced',
    })
    const receiver = new Receiver(child)
    const [{ listening }] = (await once(child, 'message')) as [{ listening: number }]
    receiver.#port = listening
    receiver.behave(behaviour)
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** From now on; what is not named is not done. */
  behave(behaviour: Partial<Behaviour>): void {
    this.#tell({
      behave: { delayMs: 0, refuseFirstEvery: 0, resetReusedEvery: 0, resetIdleEvery: 0, ...behaviour },
    })
  }

  /** Resolves once `count` requests have come in all. */
  async received(count: number): Promise<void> {
    await this.#ask((id) => ({ until: count, id }))
  }

  /** All requests so far, in the order they came. */
  requests(): Promise<ReceivedRequest[]> {
    return this.#ask((id) => ({ dump: true, id }))
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return
    this.#child.disconnect()
    await once(this.#child, 'exit')
  }

  #ask(message: (id: number) => ToReceiver): Promise<ReceivedRequest[]> {
    const id = (this.#asked += 1)
    return new Promise((resolve) => {
      this.#answers.set(id, resolve)
      this.#tell(message(id))
    })
  }

  #tell(message: ToReceiver): void {
    this.#child.send(message)
  }
}
