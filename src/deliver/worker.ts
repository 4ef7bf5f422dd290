import type { Clock } from '../clock.ts'
import type { Database } from '../database/database.ts'
import { Listener } from '../database/wake.ts'
import { createLifecycle, type Lifecycle } from '../lifecycle.ts'
import type { Logger } from '../log.ts'
import {
  attemptNumber,
  claim,
  type ClaimedDelivery,
  firstWebhookId,
  giveBack,
  markDelivering,
  readUnknown,
} from './claim.ts'
import { type Credentials, deliver, type Deliverer, type Ending } from './deliver.ts'
import { advanceLines, promote } from './let-out.ts'
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

/** A delivery that this worker has claimed. */
interface Held {
  delivery: ClaimedDelivery
  shift: Shift
  /** Once it is on its way; when that was, by the machine's monotonic clock. */
  sent?: { ended: Promise<void>; atMs: number }
  isMarked: boolean
}

/** One life of this worker and what belongs to it. */
interface Shift {
  life: Life
  recorder: Recorder
  deliverer: Deliverer
}

/**
 * The loop that keeps the slots full:
 *
 *     wait for work ─► claim ahead ─► send each as a slot is free ─► answered, slot free ─► recorded ─┐
 *          ▲                                                                                          │
 *          └──────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * It wakes by NOTIFY, when little is left of what was claimed and more may be waiting, and in any case every `pollMs`.
 * Beside the loop its lease is renewed, and what workers that died had in flight is taken over.
 */
export class Worker {
  readonly #options: WorkerOptions
  readonly #listener: Listener
  readonly #lifecycle: Lifecycle
  readonly #held = new Map<string, Held>()
  /** Claimed and not sent yet, first come first. */
  readonly #ready: Held[] = []
  readonly #load: Load
  #shift: Shift | undefined
  #abort = new AbortController()
  #stopping = true
  #wake: () => void = () => {}
  #awake = false
  /** The last claim may have left due deliveries behind, for want of a free slot or of room for their webhook. */
  #moreMayWait = false
  #isDispatching = false
  /** Recorded since the last claim: with the next one they leave this worker's row. */
  #finished: string[] = []
  /** This worker's row may name deliveries that it does not know of. */
  #isUncertain = false
  /** The head of a line has ended here. */
  #lineMoves = false
  #isLettingOut = false
  #lettingOut: Promise<void> = Promise.resolve()
  #letOutAtMs = -Infinity
  #letOutAt = -Infinity
  #afterWebhookId = firstWebhookId
  #loop: Promise<void> = Promise.resolve()
  #timers: NodeJS.Timeout[] = []

  constructor(options: WorkerOptions) {
    this.#options = options
    this.#load = new Load({ ...options, capacity: options.concurrency * capacityPerSlot })
    this.#listener = new Listener({ ...options, onWake: () => this.wake() })
    this.#lifecycle = createLifecycle({ start: () => this.#start(), stop: () => this.#stop() })
  }

  /** Deliveries on their way to their receivers. */
  get inFlight(): number {
    return this.#load.sending
  }

  start(): Promise<void> {
    return this.#lifecycle.start()
  }

  /** Claims and sends no more, and waits up to `drainMs` for what is in flight; the rest is given up for others to send. */
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
    await this.#lettingOut
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
      const wasHolding = this.#held.size > 0
      const limit = this.#wantsMore ? this.#load.room : 0
      const claimed = limit > 0 ? await this.#claim(limit) : 0
      // While the claim ran, deliveries that it counted may have ended.
      this.#moreMayWait = limit === 0 || claimed > 0 || wasHolding
      await this.#rest()
    }
  }

  get #wantsMore(): boolean {
    return this.#load.hasFreeSlot || this.#ready.length < this.#options.concurrency
  }

  /** Claims, and answers how many it got; a database that is away is tried again at the next turn. */
  async #claim(limit: number): Promise<number> {
    const { logger } = this.#options
    try {
      const shift = await this.#liveShift()
      if (this.#isUncertain) await this.#holdUnknown(shift)
      this.#letOut()
      const claimed = await this.#claimFairly(shift, limit)
      for (const delivery of claimed) this.#hold(delivery, shift)
      this.#dispatch()
      return claimed.length
    } catch (error) {
      this.#isUncertain = true
      logger.warn({ error }, 'could not claim deliveries: trying again')
      return 0
    }
  }

  /** Webhooks behind the one where the last claim ended come first, then those before it. */
  async #claimFairly({ life }: Shift, limit: number): Promise<ClaimedDelivery[]> {
    const { database, clock, maxInFlight } = this.#options
    const finished = [...this.#finished]
    const claimed = await claim(database, {
      workerId: life.id,
      now: clock.now(),
      limit,
      maxHeld: maxInFlight,
      limits: this.#load.limits(),
      finished,
      afterWebhookId: this.#afterWebhookId,
    })
    // More may have finished meanwhile: those go with the next claim.
    if (claimed.length > 0) this.#finished.splice(0, finished.length)
    if (claimed.length >= limit) this.#afterWebhookId = lastWebhookId(claimed, this.#afterWebhookId)
    return claimed
  }

  /**
   * Into the queue with what waited for its time or for the one before it: ten times a second at most, or at once when
   * the head of a line has ended. Beside the claim: in front of it, it would be two round trips for each.
   */
  #letOut(): void {
    const { clock } = this.#options
    const now = clock.now()
    const nowMs = performance.now()
    const isTime =
      nowMs - this.#letOutAtMs >= letOutEveryMs || now.getTime() - this.#letOutAt >= letOutEveryMs
    if (this.#isLettingOut || (!isTime && !this.#lineMoves)) return
    this.#isLettingOut = true
    this.#letOutAtMs = nowMs
    this.#letOutAt = now.getTime()
    this.#lineMoves = false
    this.#lettingOut = this.#letOutAll(now)
  }

  async #letOutAll(now: Date): Promise<void> {
    const { database, logger } = this.#options
    try {
      const counts = await Promise.all([promote(database, now), advanceLines(database)])
      if (counts[0] + counts[1] > 0 || this.#lineMoves) this.wake()
    } catch (error) {
      logger.warn({ error }, 'what waits could not be let out: trying again')
    } finally {
      this.#isLettingOut = false
    }
  }

  /** The life that holds its lease now: this one, or a new one where this one was ended by others. */
  async #liveShift(): Promise<Shift> {
    const { database, clock, logger, leaseSeconds } = this.#options
    const current = this.#shift
    if (current?.life.holds) return current
    if (current && (await current.life.renew(database))) return current
    const life = new Life({ leaseSeconds, clock })
    await life.begin(database)
    const recorder = new Recorder({ database, life, clock, logger })
    const deliverer: Deliverer = {
      ...this.#options,
      life,
      recorder,
      // Ends attempts without a result: the life was ended by others, or the worker must stop.
      signal: AbortSignal.any([life.lost, this.#abort.signal]),
      maySend: () => life.holds,
    }
    this.#finished = []
    this.#shift = { life, recorder, deliverer }
    return this.#shift
  }

  async #holdUnknown(shift: Shift): Promise<void> {
    const { database, logger } = this.#options
    const known = [...this.#held.keys(), ...this.#finished]
    const unknown = await readUnknown(database, shift.life.id, known)
    this.#isUncertain = false
    if (unknown.length > 0)
      logger.warn({ deliveries: unknown.length }, 'claimed, but the answer was lost: sending')
    for (const delivery of unknown) this.#hold(delivery, shift)
  }

  #hold(delivery: ClaimedDelivery, shift: Shift): void {
    const held: Held = { delivery, shift, isMarked: false }
    this.#load.hold(delivery)
    this.#held.set(delivery.id, held)
    this.#ready.push(held)
  }

  #letGo({ delivery }: Held, answersWell?: boolean): void {
    this.#held.delete(delivery.id)
    this.#load.letGo(delivery, answersWell)
    if (delivery.ordered) this.#lineMoves = true
    if (delivery.ordered || (this.#moreMayWait && this.#wantsMore)) this.wake()
  }

  /** Fills the free slots: first everybody within their caps, then, where slots are idle, those that may borrow. */
  #dispatch(): void {
    if (this.#stopping) return
    this.#sendWhere((delivery) => this.#load.maySend(delivery))
    this.#sendWhere((delivery) => this.#load.mayBorrow(delivery))
    if (this.#moreMayWait && this.#wantsMore && this.#load.room > 0) this.wake()
  }

  #sendWhere(may: (delivery: ClaimedDelivery) => boolean): void {
    for (let index = 0; index < this.#ready.length && this.#load.hasFreeSlot;) {
      const held = this.#ready[index]!
      if (!may(held.delivery)) {
        index += 1
        continue
      }
      this.#ready.splice(index, 1)
      held.sent = { ended: this.#attend(held), atMs: performance.now() }
    }
  }

  /** Slots that become free in one turn of the event loop are filled together. */
  #dispatchSoon(): void {
    if (this.#isDispatching) return
    this.#isDispatching = true
    queueMicrotask(() => {
      this.#isDispatching = false
      this.#dispatch()
    })
  }

  async #attend(held: Held): Promise<void> {
    const freeSlot = this.#load.send(held.delivery)
    const answersWell = await this.#deliver(held, () => {
      freeSlot()
      this.#dispatchSoon()
    })
    freeSlot()
    this.#letGo(held, answersWell)
    this.#dispatchSoon()
  }

  /** Answers whether the receiver accepted it, where that is known. */
  async #deliver({ delivery, shift }: Held, onAnswer: () => void): Promise<boolean | undefined> {
    const { logger, onEnding } = this.#options
    try {
      const ending = await deliver(delivery, shift.deliverer, onAnswer)
      // Still in this worker's row and not sent: it is found there, unless others have taken it over.
      if (ending === 'interrupted') this.#isUncertain = true
      else if (shift === this.#shift) this.#finished.push(delivery.id)
      onEnding?.(delivery, ending)
      logger.info(describe(delivery, ending), 'attempt')
      return typeof ending === 'string' ? undefined : ending.outcome.kind === 'delivered'
    } catch (error) {
      // The lease runs out and somebody takes it over.
      logger.error({ error, delivery_id: delivery.id }, 'an attempt ended without a result')
      return undefined
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
    const long = [...this.#held.values()].filter(
      ({ sent, isMarked }) => sent && sent.atMs < before && !isMarked,
    )
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
    await this.#giveBackUnsent()
    await Promise.all([...this.#held.values()].flatMap(({ sent }) => (sent ? [sent.ended] : [])))
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

  /** What was claimed and never sent goes back at once, as if nothing had been. */
  async #giveBackUnsent(): Promise<void> {
    const { database, logger } = this.#options
    const unsent = this.#ready.splice(0)
    for (const held of unsent) this.#letGo(held)
    const mine = unsent.filter(({ shift }) => shift === this.#shift).map(({ delivery }) => delivery)
    if (!this.#shift || mine.length === 0) return
    try {
      await giveBack(database, this.#shift.life.id, mine)
    } catch (error) {
      logger.warn({ error, deliveries: mine.length }, 'could not give deliveries back: the lease runs out')
    }
  }
}

/** Claimed ahead, so that a free slot does not wait for the database, and claims and results come in large batches. */
const capacityPerSlot = 4

/** In flight for longer than this, a delivery is marked `delivering`. */
const markAfterMs = 1_000

const letOutEveryMs = 100

/** The webhook at which a claim ended that began behind `afterWebhookId` and may have gone on at the first one. */
function lastWebhookId(claimed: readonly ClaimedDelivery[], afterWebhookId: string): string {
  const ids = claimed.map(({ webhook_id }) => webhook_id)
  const fromTheFirst = ids.filter((id) => id <= afterWebhookId)
  return (fromTheFirst.length > 0 ? fromTheFirst : ids).reduce((last, id) => (id > last ? id : last))
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
