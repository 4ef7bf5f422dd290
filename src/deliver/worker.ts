import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/database.ts'
import { Listener } from '../database/wake.ts'
import { createLifecycle, type Lifecycle } from '../lifecycle.ts'
import type { Logger } from '../log.ts'
import { attemptNumber, claim, type ClaimedDelivery, firstWebhookId, renewLeases } from './claim.ts'
import { type Credentials, deliver, type Ending } from './deliver.ts'
import { Recorder } from './record.ts'
import { release, rescueExpired } from './rescue.ts'
import type { Sender } from './send.ts'

export interface WorkerOptions {
  database: Database
  clock: Clock
  credentials: Credentials
  sender: Sender
  logger: Logger
  /** Deliveries in flight at once. */
  concurrency: number
  /** Of them for one webhook. */
  maxInFlight: number
  leaseSeconds: number
  timeoutMs: number
  retrySeconds: readonly number[]
  /** How often to look for due deliveries when nothing wakes the worker. */
  pollMs: number
  /** How long a stop waits for what is in flight before it is given up. */
  drainMs: number
  onEnding?: (delivery: ClaimedDelivery, ending: Ending) => void
  onRescue?: (count: number) => void
}

/**
 * The loop that keeps the slots full:
 *
 *     wait for work ─► claim ─► deliver each ─► recorded, slot free ─┐
 *          ▲                                                         │
 *          └─────────────────────────────────────────────────────────┘
 *
 * It wakes by NOTIFY, by a slot that becomes free while more is waiting, and in any case every `pollMs`. Beside the loop
 * leases are renewed, and those of workers that died are taken back.
 */
export class Worker {
  readonly #options: WorkerOptions
  #recorder: Recorder
  readonly #listener: Listener
  readonly #lifecycle: Lifecycle
  readonly #inFlight = new Map<string, { delivery: ClaimedDelivery; ended: Promise<void> }>()
  readonly #countByWebhook = new Map<string, number>()
  #abort = new AbortController()
  #stopping = true
  #wake: () => void = () => {}
  #awake = false
  /** The last claim left due deliveries behind, for want of a free slot. */
  #moreMayWait = false
  #afterWebhookId = firstWebhookId
  #loop: Promise<void> = Promise.resolve()
  #timers: NodeJS.Timeout[] = []
  #interrupted: ClaimedDelivery[] = []

  constructor(options: WorkerOptions) {
    this.#options = options
    this.#recorder = new Recorder(options)
    this.#listener = new Listener({ ...options, onWake: () => this.wake() })
    this.#lifecycle = createLifecycle({ start: () => this.#start(), stop: () => this.#stop() })
  }

  get inFlight(): number {
    return this.#inFlight.size
  }

  start(): Promise<void> {
    return this.#lifecycle.start()
  }

  /** Claims no more, and waits up to `drainMs` for what is in flight; the rest is given up for others to send. */
  stop(): Promise<void> {
    return this.#lifecycle.stop()
  }

  /** Looks for due deliveries now. */
  wake(): void {
    this.#awake = true
    this.#wake()
  }

  async #start(): Promise<void> {
    this.#stopping = false
    this.#abort = new AbortController()
    this.#recorder = new Recorder(this.#options)
    await this.#listener.start()
    const { leaseSeconds } = this.#options
    this.#every((leaseSeconds * 1_000) / 3, 'leases could not be renewed', () => this.#renew())
    this.#every(1_000, 'expired leases could not be taken back', () => this.#rescue())
    this.#loop = this.#run()
  }

  async #stop(): Promise<void> {
    this.#stopping = true
    this.wake()
    await this.#loop
    await this.#drain()
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers = []
    await this.#listener.stop()
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      // Slots become free by the batch: one claim for all of them.
      await new Promise(setImmediate)
      this.#awake = false
      const free = this.#options.concurrency - this.#inFlight.size
      const claimed = free > 0 ? await this.#claim(free) : []
      for (const delivery of claimed) this.#begin(delivery)
      this.#moreMayWait = claimed.length >= free || this.#someWebhookIsFull()
      await this.#rest()
    }
  }

  async #claim(limit: number): Promise<ClaimedDelivery[]> {
    const { database, clock, leaseSeconds, maxInFlight, logger } = this.#options
    try {
      const claimed: ClaimedDelivery[] = []
      // Webhooks behind the one where the last claim ended come first, then those before it.
      for (const afterWebhookId of new Set([this.#afterWebhookId, firstWebhookId])) {
        const batch = await claim(database, {
          now: clock.now(),
          leaseToken: randomUUID(),
          leaseSeconds,
          limit: limit - claimed.length,
          maxInFlight,
          inFlight: this.#countWith(claimed),
          afterWebhookId,
        })
        claimed.push(...batch)
        if (claimed.length >= limit) {
          this.#afterWebhookId = highestWebhookId(batch)
          return claimed
        }
      }
      this.#afterWebhookId = firstWebhookId
      return claimed
    } catch (error) {
      logger.warn({ error }, 'could not claim deliveries: trying again')
      return []
    }
  }

  #countWith(claimed: readonly ClaimedDelivery[]): Map<string, number> {
    const counts = new Map(this.#countByWebhook)
    for (const { webhook_id } of claimed) counts.set(webhook_id, (counts.get(webhook_id) ?? 0) + 1)
    return counts
  }

  #begin(delivery: ClaimedDelivery): void {
    this.#count(delivery.webhook_id, 1)
    const ended = this.#deliver(delivery).finally(() => {
      this.#inFlight.delete(delivery.id)
      this.#count(delivery.webhook_id, -1)
      if (this.#moreMayWait) this.wake()
    })
    this.#inFlight.set(delivery.id, { delivery, ended })
  }

  async #deliver(delivery: ClaimedDelivery): Promise<void> {
    const { logger, onEnding } = this.#options
    try {
      const ending = await deliver(delivery, {
        ...this.#options,
        recorder: this.#recorder,
        signal: this.#abort.signal,
      })
      if (ending === 'interrupted') this.#interrupted.push(delivery)
      onEnding?.(delivery, ending)
      logger.info(describe(delivery, ending), 'attempt')
    } catch (error) {
      // Its lease runs out and somebody takes it back.
      logger.error({ error, delivery_id: delivery.id }, 'an attempt ended without a result')
    }
  }

  #count(webhookId: string, change: 1 | -1): void {
    const count = (this.#countByWebhook.get(webhookId) ?? 0) + change
    if (count === 0) this.#countByWebhook.delete(webhookId)
    else this.#countByWebhook.set(webhookId, count)
  }

  #someWebhookIsFull(): boolean {
    for (const count of this.#countByWebhook.values()) {
      if (count >= this.#options.maxInFlight) return true
    }
    return false
  }

  /** Until woken, or for `pollMs`. */
  async #rest(): Promise<void> {
    if (this.#awake || this.#stopping) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#options.pollMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = () => {}
  }

  async #renew(): Promise<void> {
    const { database, clock, leaseSeconds } = this.#options
    const held = Array.from(this.#inFlight.values(), ({ delivery }) => delivery)
    if (held.length > 0) await renewLeases(database, held, { now: clock.now(), leaseSeconds })
  }

  async #rescue(): Promise<void> {
    const { database, clock, logger, onRescue } = this.#options
    const rescued = await rescueExpired(database, clock.now())
    for (const { id, webhook_id, event_id, attempt, status } of rescued) {
      logger.warn(
        { delivery_id: id, webhook_id, event_id, attempt, status },
        'rescued from a worker that is gone',
      )
    }
    if (rescued.length === 0) return
    onRescue?.(rescued.length)
    this.wake()
  }

  /** Runs `work` every `everyMs`, never twice at once; a database that is away is only told. */
  #every(everyMs: number, failure: string, work: () => Promise<void>): void {
    let running = false
    const timer = setInterval(() => {
      if (running) return
      running = true
      work()
        .catch((error: unknown) => this.#options.logger.warn({ error }, failure))
        .finally(() => {
          running = false
        })
    }, everyMs)
    this.#timers.push(timer)
  }

  async #drain(): Promise<void> {
    const { database, clock, logger, drainMs } = this.#options
    const giveUp = setTimeout(() => this.#abort.abort(), drainMs)
    // Their results may still wait for a database that is away: then their leases run out.
    const forget = setTimeout(() => this.#recorder.abort(), drainMs + 1_000)
    await Promise.all(Array.from(this.#inFlight.values(), ({ ended }) => ended))
    clearTimeout(giveUp)
    clearTimeout(forget)
    const interrupted = this.#interrupted.splice(0)
    if (interrupted.length === 0) return
    await release(database, interrupted, clock.now()).catch((error: unknown) => {
      logger.warn(
        { error, deliveries: interrupted.length },
        'could not give deliveries back: their leases run out',
      )
    })
  }
}

function highestWebhookId(claimed: readonly ClaimedDelivery[]): string {
  return claimed.reduce(
    (highest, { webhook_id }) => (webhook_id > highest ? webhook_id : highest),
    firstWebhookId,
  )
}

function describe(delivery: ClaimedDelivery, ending: Ending): object {
  const ids = {
    delivery_id: delivery.id,
    event_id: delivery.event_id,
    webhook_id: delivery.webhook_id,
    project_id: delivery.project_id,
    event_type: delivery.event_type,
    attempt: attemptNumber(delivery),
  }
  if (typeof ending === 'string') return { ...ids, outcome: ending }
  const { outcome, durationMs } = ending
  return {
    ...ids,
    outcome: outcome.kind,
    response_status: outcome.responseStatus,
    reason: outcome.error,
    duration_ms: durationMs,
    ...(outcome.kind === 'retry' && { retry_at: outcome.retryAt }),
  }
}
