import type { Clock } from '../clock.ts'
import type { Database } from '../database/database.ts'
import { mayPass, retrying } from '../database/transient.ts'
import { Listener } from '../database/wake.ts'
import { createLifecycle, type Lifecycle } from '../lifecycle.ts'
import { isDebugging, type Logger } from '../log.ts'
import { registeredTracer } from '../tracing.ts'
import { attemptLine } from './attempt-line.ts'
import { batchLine } from './batch-line.ts'
import { Breakers } from './breakers.ts'
import {
  attemptNumber,
  claim,
  type ClaimedDelivery,
  firstWebhookId,
  giveBack,
  isLastChance,
  markDelivering,
  readUnknown,
} from './claim.ts'
import { type Credentials, deliver, type Deliverer, type Ending } from './deliver.ts'
import { LettingOut } from './letting-out.ts'
import { Life } from './life.ts'
import { Load } from './load.ts'
import { Recorder } from './record.ts'
import { endLife, interruptSent, type Rescued, rescueExpired } from './rescue.ts'
import { Queues, readDeadRows } from './queues.ts'
import type { Sender } from './send.ts'
import { Shapes } from './shapes.ts'
import { traceClaim } from './spans.ts'

export interface WorkerOptions {
  database: Database
  /** What `database` is without a pooler in between, for LISTEN. */
  directDatabase?: Database | undefined
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
  /** Of each claim, those that found nothing too. */
  onClaim?: (deliveries: number, durationMs: number) => void
  /** Of each batch of results. */
  onRecord?: (results: number, durationMs: number) => void
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
  /** By delivery and number of the try: of a life that was lost, the same delivery may still be on its way. */
  readonly #held = new Map<string, Held>()
  /** Claimed and not sent yet, first come first. */
  readonly #ready: Held[] = []
  /** Of them, those that are sent with nothing else in flight: see `#sendAlone`. */
  readonly #lastChances: Held[] = []
  /** On its way with nothing else in flight. */
  #alone: Held | undefined
  /** Until then it is the others' turn. */
  #othersUntilMs = -Infinity
  readonly #load: Load
  readonly #lettingOut: LettingOut
  readonly #shapes: Shapes
  readonly #breakers: Breakers
  readonly #queues = new Queues()
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
  /** In this worker's row, sent, and neither a result nor an interruption could be written. */
  readonly #unrecorded = new Set<string>()
  /** Where the last claim of all queues ended, and that of the known ones: else those could keep the others from their turn. */
  #afterWebhookId = firstWebhookId
  #afterKnownId = firstWebhookId
  #loop: Promise<void> = Promise.resolve()
  #timers: NodeJS.Timeout[] = []

  constructor(options: WorkerOptions) {
    this.#options = options
    this.#load = new Load({ ...options, capacity: options.concurrency * capacityPerSlot, capacityBytes })
    this.#lettingOut = new LettingOut({ ...options, onMore: () => this.wake() })
    this.#shapes = new Shapes(options.database)
    this.#breakers = new Breakers({
      ...options,
      onChange: () => {
        // Where the breaker could not be opened, what is held of its webhook is sent, even if there is no room to claim.
        this.#dispatchSoon()
        this.wake()
      },
    })
    const database = options.directDatabase ?? options.database
    this.#listener = new Listener({ ...options, database, onWake: () => this.wake() })
    this.#lifecycle = createLifecycle({ start: () => this.#start(), stop: () => this.#stop() })
  }

  /** Deliveries on their way to their receivers. */
  get inFlight(): number {
    return this.#load.sending
  }

  /** Those too that are claimed ahead, or whose result is being written. */
  get held(): number {
    return this.#held.size
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
    this.#every(5_000, 'the queue could not be looked at', async () =>
      this.#queues.noteDeadRows(await readDeadRows(this.#options.database)),
    )
    this.#every(500, 'deliveries could not be marked', () => this.#mark())
    this.#every(500, 'what dead workers left could not be taken over', () => this.#rescue())
    this.#loop = this.#run()
  }

  async #stop(): Promise<void> {
    this.#stopping = true
    this.wake()
    await this.#loop
    await this.#lettingOut.ended()
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
      if (this.#breakers.hasOpened) await this.#putBack()
      if (this.#isQuiet) await this.#sendAlone()
      const wasHolding = this.#held.size > 0
      const limit = this.#wantsMore ? this.#load.room : 0
      const claimed = limit > 0 ? await this.#claim(limit) : 0
      // While the claim ran, deliveries that it counted may have ended.
      this.#moreMayWait = limit === 0 || claimed > 0 || wasHolding
      await this.#rest()
    }
  }

  get #wantsMore(): boolean {
    if (this.#isQuiet) return false
    return this.#load.hasFreeSlot || this.#ready.length < this.#options.concurrency
  }

  /** No others are sent: one is sent alone, or is to be as soon as what is in flight has ended. */
  get #isQuiet(): boolean {
    return (
      this.#alone !== undefined || (this.#lastChances.length > 0 && performance.now() >= this.#othersUntilMs)
    )
  }

  /** Claims, and answers how many it got; a database that is away is tried again at the next turn. */
  async #claim(limit: number): Promise<number> {
    const { logger } = this.#options
    try {
      if (this.#queues.isRowWorn) await this.#beginAnew()
      const shift = await this.#liveShift()
      if (this.#isUncertain) await this.#holdUnknown(shift)
      this.#lettingOut.begin()
      const claimed = await this.#claimFairly(shift, limit)
      for (const delivery of claimed) this.#hold(delivery, shift)
      // One that is not full has taken all that it may: there is nothing to ask for again until something changes.
      this.#moreMayWait = claimed.length >= limit
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
    const known = this.#queues.next(performance.now(), this.#afterKnownId)
    const afterWebhookId = known ? this.#afterKnownId : this.#afterWebhookId
    if (known) await this.#queues.pause()
    const finished = [...this.#finished]
    const now = clock.now()
    const startedMs = performance.now()
    const claimed = await claim(database, {
      workerId: life.id,
      now,
      limit,
      maxHeld: maxInFlight,
      limits: this.#load.limits(),
      finished,
      afterWebhookId,
      known,
    })
    const endedMs = performance.now()
    this.#queues.note(claimed, { known, startedMs, endedMs, now })
    this.#tellClaim(life.id, claimed, endedMs - startedMs)
    // More may have finished meanwhile: those go with the next claim.
    if (claimed.length > 0) this.#finished.splice(0, finished.length)
    if (claimed.length >= limit) {
      const lastId = lastWebhookId(claimed, afterWebhookId)
      if (known) this.#afterKnownId = lastId
      else this.#afterWebhookId = lastId
    }
    await this.#shapes.giveTo(claimed)
    return claimed
  }

  #tellClaim(workerId: string, claimed: readonly ClaimedDelivery[], durationMs: number): void {
    const { logger, onClaim } = this.#options
    onClaim?.(claimed.length, durationMs)
    if (claimed.length === 0) return
    const tracer = registeredTracer()
    if (tracer) traceClaim(tracer, claimed, { workerId, startedAtMs: Date.now() - durationMs })
    if (isDebugging(logger)) logger.debug(batchLine(claimed, { workerId, durationMs }), 'claimed')
  }

  /**
   * A delivery that was cut off so often that once more makes it fail may be what kills the workers, or may only have been
   * beside it each time. So it is sent alone: all that was claimed ahead goes back into the queue, and it is noted
   * before. If this process dies now, it was this one, and nobody else has to wait for the lease. Afterwards the others
   * have as much time as it took.
   */
  async #sendAlone(): Promise<void> {
    const { logger } = this.#options
    const [held] = this.#lastChances
    if (!held || this.#alone || this.#sent().length > 0) return
    try {
      const shift = await this.#liveShift()
      if (held.shift === shift && !(await this.#noteAlone(held))) return
    } catch (error) {
      logger.warn({ error }, 'nothing is sent until the database is back')
      return
    }
    if (this.#stopping) return
    this.#lastChances.splice(this.#lastChances.indexOf(held), 1)
    held.sent = { ended: this.#attendAlone(held), atMs: performance.now() }
  }

  /** Answers whether only this one is left in this worker's row. Nothing is in flight. */
  async #noteAlone({ delivery, shift }: Held): Promise<boolean> {
    const { database, logger } = this.#options
    const kept = [delivery.id, ...this.#unrecorded]
    const isNoted = await giveBack(database, shift.life.id, { kept, alone: delivery.id }).catch(
      (error: unknown) => {
        logger.warn({ error }, 'could not give deliveries back')
        return false
      },
    )
    for (const held of this.#unsent()) {
      if (!isNoted || held.delivery.id !== delivery.id) this.#drop(held)
    }
    if (isNoted) return true
    // It may still be carried out, when something else is in flight: not in a life that has ended.
    this.#shift = undefined
    this.#tell(await endLife(database, shift.life.id, this.#options.clock.now()), 'given back')
    return false
  }

  async #attendAlone(held: Held): Promise<void> {
    const beforeMs = performance.now()
    this.#alone = held
    await this.#attend(held)
    this.#alone = undefined
    const afterMs = performance.now()
    this.#othersUntilMs = afterMs + (afterMs - beforeMs)
    this.wake()
  }

  /** The life that holds its lease now: this one, or a new one where this one was ended by others. */
  async #liveShift(): Promise<Shift> {
    const { database, clock, logger, leaseSeconds } = this.#options
    const current = this.#shift
    if (current?.life.holds) return current
    if (current && (await current.life.renew(database))) return current
    const life = new Life({ leaseSeconds, clock })
    await life.begin(database)
    const recorder = new Recorder({ database, life, clock, logger, onRecord: this.#options.onRecord })
    const deliverer: Deliverer = {
      ...this.#options,
      life,
      recorder,
      // Ends attempts without a result: the life was ended by others, or the worker must stop.
      signal: AbortSignal.any([life.lost, this.#abort.signal]),
    }
    this.#finished = []
    this.#unrecorded.clear()
    this.#queues.noteNewRow()
    this.#shift = { life, recorder, deliverer }
    return this.#shift
  }

  /** Ends a life that holds nothing, for the sake of a new row. What its row names is recorded. */
  async #beginAnew(): Promise<void> {
    const { database, clock } = this.#options
    const shift = this.#shift
    if (!shift || this.#held.size > 0 || this.#unrecorded.size > 0 || this.#isUncertain) return
    this.#shift = undefined
    this.#tell(await endLife(database, shift.life.id, clock.now()), 'given back')
  }

  async #holdUnknown(shift: Shift): Promise<void> {
    const { database, logger } = this.#options
    this.#isUncertain = false
    const known = [...Array.from(this.#held.values(), ({ delivery }) => delivery.id), ...this.#unrecorded]
    const unknown = await readUnknown(database, shift.life.id, known)
    await this.#shapes.giveTo(unknown)
    // It finished here before, and came back: its new entry must not leave the row with the old one.
    const again = new Set(unknown.map(({ id }) => id))
    this.#finished = this.#finished.filter((id) => !again.has(id))
    if (unknown.length > 0)
      logger.warn({ deliveries: unknown.length }, 'claimed, but the answer was lost: sending')
    for (const delivery of unknown) this.#hold(delivery, shift)
  }

  #hold(delivery: ClaimedDelivery, shift: Shift): void {
    const name = nameOf(delivery)
    // A life that was lost may still hold it under the same number: when that lets go, it is found in this row.
    if (this.#held.has(name)) return
    const held: Held = { delivery, shift, isMarked: false }
    this.#load.hold(delivery)
    this.#held.set(name, held)
    const waiting = isLastChance(delivery) ? this.#lastChances : this.#ready
    waiting.push(held)
  }

  #sent(): Held[] {
    return [...this.#held.values()].filter(({ sent }) => sent)
  }

  #unsent(): Held[] {
    return [...this.#ready, ...this.#lastChances]
  }

  /** One that was never sent. */
  #drop(held: Held): void {
    for (const waiting of [this.#ready, this.#lastChances]) {
      const place = waiting.indexOf(held)
      if (place !== -1) waiting.splice(place, 1)
    }
    this.#letGo(held)
  }

  /** What was claimed ahead of endpoints that are down waits in the queue, each at its place. */
  async #putBack(): Promise<void> {
    const { database, logger } = this.#options
    const webhookIds = this.#breakers.takeOpened()
    const held = this.#unsent().filter(({ delivery }) => webhookIds.has(delivery.webhook_id))
    for (const each of held) this.#drop(each)
    const returned = held.filter(({ shift }) => shift === this.#shift).map(({ delivery }) => delivery.id)
    if (!this.#shift || returned.length === 0) return
    try {
      await giveBack(database, this.#shift.life.id, { returned })
    } catch (error) {
      // They are found in this worker's row again.
      this.#isUncertain = true
      logger.warn({ error, deliveries: returned.length }, 'could not give deliveries back')
    }
  }

  #letGo({ delivery }: Held, answersWell?: boolean): void {
    this.#held.delete(nameOf(delivery))
    this.#load.letGo(delivery, answersWell)
    if (delivery.ordered) this.#lettingOut.lineMoves()
    if (delivery.ordered || this.#isQuiet || (this.#moreMayWait && this.#wantsMore)) this.wake()
  }

  /** Fills the free slots: first everybody within their caps, then, where slots are idle, those that may borrow. */
  #dispatch(): void {
    if (this.#stopping || this.#isQuiet) return
    this.#sendWhere((delivery) => this.#load.maySend(delivery) && !this.#breakers.holdsBack(delivery))
    this.#sendWhere((delivery) => this.#load.mayBorrow(delivery) && !this.#breakers.holdsBack(delivery))
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
  async #deliver(held: Held, onAnswer: () => void): Promise<boolean | undefined> {
    const { delivery, shift } = held
    const { logger, onEnding } = this.#options
    try {
      const ending = await deliver(delivery, shift.deliverer, (answer) => {
        if (answer) this.#breakers.note(delivery, answer)
        onAnswer()
      })
      // Still in this worker's row and not sent: it is found there, unless others have taken it over.
      if (ending === 'interrupted') this.#isUncertain = true
      else if (shift === this.#shift) this.#finished.push(delivery.id)
      onEnding?.(delivery, ending)
      const line = attemptLine(delivery, ending, shift.life.id)
      logger.info(line, ending === 'filtered' ? 'filtered' : 'attempt')
      return typeof ending === 'string' ? undefined : ending.outcome.kind === 'delivered'
    } catch (error) {
      logger.error({ error, delivery_id: delivery.id }, 'an attempt ended without a result')
      // Where it could not be written for now, the lease runs out and somebody takes it over.
      if (!mayPass(error)) await this.#interrupt(held)
      return undefined
    }
  }

  /** It was sent, and its result is refused for good: it goes on with the next number. */
  async #interrupt({ delivery, shift }: Held): Promise<void> {
    const { database, clock, logger } = this.#options
    const attempt = { id: delivery.id, attempt: attemptNumber(delivery), now: clock.now() }
    try {
      const interrupted = await retrying(() => interruptSent(database, shift.life.id, attempt), {
        signal: this.#abort.signal,
        when: mayPass,
      })
      this.#tell(interrupted, 'cut off: its result cannot be stored')
      if (shift === this.#shift) this.#finished.push(delivery.id)
    } catch (error) {
      // It stays in the row of this life, and is not sent again before that ends.
      logger.error({ error, delivery_id: delivery.id }, 'an attempt could not be recorded')
      if (shift === this.#shift) this.#unrecorded.add(delivery.id)
    }
  }

  /** Until woken, or for `pollMs`. */
  async #rest(): Promise<void> {
    if (this.#awake || this.#stopping) return
    const { pollMs } = this.#options
    const othersMs = this.#othersUntilMs - performance.now()
    const restMs = this.#lastChances.length > 0 && othersMs > 0 ? Math.min(pollMs, othersMs + 1) : pollMs
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, restMs)
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
    // A claim that was given up may have been carried out since.
    this.#isUncertain = true
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
    await Promise.all(this.#sent().map(({ sent }) => sent!.ended))
    await this.#breakers.settled()
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
    const unsent = this.#unsent()
    for (const held of unsent) this.#drop(held)
    const shift = this.#shift
    if (!shift || (unsent.length === 0 && !this.#isUncertain)) return
    const sent = this.#sent().filter((held) => held.shift === shift)
    const kept = [...sent.map(({ delivery }) => delivery.id), ...this.#unrecorded]
    try {
      await giveBack(database, shift.life.id, { kept })
    } catch (error) {
      logger.warn({ error, deliveries: unsent.length }, 'could not give deliveries back: the lease runs out')
    }
  }
}

/** Claimed ahead, so that a free slot does not wait for the database, and claims and results come in large batches. */
const capacityPerSlot = 4

/** Payloads that are held at once, as far as it can be told before they are claimed. */
const capacityBytes = 16 * 1_024 * 1_024

/** In flight for longer than this, a delivery is marked `delivering`. */
const markAfterMs = 1_000

function nameOf(delivery: ClaimedDelivery): string {
  return `${delivery.id} ${attemptNumber(delivery)}`
}

/** The webhook at which a claim ended that began behind `afterWebhookId` and may have gone on at the first one. */
function lastWebhookId(claimed: readonly ClaimedDelivery[], afterWebhookId: string): string {
  const ids = claimed.map(({ webhook_id }) => webhook_id)
  const fromTheFirst = ids.filter((id) => id <= afterWebhookId)
  return (fromTheFirst.length > 0 ? fromTheFirst : ids).reduce((last, id) => (id > last ? id : last))
}
