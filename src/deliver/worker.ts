import type { Clock } from '../clock.ts'
import type { Database } from '../database/database.ts'
import { Listener } from '../database/wake.ts'
import { createLifecycle, type Lifecycle } from '../lifecycle.ts'
import type { Logger } from '../log.ts'
import {
  advanceLines,
  attemptNumber,
  type Claim,
  claim,
  type ClaimedDelivery,
  firstWebhookId,
  markDelivering,
  promote,
  readUnknown,
} from './claim.ts'
import { type Credentials, deliver, type Ending } from './deliver.ts'
import { Life } from './life.ts'
import { Load } from './load.ts'
import { Recorder } from './record.ts'
import { endLife, type Rescued, rescueExpired } from './rescue.ts'
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

/** What is in flight, and since when by the machine's monotonic clock. */
interface InFlight {
  delivery: ClaimedDelivery
  ended: Promise<void>
  beganMs: number
  isMarked: boolean
}

/** One life of this worker and what belongs to it. */
interface Shift {
  life: Life
  recorder: Recorder
  /** Ends attempts without a result: the life was ended by others, or the worker must stop. */
  signal: AbortSignal
}

/**
 * The loop that keeps the slots full:
 *
 *     wait for work ─► claim ─► deliver each ─► recorded, slot free ─┐
 *          ▲                                                         │
 *          └─────────────────────────────────────────────────────────┘
 *
 * It wakes by NOTIFY, by a slot that becomes free while more is waiting, and in any case every `pollMs`. Beside the loop
 * its lease is renewed, and what workers that died had in flight is taken over.
 */
export class Worker {
  readonly #options: WorkerOptions
  readonly #listener: Listener
  readonly #lifecycle: Lifecycle
  readonly #inFlight = new Map<string, InFlight>()
  readonly #load: Load
  #shift: Shift | undefined
  #abort = new AbortController()
  #stopping = true
  #wake: () => void = () => {}
  #awake = false
  /** The last claim may have left due deliveries behind, for want of a free slot or of room for their webhook. */
  #moreMayWait = false
  /** Recorded since the last claim: with the next one they leave this worker's row. */
  #finished: string[] = []
  /** This worker's row may name deliveries that it does not know of. */
  #isUncertain = false
  /** The head of a line has ended here. */
  #lineMoves = false
  #letOutAtMs = -Infinity
  #letOutAt = -Infinity
  #afterWebhookId = firstWebhookId
  #loop: Promise<void> = Promise.resolve()
  #timers: NodeJS.Timeout[] = []

  constructor(options: WorkerOptions) {
    this.#options = options
    this.#load = new Load(options.maxInFlight)
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
    await this.#listener.start()
    this.#every((this.#options.leaseSeconds * 1_000) / 3, 'the lease could not be renewed', () =>
      this.#renew(),
    )
    this.#every(500, 'deliveries could not be marked', () => this.#mark())
    this.#every(1_000, 'what dead workers left could not be taken over', () => this.#rescue())
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
      const wasSomeFull = this.#load.isSomeFull
      const claimed = free > 0 ? await this.#claim(free) : []
      // While the claim ran, deliveries that it counted may have ended.
      this.#moreMayWait = free === 0 || claimed.length > 0 || wasSomeFull || this.#load.isSomeFull
      await this.#rest()
    }
  }

  /** Claims, and begins what it got; a database that is away is tried again at the next turn. */
  async #claim(limit: number): Promise<readonly ClaimedDelivery[]> {
    const { logger } = this.#options
    try {
      const shift = await this.#liveShift()
      if (this.#isUncertain) await this.#beginUnknown(shift)
      await this.#letOut()
      const claimed = await this.#claimFairly(shift, limit)
      for (const delivery of claimed) this.#begin(delivery, shift)
      return claimed
    } catch (error) {
      this.#isUncertain = true
      logger.warn({ error }, 'could not claim deliveries: trying again')
      return []
    }
  }

  /**
   * Webhooks behind the one where the last claim ended come first, then those before it; slots that are idle after that
   * are lent.
   */
  async #claimFairly(shift: Shift, limit: number): Promise<ClaimedDelivery[]> {
    const { concurrency } = this.#options
    const claimed: ClaimedDelivery[] = []
    const passes = [
      ...(this.#afterWebhookId === firstWebhookId ? [] : [() => ({ afterWebhookId: this.#afterWebhookId })]),
      () => ({ afterWebhookId: firstWebhookId }),
      () => {
        const borrowing = this.#load.borrowing(concurrency, claimed)
        return borrowing && { afterWebhookId: firstWebhookId, borrowing }
      },
    ]
    for (const pass of passes) {
      const from = pass()
      if (!from) continue
      const batch = await this.#claimFrom(shift, from, { claimed, limit })
      claimed.push(...batch)
      if (claimed.length >= limit) {
        this.#afterWebhookId = highestWebhookId(batch)
        return claimed
      }
    }
    this.#afterWebhookId = firstWebhookId
    return claimed
  }

  async #claimFrom(
    { life }: Shift,
    from: Pick<Claim, 'afterWebhookId' | 'borrowing'>,
    { claimed, limit }: { claimed: readonly ClaimedDelivery[]; limit: number },
  ): Promise<ClaimedDelivery[]> {
    const { database, clock, maxInFlight } = this.#options
    const finished = [...this.#finished]
    const batch = await claim(database, {
      ...from,
      workerId: life.id,
      now: clock.now(),
      limit: limit - claimed.length,
      maxInFlight,
      inFlight: this.#load.counts(claimed),
      finished,
    })
    // More may have finished meanwhile: those go with the next claim.
    if (batch.length > 0) this.#finished.splice(0, finished.length)
    return batch
  }

  /**
   * Into the queue with what waited for its time or for the one before it: ten times a second at most, or at once when
   * the head of a line has ended. Asked at every claim it would be two round trips in front of each.
   */
  async #letOut(): Promise<void> {
    const { database, clock } = this.#options
    const now = clock.now()
    const nowMs = performance.now()
    const isTime =
      nowMs - this.#letOutAtMs >= letOutEveryMs || now.getTime() - this.#letOutAt >= letOutEveryMs
    if (!isTime && !this.#lineMoves) return
    this.#letOutAtMs = nowMs
    this.#letOutAt = now.getTime()
    this.#lineMoves = false
    while (await promote(database, now)) continue
    await advanceLines(database)
  }

  /** The life that holds its lease now: this one, or a new one where this one was ended by others. */
  async #liveShift(): Promise<Shift> {
    const { database, clock, logger, leaseSeconds } = this.#options
    const current = this.#shift
    if (current?.life.holds) return current
    if (current && (await current.life.renew(database))) return current
    const life = new Life({ leaseSeconds, clock })
    await life.begin(database)
    const signal = AbortSignal.any([life.lost, this.#abort.signal])
    this.#finished = []
    this.#shift = { life, recorder: new Recorder({ database, life, clock, logger }), signal }
    return this.#shift
  }

  async #beginUnknown(shift: Shift): Promise<void> {
    const { database, logger } = this.#options
    const known = [...this.#inFlight.keys(), ...this.#finished]
    const unknown = await readUnknown(database, shift.life.id, known)
    this.#isUncertain = false
    if (unknown.length > 0)
      logger.warn({ deliveries: unknown.length }, 'claimed, but the answer was lost: sending')
    for (const delivery of unknown) this.#begin(delivery, shift)
  }

  #begin(delivery: ClaimedDelivery, shift: Shift): void {
    this.#load.begin(delivery)
    const ended = this.#attend(delivery, shift)
    this.#inFlight.set(delivery.id, { delivery, ended, beganMs: performance.now(), isMarked: false })
  }

  async #attend(delivery: ClaimedDelivery, shift: Shift): Promise<void> {
    const isGood = await this.#deliver(delivery, shift)
    this.#inFlight.delete(delivery.id)
    this.#load.end(delivery, isGood)
    if (delivery.ordered) this.#lineMoves = true
    if (this.#moreMayWait) this.wake()
  }

  /** Answers whether the receiver accepted it. */
  async #deliver(delivery: ClaimedDelivery, shift: Shift): Promise<boolean> {
    const { logger, onEnding } = this.#options
    try {
      const ending = await deliver(delivery, { ...this.#options, ...shift })
      // Still in this worker's row and not sent: it is found there, unless others have taken it over.
      if (ending === 'interrupted') this.#isUncertain = true
      else if (shift === this.#shift) this.#finished.push(delivery.id)
      onEnding?.(delivery, ending)
      logger.info(describe(delivery, ending), 'attempt')
      return typeof ending !== 'string' && ending.outcome.kind === 'delivered'
    } catch (error) {
      // The lease runs out and somebody takes it over.
      logger.error({ error, delivery_id: delivery.id }, 'an attempt ended without a result')
      return false
    }
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
    const { database, logger } = this.#options
    const shift = this.#shift
    if (!shift || (await shift.life.renew(database))) return
    logger.warn({ worker_id: shift.life.id }, 'others have taken over what was in flight: beginning anew')
    this.wake()
  }

  async #mark(): Promise<void> {
    const { database } = this.#options
    const shift = this.#shift
    const before = performance.now() - markAfterMs
    const long = [...this.#inFlight.values()].filter(({ beganMs, isMarked }) => beganMs < before && !isMarked)
    if (!shift || long.length === 0) return
    await markDelivering(
      database,
      shift.life.id,
      long.map(({ delivery }) => delivery),
    )
    for (const entry of long) entry.isMarked = true
  }

  async #rescue(): Promise<void> {
    const { database, clock, onRescue } = this.#options
    const rescued = await rescueExpired(database, clock.now(), this.#shift?.life.id)
    if (rescued.length === 0) return
    this.#tell(rescued, 'taken over from a worker that is gone')
    onRescue?.(rescued.length)
    this.wake()
  }

  #tell(rescued: readonly Rescued[], message: string): void {
    for (const { id, ...rest } of rescued) this.#options.logger.warn({ delivery_id: id, ...rest }, message)
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
    // Their results may still wait for a database that is away: then the lease runs out.
    const forget = setTimeout(() => this.#shift?.recorder.abort(), drainMs + 1_000)
    await Promise.all(Array.from(this.#inFlight.values(), ({ ended }) => ended))
    clearTimeout(giveUp)
    clearTimeout(forget)
    const shift = this.#shift
    this.#shift = undefined
    if (!shift) return
    try {
      this.#tell(await endLife(database, shift.life.id, clock.now()), 'given back by a worker that stops')
    } catch (error) {
      logger.warn({ error }, 'could not end this worker’s lease: it runs out')
    }
  }
}

/** In flight for longer than this, a delivery is marked `delivering`. */
const markAfterMs = 1_000

const letOutEveryMs = 100

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
