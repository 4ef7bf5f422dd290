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

const noBehaviour: Behaviour = { delayMs: 0, refuseFirstEvery: 0, resetReusedEvery: 0, resetIdleEvery: 0 }

const receivedWithinMs = 120_000

/** Where webhooks lead: a process of its own that remembers every request by its event. */
export class Receiver {
  readonly #child: ChildProcess
  readonly #behaviour: Behaviour
  readonly #answers = new Map<number, (answer: ReceivedRequest[]) => void>()
  readonly #ended: Promise<never>
  #asked = 0
  #port = 0

  private constructor(child: ChildProcess, behaviour: Partial<Behaviour>) {
    this.#child = child
    this.#behaviour = { ...noBehaviour, ...behaviour }
    this.#ended = once(child, 'exit').then(() => {
      throw new Error('the receiver is gone')
    })
    this.#ended.catch(() => {})
    child.on('message', (message: FromReceiver) => {
      if (!('id' in message)) return
      this.#answers.get(message.id)?.(message.requests ?? [])
      this.#answers.delete(message.id)
    })
  }

  /** What of its behaviour is not named is not done. */
  static async start(behaviour: Partial<Behaviour> = {}): Promise<Receiver> {
    const child = fork(join(import.meta.dirname, 'receiver-process.ts'), {
      execArgv: [],
      serialization: 'advanced',
    })
    const receiver = new Receiver(child, behaviour)
    const [{ listening }] = (await Promise.race([once(child, 'message'), receiver.#ended])) as [
      { listening: number },
    ]
    receiver.#port = listening
    receiver.#tell({ behave: receiver.#behaviour })
    return receiver
  }

  get delayMs(): number {
    return this.#behaviour.delayMs
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Resolves once `count` requests have come in all; throws when that takes too long. */
  async received(count: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      const failure = new Error(`waited ${receivedWithinMs} ms for ${count} requests`)
      timer = setTimeout(() => reject(failure), receivedWithinMs)
    })
    await Promise.race([this.#ask((id) => ({ until: count, id })), late]).finally(() => clearTimeout(timer))
  }

  /** All requests so far, in the order they came. */
  requests(): Promise<ReceivedRequest[]> {
    return this.#ask((id) => ({ dump: true, id }))
  }

  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#ended.catch(() => {})
  }

  #ask(message: (id: number) => ToReceiver): Promise<ReceivedRequest[]> {
    const id = (this.#asked += 1)
    const answer = new Promise<ReceivedRequest[]>((resolve) => this.#answers.set(id, resolve))
    this.#tell(message(id))
    return Promise.race([answer, this.#ended])
  }

  #tell(message: ToReceiver): void {
    if (this.#child.connected) this.#child.send(message)
  }
}
