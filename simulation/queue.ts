import { type Deliveries, none } from './deliveries.ts'
import { Numbers } from './numbers.ts'

/** What a claim asks for: that of `postrider.claim_deliveries`, with numbers for webhooks where they stand in order. */
export interface Wanted {
  limit: number
  /** Of a webhook that the worker does not know. */
  maxHeld: number
  held: ReadonlyMap<string, number>
  most: ReadonlyMap<string, number>
  /** Webhooks behind this one come first. */
  afterWebhook: number
  /** What its breaker lets out of a webhook now; without end where that is closed. */
  roomOf: (webhook: number) => number
  /** Probes were taken. */
  onProbes: (webhook: number) => void
}

export interface Taken {
  deliveries: number[]
  /** Of them, those that go out past a breaker. */
  probes: Set<number>
  /** Webhooks that it looked at. */
  stepped: number
}

/**
 * The table `delivery_queue` and the rule by which `postrider.claim_deliveries` takes from it: webhook by webhook in the
 * order of their ids, behind the last one first and then from the first one on, from each no more than it has room for, the
 * oldest first. A claim takes its rows in one moment. In the database that takes a millisecond, in which others pass over
 * the rows that it has locked, so that they see the same.
 *
 * What a webhook itself may say, `max_in_flight`, `rate_per_second` and `ordered`, is left out: in a run none says it.
 */
export class Queue {
  readonly #deliveries: Deliveries
  readonly #nameOf: (webhook: number) => string
  readonly #first: Int32Array<ArrayBuffer>
  readonly #last: Int32Array<ArrayBuffer>
  readonly #waiting: Numbers
  #length = 0
  #webhooks = 0

  constructor(deliveries: Deliveries, options: { webhooks: number; nameOf: (webhook: number) => string }) {
    this.#deliveries = deliveries
    this.#nameOf = options.nameOf
    this.#first = new Int32Array(options.webhooks).fill(none)
    this.#last = new Int32Array(options.webhooks).fill(none)
    this.#waiting = new Numbers(options.webhooks)
  }

  get length(): number {
    return this.#length
  }

  /** With something in the queue. */
  get webhooks(): number {
    return this.#webhooks
  }

  add(delivery: number): void {
    const { webhook: webhooks, dueMs, next } = this.#deliveries
    const webhook = webhooks[delivery]!
    const last = this.#last[webhook]!
    this.#length += 1
    if (last === none) {
      this.#webhooks += 1
      this.#waiting.add(webhook)
      this.#first[webhook] = delivery
      this.#last[webhook] = delivery
      next[delivery] = none
      return
    }
    if (dueMs[last]! <= dueMs[delivery]!) {
      next[last] = delivery
      next[delivery] = none
      this.#last[webhook] = delivery
      return
    }
    // What was cut off comes back to its place, which is near the front.
    let before: number = none
    let after = this.#first[webhook]!
    while (dueMs[after]! <= dueMs[delivery]!) {
      before = after
      after = next[after]!
    }
    next[delivery] = after
    if (before === none) this.#first[webhook] = delivery
    else next[before] = delivery
  }

  take({ limit, maxHeld, held, most, afterWebhook, roomOf, onProbes }: Wanted): Taken {
    const deliveries: number[] = []
    const probes = new Set<number>()
    let stepped = 0
    let webhook = this.#waiting.after(afterWebhook)
    let isWrapped = webhook === none
    if (isWrapped) webhook = this.#waiting.after(none)
    while (webhook !== none && deliveries.length < limit && (!isWrapped || webhook <= afterWebhook)) {
      stepped += 1
      const name = this.#nameOf(webhook)
      const byBreaker = roomOf(webhook)
      const left = (most.get(name) ?? maxHeld) - (held.get(name) ?? 0)
      const end = deliveries.length + Math.min(left, byBreaker, limit - deliveries.length)
      const isProbe = byBreaker !== Infinity && end > deliveries.length
      while (deliveries.length < end && this.#first[webhook] !== none) {
        const delivery = this.#shift(webhook)
        deliveries.push(delivery)
        if (isProbe) probes.add(delivery)
      }
      if (isProbe) onProbes(webhook)
      let next = this.#waiting.after(webhook)
      if (next === none && !isWrapped) {
        isWrapped = true
        next = this.#waiting.after(none)
      }
      webhook = next
    }
    return { deliveries, probes, stepped }
  }

  #shift(webhook: number): number {
    const delivery = this.#first[webhook]!
    const next = this.#deliveries.next[delivery]!
    this.#length -= 1
    this.#first[webhook] = next
    if (next === none) {
      this.#webhooks -= 1
      this.#last[webhook] = none
      this.#waiting.remove(webhook)
    }
    return delivery
  }
}
