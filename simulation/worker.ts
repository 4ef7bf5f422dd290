import { LRUCache } from 'lru-cache'
import type { Answer, SendError } from '../src/deliver/answer.ts'
import { failuresAfter, healthOf, opensAfter } from '../src/deliver/breaker.ts'
import type { ClaimedDelivery } from '../src/deliver/claim.ts'
import type { Outcome } from '../src/deliver/judge.ts'
import { Load } from '../src/deliver/load.ts'
import type { Scenario } from './scenario.ts'
import type { Timeline } from './timeline.ts'

/** A delivery that a worker has claimed. */
export interface Held {
  /** Its place among the deliveries of the run. */
  delivery: number
  webhook: number
  claimed: ClaimedDelivery
  /** Goes out past a breaker, to find out whether the endpoint is back. */
  isProbe: boolean
}

export interface Result {
  held: Held
  answer: Answer | SendError
  outcome: Outcome
}

/** What a worker meets: the database, and receivers. */
export interface World {
  readonly timeline: Timeline
  readonly scenario: Scenario
  /** Takes from the queue, and tells how long the statement takes. */
  claim(worker: SimulatedWorker, limit: number): { held: Held[]; ms: number }
  /** What comes of sending it, and after how long. */
  send(held: Held): { answer: Answer | SendError; ms: number }
  judge(held: Held, answer: Answer | SendError): Outcome
  openBreaker(held: Held): void
  probed(held: Held, answer: Answer | SendError): void
  /** They were never sent. */
  giveBack(held: readonly Held[]): void
  record(worker: SimulatedWorker, results: readonly Result[]): void
  /** Workers whose lease ran out are taken over by this one. */
  rescue(worker: SimulatedWorker): void
  renewed(): void
}

/** As the worker and its recorder have them. */
const capacityPerSlot = 4
const capacityBytes = 16 * 1_024 * 1_024
const maxBatch = 500
const gatherMs = 5
const largeBatch = 200
/** Endpoints whose failures in a row a worker counts, as `src/deliver/breakers.ts` has it. */
const failuresRemembered = 1_024

/**
 * The loop of `src/deliver/worker.ts` and the batches of `src/deliver/record.ts` in the time of a run. Whom it may send to,
 * and how much it claims, is said by the same `Load`. Left out is what needs a delivery that was cut off four times, a
 * database that is away, or a line.
 */
export class SimulatedWorker {
  readonly load: Load
  readonly held = new Set<Held>()
  afterWebhook = -1
  leaseUntilMs: number
  isAlive = true
  readonly #world: World
  readonly #failures = new LRUCache<string, number>({ max: failuresRemembered })
  #ready: Held[] = []
  #results: Result[] = []
  #isTurning = false
  #isAwake = false
  #isWaking = false
  #isDispatching = false
  #isWriting = false
  #isBusy = false
  #moreMayWait = false

  /** @param offset from 0 to 1: they do not all look at the same moment */
  constructor(world: World, offset: number) {
    const { concurrency, maxInFlight, leaseSeconds, pollMs } = world.scenario
    this.#world = world
    this.load = new Load({ concurrency, capacity: concurrency * capacityPerSlot, capacityBytes, maxInFlight })
    this.leaseUntilMs = leaseSeconds * 1_000
    this.#every((leaseSeconds * 1_000) / 3, offset, () => this.#renew())
    this.#every(500, offset, () => this.#world.rescue(this))
    this.#every(pollMs, offset, () => this.wake())
  }

  /** As by `kill -9`: nothing more happens, and it stays in the database. */
  die(): void {
    this.isAlive = false
  }

  wake(): void {
    if (this.#isTurning) this.#isAwake = true
    if (this.#isTurning || this.#isWaking) return
    this.#isWaking = true
    this.#soon(() => {
      this.#isWaking = false
      this.#turn()
    })
  }

  get #wantsMore(): boolean {
    return this.load.hasFreeSlot || this.#ready.length < this.#world.scenario.concurrency
  }

  #turn(): void {
    this.#isAwake = false
    const limit = this.#wantsMore ? this.load.room : 0
    if (limit <= 0) {
      this.#moreMayWait = true
      return
    }
    const wasHolding = this.held.size > 0
    const { held, ms } = this.#world.claim(this, limit)
    // They are in its row from the moment of the statement on: if it dies now, they are taken over.
    for (const each of held) this.held.add(each)
    this.#isTurning = true
    this.#after(ms, () => {
      this.#isTurning = false
      for (const each of held) this.load.hold(each.claimed)
      this.#ready.push(...held)
      this.#moreMayWait = held.length >= limit
      this.#dispatch()
      this.#moreMayWait = held.length > 0 || wasHolding
      if (this.#isAwake) this.#turn()
    })
  }

  #dispatch(): void {
    this.#sendWhere((delivery) => this.load.maySend(delivery))
    this.#sendWhere((delivery) => this.load.mayBorrow(delivery))
    if (this.#moreMayWait && this.#wantsMore && this.load.room > 0) this.wake()
  }

  #sendWhere(may: (delivery: ClaimedDelivery) => boolean): void {
    const kept: Held[] = []
    for (const held of this.#ready) {
      if (this.load.hasFreeSlot && may(held.claimed)) this.#send(held)
      else kept.push(held)
    }
    this.#ready = kept
  }

  #dispatchSoon(): void {
    if (this.#isDispatching) return
    this.#isDispatching = true
    this.#soon(() => {
      this.#isDispatching = false
      this.#dispatch()
    })
  }

  #send(held: Held): void {
    const freeSlot = this.load.send(held.claimed)
    const { answer, ms } = this.#world.send(held)
    this.#after(ms, () => {
      freeSlot()
      this.#dispatchSoon()
      this.#results.push({ held, answer, outcome: this.#world.judge(held, answer) })
      if (this.#isWriting) return
      this.#isWriting = true
      this.#soon(() => this.#write())
    })
  }

  /** As `Breakers.note`; what is written there takes no time here. */
  #note(held: Held, answer: Answer | SendError): void {
    if (held.isProbe) {
      this.#world.probed(held, answer)
      return
    }
    const { webhook_id } = held.claimed
    const failures = failuresAfter(this.#failures.get(webhook_id) ?? 0, healthOf(answer))
    if (failures === 0) this.#failures.delete(webhook_id)
    else this.#failures.set(webhook_id, failures)
    if (failures < opensAfter) return
    this.#failures.delete(webhook_id)
    this.#world.openBreaker(held)
    const back = this.#ready.filter(({ claimed }) => claimed.webhook_id === webhook_id)
    this.#ready = this.#ready.filter(({ claimed }) => claimed.webhook_id !== webhook_id)
    for (const each of back) {
      this.held.delete(each)
      this.load.letGo(each.claimed)
    }
    this.#world.giveBack(back)
  }

  #write(): void {
    const { recordMs, recordRowMs } = this.#world.scenario.database
    const batch = this.#results.splice(0, maxBatch)
    this.#isBusy = batch.length >= 10
    this.#after(recordMs + recordRowMs * batch.length, () => {
      this.#world.record(this, batch)
      for (const { held, answer, outcome } of batch) {
        this.#letGo(held, outcome.kind === 'delivered')
        this.#note(held, answer)
      }
      this.#dispatchSoon()
      if (this.#results.length === 0) this.#isWriting = false
      else if (this.#isBusy && this.#results.length < largeBatch) this.#after(gatherMs, () => this.#write())
      else this.#write()
    })
  }

  #letGo(held: Held, answersWell: boolean): void {
    this.held.delete(held)
    this.load.letGo(held.claimed, answersWell)
    if (this.#moreMayWait && this.#wantsMore) this.wake()
  }

  #renew(): void {
    const { timeline, scenario } = this.#world
    this.leaseUntilMs = timeline.nowMs + scenario.leaseSeconds * 1_000
    this.#world.renewed()
  }

  /** Unless it has died by then. */
  #after(ms: number, act: () => void): void {
    this.#world.timeline.after(ms, () => {
      if (this.isAlive) act()
    })
  }

  #soon(act: () => void): void {
    this.#world.timeline.soon(() => {
      if (this.isAlive) act()
    })
  }

  #every(ms: number, offset: number, act: () => void): void {
    this.#after(ms * offset, () => {
      act()
      this.#world.timeline.every(ms, () => {
        if (this.isAlive) act()
        return this.isAlive
      })
    })
  }
}
