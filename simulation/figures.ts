import { Histogram } from './histogram.ts'
import { type Kind, kinds } from './population.ts'

/** Of tenants, by deliveries a day: up to so many, and those above all of them. */
export const sizes = [1_000, 10_000, 100_000, 1_000_000, 10_000_000, Infinity] as const

/** What a second was like. */
export interface Second {
  /** Minutes from the start of the run. */
  minute: number
  sent: number
  p99WaitMs: number
  queued: number
  queuedWebhooks: number
  scheduled: number
  busySlots: number
  workers: number
  /** That are not closed. */
  breakers: number
}

/** What statements did, in rows or by their number. */
export interface Work {
  published: number
  claims: number
  emptyClaims: number
  /** Webhooks that claims looked at. */
  stepped: number
  claimed: number
  recordings: number
  recorded: number
  delivered: number
  retried: number
  failed: number
  letOut: number
  rescued: number
  renewals: number
  /** Breakers. */
  opened: number
  notifications: number
}

/** What is counted in a run, once it is warm. */
export class Figures {
  isCounting = false
  readonly work: Work = {
    published: 0,
    claims: 0,
    emptyClaims: 0,
    stepped: 0,
    claimed: 0,
    recordings: 0,
    recorded: 0,
    delivered: 0,
    retried: 0,
    failed: 0,
    letOut: 0,
    rescued: 0,
    renewals: 0,
    opened: 0,
    notifications: 0,
  }
  readonly seconds: Second[] = []
  /** First tries, by the size of the tenant: from publishing to sending. */
  readonly waits: Record<Kind, Histogram[]>
  /** Milliseconds for which a slot was taken. */
  readonly slotMs = Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<Kind, number>
  readonly sent = Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<Kind, number>
  /** Tries at each webhook. */
  readonly tries: Uint32Array<ArrayBuffer>
  sentInSecond = 0
  waitsInSecond = new Histogram()

  constructor(webhooks: number) {
    this.tries = new Uint32Array(webhooks)
    this.waits = Object.fromEntries(kinds.map((kind) => [kind, sizes.map(() => new Histogram())])) as Record<
      Kind,
      Histogram[]
    >
  }

  add(work: Partial<Work>): void {
    if (!this.isCounting) return
    for (const name of Object.keys(work) as (keyof Work)[]) this.work[name] += work[name]!
  }

  endSecond(second: Omit<Second, 'sent' | 'p99WaitMs'>): void {
    this.seconds.push({
      ...second,
      sent: this.sentInSecond,
      p99WaitMs: this.waitsInSecond.percentile(0.99),
    })
    this.sentInSecond = 0
    this.waitsInSecond = new Histogram()
  }
}

export function sizeClass(deliveriesPerDay: number): number {
  return sizes.findIndex((size) => deliveriesPerDay <= size)
}
