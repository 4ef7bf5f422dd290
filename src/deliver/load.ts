import { LRUCache } from 'lru-cache'
import type { Claim, ClaimedDelivery } from './claim.ts'

interface InFlight {
  count: number
  /** From this many on the webhook's next deliveries wait for one of them. */
  fullAt: number
}

/** What a worker has in flight, by webhook, and which webhooks answer well. */
export class Load {
  readonly #maxInFlight: number
  readonly #webhooks = new Map<string, InFlight>()
  readonly #healthy = new LRUCache<string, true>({ max: 10_000 })

  /** @param maxInFlight for a webhook that says nothing else */
  constructor(maxInFlight: number) {
    this.#maxInFlight = maxInFlight
  }

  begin({ webhook_id, ordered, max_in_flight }: ClaimedDelivery): void {
    const count = (this.#webhooks.get(webhook_id)?.count ?? 0) + 1
    this.#webhooks.set(webhook_id, { count, fullAt: ordered ? 1 : (max_in_flight ?? this.#maxInFlight) })
  }

  end({ webhook_id }: ClaimedDelivery, isGood: boolean): void {
    const entry = this.#webhooks.get(webhook_id)
    if (entry && entry.count > 1) entry.count -= 1
    else this.#webhooks.delete(webhook_id)
    if (isGood) this.#healthy.set(webhook_id, true)
    else this.#healthy.delete(webhook_id)
  }

  /** In flight by webhook, with `claimed` that is about to begin. */
  counts(claimed: readonly ClaimedDelivery[]): Map<string, number> {
    const counts = new Map(Array.from(this.#webhooks, ([id, { count }]) => [id, count] as const))
    for (const { webhook_id } of claimed) counts.set(webhook_id, (counts.get(webhook_id) ?? 0) + 1)
    return counts
  }

  /** Some webhook may have more waiting than it is allowed in flight. */
  get isSomeFull(): boolean {
    for (const { count, fullAt } of this.#webhooks.values()) {
      if (count >= fullAt) return true
    }
    return false
  }

  /**
   * Slots that are idle when everybody has had a turn are lent to webhooks that have reached the usual cap and answer
   * well: half of all slots at most, so that the next one to wake finds room.
   */
  borrowing(concurrency: number, claimed: readonly ClaimedDelivery[]): Claim['borrowing'] {
    const webhookIds = [...this.counts(claimed)]
      .filter(([id, count]) => count >= this.#maxInFlight && this.#healthy.has(id))
      .map(([id]) => id)
    if (webhookIds.length === 0) return undefined
    const maxInFlight = Math.max(Math.floor(concurrency / 2 / webhookIds.length), this.#maxInFlight)
    return { webhookIds, maxInFlight }
  }
}
