import { LRUCache } from 'lru-cache'
import type { ClaimedDelivery } from './claim.ts'

interface WebhookLoad {
  /** Claimed and not recorded yet. */
  held: number
  /** Of them, on their way to the receiver. */
  sending: number
  /** As many may be on their way at once. */
  maxInFlight: number
  /** Its own wish, which idle slots do not change. */
  isFixed: boolean
}

export interface LoadOptions {
  /** On their way at once, in all. */
  concurrency: number
  /** Claimed at once, in all: more than are on their way, so that a slot that becomes free never waits for the database. */
  capacity: number
  /** Payloads claimed at once, in all. */
  capacityBytes: number
  /** On their way at once for a webhook that says nothing else. */
  maxInFlight: number
}

/** Webhooks that are remembered as answering well or badly, and told to a claim. */
const remembered = 256

/** The usual weight of a payload is that of about so many. */
const usualOf = 16

/** A webhook that answers well may be claimed ahead by as many times its cap. */
const claimAhead = 4

/**
 * What a worker holds and sends, by webhook, and what it may.
 *
 * A dead endpoint costs a slot for as long as the deadline. So each webhook has a cap; those that answer badly get half of
 * all slots together at most; and slots that are idle after everybody had a turn are lent to those that answer well, three
 * quarters of all to one at most. A webhook that is not known yet is held to its cap.
 */
export class Load {
  readonly #options: LoadOptions
  readonly #webhooks = new Map<string, WebhookLoad>()
  readonly #answersWell = new LRUCache<string, boolean>({ max: remembered })
  #held = 0
  #heldBytes = 0
  /** Of a payload, lately. Until one was seen, the most that an event may have. */
  #usualBytes = 262_144
  #sending = 0
  #sendingToBad = 0

  constructor(options: LoadOptions) {
    this.#options = options
  }

  /** How many more may be claimed. What they weigh is not known before: as much as the last ones did. */
  get room(): number {
    const { capacity, capacityBytes } = this.#options
    const byBytes = Math.floor((capacityBytes - this.#heldBytes) / this.#usualBytes)
    return Math.min(capacity - this.#held, Math.max(byBytes, this.#held === 0 ? 1 : 0))
  }

  get #mostLent(): number {
    return Math.floor(this.#options.concurrency * 0.75)
  }

  get sending(): number {
    return this.#sending
  }

  get hasFreeSlot(): boolean {
    return this.#sending < this.#options.concurrency
  }

  hold({ webhook_id, ordered, max_in_flight, payload }: ClaimedDelivery): void {
    const entry = this.#webhooks.get(webhook_id) ?? { held: 0, sending: 0, maxInFlight: 0, isFixed: false }
    entry.held += 1
    entry.maxInFlight = ordered ? 1 : (max_in_flight ?? this.#options.maxInFlight)
    entry.isFixed = ordered || max_in_flight !== null
    this.#webhooks.set(webhook_id, entry)
    this.#held += 1
    this.#heldBytes += payload.length
    this.#usualBytes += (payload.length - this.#usualBytes) / usualOf
  }

  /** `answersWell` where the outcome says something about the receiver. */
  letGo({ webhook_id, payload }: ClaimedDelivery, answersWell?: boolean): void {
    const entry = this.#webhooks.get(webhook_id)
    this.#held -= 1
    this.#heldBytes -= payload.length
    if (entry) {
      entry.held -= 1
      if (entry.held === 0) this.#webhooks.delete(webhook_id)
    }
    if (answersWell !== undefined) this.#answersWell.set(webhook_id, answersWell)
  }

  maySend({ webhook_id }: ClaimedDelivery): boolean {
    const entry = this.#webhooks.get(webhook_id)
    if (!entry || !this.hasFreeSlot || entry.sending >= entry.maxInFlight) return false
    return this.#answersWell.get(webhook_id) !== false || this.#sendingToBad < this.#options.concurrency / 2
  }

  mayBorrow({ webhook_id }: ClaimedDelivery): boolean {
    const entry = this.#webhooks.get(webhook_id)
    if (!entry || !this.hasFreeSlot || entry.isFixed || this.#answersWell.get(webhook_id) !== true)
      return false
    return entry.sending < this.#mostLent
  }

  /** Takes a slot; what it answers gives the slot back. */
  send({ webhook_id }: ClaimedDelivery): () => void {
    const entry = this.#webhooks.get(webhook_id)!
    const isBad = this.#answersWell.get(webhook_id) === false
    const change = (by: 1 | -1): void => {
      entry.sending += by
      this.#sending += by
      if (isBad) this.#sendingToBad += by
    }
    change(1)
    let isGivenBack = false
    return () => {
      if (!isGivenBack) change(-1)
      isGivenBack = true
    }
  }

  /** For a claim: what is held of each webhook, and how much may be of those that are known. */
  limits(): { held: Map<string, number>; most: Map<string, number> } {
    const held = new Map(Array.from(this.#webhooks, ([id, entry]) => [id, entry.held] as const))
    const known = [...this.#answersWell.entries()]
    const bad = known.filter(([, answersWell]) => !answersWell).length
    const mostOfBad = Math.max(Math.floor(this.#options.capacity / 2 / Math.max(bad, 1)), 1)
    const most = known.map(([id, answersWell]) => {
      const entry = this.#webhooks.get(id)
      const cap = entry?.maxInFlight ?? this.#options.maxInFlight
      const ahead = entry?.isFixed ? cap * claimAhead : Math.max(cap * claimAhead, this.#mostLent + cap)
      return [id, answersWell ? ahead : Math.min(cap, mostOfBad)] as const
    })
    return { held, most: new Map(most) }
  }
}
