import { request } from 'undici'
import { sign } from '../../deliver/sign.ts'
import { newId } from '../../ids.ts'

/** An event that was received, and what is needed to send it again. */
export interface ForwardedEvent {
  /** From 1, in the order in which they came. */
  number: number
  id: string
  type: string
  /** The body, to the byte. */
  body: string
  /** Stands for a delivery, of which there is none: the same each time it is sent. */
  deliveryId: string
  attempts: number
}

export interface Forwarded {
  event: ForwardedEvent
  attempt: number
  at: Date
  responseStatus: number | null
  durationMs: number
  error: string | null
}

interface Target {
  url: string
  secret: string
  timeoutMs: number
}

/** Sends it as a delivery would be sent. What goes wrong is a result. */
export async function forward(event: ForwardedEvent, { url, secret, timeoutMs }: Target): Promise<Forwarded> {
  event.attempts += 1
  const attempt = event.attempts
  const at = new Date()
  const { headers } = sign(
    {
      eventId: event.id,
      eventType: event.type,
      deliveryId: event.deliveryId,
      attempt,
      body: event.body,
      secrets: [secret],
      headers: {},
      url,
    },
    at,
  )
  const begunMs = performance.now()
  const result = (responseStatus: number | null, error: string | null): Forwarded => ({
    event,
    attempt,
    at,
    responseStatus,
    durationMs: Math.round(performance.now() - begunMs),
    error,
  })
  try {
    // Of its own each time: a server under development comes and goes.
    const answer = await request(url, {
      method: 'POST',
      headers,
      body: event.body,
      reset: true,
      signal: AbortSignal.timeout(timeoutMs),
    })
    await answer.body.dump()
    return result(answer.statusCode, null)
  } catch (error) {
    return result(null, inWords(error, timeoutMs))
  }
}

function inWords(error: unknown, timeoutMs: number): string {
  const { name, code, message } = error as NodeJS.ErrnoException
  if (name === 'TimeoutError') return `timeout after ${timeoutMs} ms`
  if (code === 'ECONNREFUSED') return 'connection refused'
  return message || code || name
}

const mostKept = 100
const mostKeptCharacters = 16 * 1_048_576

/** The events that came last, to be sent again. */
export class RecentEvents {
  readonly #events = new Map<number, ForwardedEvent>()
  #count = 0
  #characters = 0

  add({ id, type, body }: Pick<ForwardedEvent, 'id' | 'type' | 'body'>): ForwardedEvent {
    this.#count += 1
    const event = { number: this.#count, id, type, body, deliveryId: newId(), attempts: 0 }
    this.#events.set(event.number, event)
    this.#characters += body.length
    for (const [number, { body: oldest }] of this.#events) {
      const isEnough = this.#events.size <= mostKept && this.#characters <= mostKeptCharacters
      if (isEnough || number === event.number) break
      this.#events.delete(number)
      this.#characters -= oldest.length
    }
    return event
  }

  get(number: number): ForwardedEvent | undefined {
    return this.#events.get(number)
  }

  /** 0 before there is one. */
  get last(): number {
    return this.#count
  }
}
