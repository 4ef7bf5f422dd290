import type { Random } from './random.ts'

/** How an endpoint answers. */
export const kinds = ['healthy', 'slow', 'refusing', 'silent'] as const
export type Kind = (typeof kinds)[number]

export interface PopulationOptions {
  tenants: number
  webhooks: number
  /** Of all webhooks, from 0 to 1; the others are healthy. */
  shares: Record<Exclude<Kind, 'healthy'>, number>
  deliveriesPerDay: number
}

/**
 * Who has webhooks, and who sends how much. Of tenants the n-th sends 1/n of what the first one does (Zipf), and has
 * webhooks by the square root of that, so that large ones have more webhooks and busier ones. Webhooks are numbered by
 * their ids, among which those of one tenant lie scattered, as they do by the time at which they were created.
 */
export class Population {
  readonly tenants: number
  readonly webhooks: number
  readonly #weights: Float64Array<ArrayBuffer>
  readonly #firstOf: Int32Array<ArrayBuffer>
  readonly #tenantOf: Int32Array<ArrayBuffer>
  readonly #kindOf: Uint8Array<ArrayBuffer>
  readonly #perDay: number
  readonly #chooser: Chooser

  constructor({ tenants, webhooks, shares, deliveriesPerDay }: PopulationOptions, random: Random) {
    this.tenants = tenants
    this.webhooks = webhooks
    this.#perDay = deliveriesPerDay
    const sizes = Float64Array.from({ length: tenants }, (_, tenant) => 1 / (tenant + 1))
    const sum = sizes.reduce((sum, size) => sum + size, 0)
    this.#weights = sizes.map((size) => size / sum)
    this.#chooser = new Chooser(this.#weights)
    this.#firstOf = firstWebhooks(sizes.map(Math.sqrt), webhooks)
    this.#tenantOf = new Int32Array(webhooks)
    for (let tenant = 0; tenant < tenants; tenant += 1) {
      for (let place = this.#firstOf[tenant]!; place < this.#firstOf[tenant + 1]!; place += 1)
        this.#tenantOf[this.#scattered(place)] = tenant
    }
    this.#kindOf = Uint8Array.from({ length: webhooks }, () => kinds.indexOf(kindAt(random.next(), shares)))
  }

  /** The webhook of the next delivery. */
  choose(random: Random): number {
    return this.webhookOf(this.#chooser.choose(random), random)
  }

  webhookOf(tenant: number, random: Random): number {
    const first = this.#firstOf[tenant]!
    return this.#scattered(first + random.below(this.#firstOf[tenant + 1]! - first))
  }

  kindOf(webhook: number): Kind {
    return kinds[this.#kindOf[webhook]!]!
  }

  tenantOf(webhook: number): number {
    return this.#tenantOf[webhook]!
  }

  /** Deliveries a day. */
  sizeOf(tenant: number): number {
    return this.#weights[tenant]! * this.#perDay
  }

  /** Deliveries a day. */
  rateOf(webhook: number): number {
    const tenant = this.tenantOf(webhook)
    return this.sizeOf(tenant) / (this.#firstOf[tenant + 1]! - this.#firstOf[tenant]!)
  }

  /** Each place once, since the factor has no divisor in common with the number of webhooks. */
  #scattered(place: number): number {
    return (place * scatter + 7) % this.webhooks
  }
}

/** A prime, larger than any number of webhooks here: products stay exact below 2^53. */
const scatter = 15_485_863

function kindAt(chance: number, { slow, refusing, silent }: PopulationOptions['shares']): Kind {
  if (chance < slow) return 'slow'
  if (chance < slow + refusing) return 'refusing'
  return chance < slow + refusing + silent ? 'silent' : 'healthy'
}

/** Where the webhooks of each tenant begin, and in the end how many there are: one each, and the rest by weight. */
function firstWebhooks(weights: Float64Array, webhooks: number): Int32Array<ArrayBuffer> {
  const firstOf = new Int32Array(weights.length + 1)
  const sum = weights.reduce((sum, weight) => sum + weight, 0)
  let before = 0
  weights.forEach((weight, tenant) => {
    before += weight
    firstOf[tenant + 1] = tenant + 1 + Math.round((before / sum) * (webhooks - weights.length))
  })
  return firstOf
}

/** Chooses by weight in constant time: Walker's alias method. */
class Chooser {
  readonly #chance: Float64Array<ArrayBuffer>
  readonly #other: Int32Array<ArrayBuffer>

  constructor(weights: Float64Array) {
    const count = weights.length
    this.#chance = Float64Array.from(weights, (weight) => weight * count)
    this.#other = new Int32Array(count)
    const small: number[] = []
    const large: number[] = []
    this.#chance.forEach((chance, place) => (chance < 1 ? small : large).push(place))
    while (small.length > 0 && large.length > 0) {
      const less = small.pop()!
      const more = large.pop()!
      this.#other[less] = more
      this.#chance[more]! -= 1 - this.#chance[less]!
      ;(this.#chance[more]! < 1 ? small : large).push(more)
    }
    for (const place of [...small, ...large]) this.#chance[place] = 1
  }

  choose(random: Random): number {
    const place = random.below(this.#chance.length)
    return random.next() < this.#chance[place]! ? place : this.#other[place]!
  }
}
