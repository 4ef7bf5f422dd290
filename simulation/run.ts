import type { Answer, SendError } from '../src/deliver/answer.ts'
import { healthOf, type OpenBreaker, opened, probed, probing, room } from '../src/deliver/breaker.ts'
import type { ClaimedDelivery } from '../src/deliver/claim.ts'
import { judge, type Outcome } from '../src/deliver/judge.ts'
import { Deliveries } from './deliveries.ts'
import { Figures, sizeClass } from './figures.ts'
import { Population } from './population.ts'
import { Queue } from './queue.ts'
import { Random } from './random.ts'
import { answerOf } from './receivers.ts'
import type { Scenario } from './scenario.ts'
import { Schedule } from './schedule.ts'
import { Timeline } from './timeline.ts'
import { type Held, type Result, SimulatedWorker, type World } from './worker.ts'

/** Events are published, and workers told of it, as often. */
const tickMs = 5

/** A burst comes as fast as a few connections publish in batches. */
const burstPerSecond = 20_000

const maxRescues = 5
const payload = 'x'.repeat(1_024)

/** What came of a lost worker. */
export interface Loss {
  atMs: number
  /** What the lost ones held. */
  held: number
  /** When the last of it was taken over, and when the last of it was sent again, to endpoints that are well. */
  takenOverMs: number
  sentAgainMs: number
}

/**
 * A run: publishers, workers, receivers and what stands in the tables, in one time. What decides is the real code: `Load`
 * whom a worker may send to and how much of whom it may claim, `judge` and `backoff` what an answer means and when the next
 * try is. The statements are models of the SQL: see `Queue`, `Schedule` and `#takeOver`.
 */
export class Run implements World {
  readonly timeline = new Timeline()
  readonly scenario: Scenario
  readonly population: Population
  readonly deliveries: Deliveries
  readonly queue: Queue
  readonly schedule: Schedule
  readonly figures: Figures
  readonly workers: SimulatedWorker[]
  readonly loss: Loss
  /** The table `webhook_breakers`. */
  readonly breakers = new Map<number, OpenBreaker>()
  published = 0
  ended = 0
  readonly #random: Random
  /** A stream of its own: receivers answer the same whatever workers do. */
  readonly #receivers: Random
  readonly #names: string[]
  readonly #endMs: number
  #burstLeft = 0

  constructor(scenario: Scenario) {
    this.scenario = scenario
    this.#random = new Random(scenario.seed)
    this.#receivers = new Random(scenario.seed + 1)
    this.#endMs = scenario.minutes * 60_000
    this.population = new Population(scenario.population, this.#random)
    const { webhooks } = this.population
    this.#names = Array.from({ length: webhooks }, (_, webhook) => webhook.toString(36))
    this.deliveries = new Deliveries(Math.max(webhooks, 1_024))
    this.queue = new Queue(this.deliveries, { webhooks, nameOf: (webhook) => this.#names[webhook]! })
    this.schedule = new Schedule(this.deliveries, this.#endMs)
    this.figures = new Figures(webhooks)
    this.loss = { atMs: scenario.loss.atMinute * 60_000, held: 0, takenOverMs: 0, sentAgainMs: 0 }
    this.#fillSchedule()
    this.workers = Array.from(
      { length: scenario.workers },
      () => new SimulatedWorker(this, this.#random.next()),
    )
  }

  run(onMinute: (minute: number) => void = () => {}): void {
    const { timeline, scenario, figures } = this
    timeline.every(tickMs, () => this.#publish())
    timeline.every(1_000, () => this.#endSecond())
    timeline.after(1, () => this.#planLater(scenario.warmUpMinutes, () => (figures.isCounting = true)))
    timeline.after(1, () => this.#planLater(scenario.loss.atMinute, () => this.#lose()))
    timeline.after(1, () =>
      this.#planLater(scenario.burst.atMinute, () => (this.#burstLeft = scenario.burst.deliveries)),
    )
    for (let minute = 1; minute < scenario.minutes + 1; minute += 1) {
      timeline.runUntil(Math.min(minute, scenario.minutes) * 60_000)
      onMinute(minute)
    }
  }

  claim(worker: SimulatedWorker, limit: number): { held: Held[]; ms: number } {
    const { claimMs, claimRowMs, claimStepMs } = this.scenario.database
    const letOut = this.schedule.letOut(this.timeline.nowMs, (delivery) => this.queue.add(delivery))
    if (this.queue.length === 0) {
      this.figures.add({ claims: 1, emptyClaims: 1 })
      return { held: [], ms: claimMs }
    }
    const now = new Date(this.timeline.nowMs)
    const { deliveries, probes, stepped } = this.queue.take({
      limit,
      maxHeld: this.scenario.maxInFlight,
      ...worker.load.limits(),
      afterWebhook: worker.afterWebhook,
      roomOf: (webhook) => this.#roomOf(webhook, now),
      onProbes: (webhook) => this.breakers.set(webhook, probing(this.breakers.get(webhook)!, now)),
    })
    if (deliveries.length >= limit)
      worker.afterWebhook = this.deliveries.webhook[deliveries[deliveries.length - 1]!]!
    this.figures.add({
      claims: 1,
      emptyClaims: deliveries.length === 0 ? 1 : 0,
      stepped,
      claimed: deliveries.length,
      letOut,
    })
    const held = deliveries.map((delivery) => ({
      delivery,
      webhook: this.deliveries.webhook[delivery]!,
      claimed: this.#claimed(delivery),
      isProbe: probes.has(delivery),
    }))
    return { held, ms: claimMs + claimRowMs * held.length + claimStepMs * stepped }
  }

  send({ delivery, webhook, claimed }: Held): { answer: Answer | SendError; ms: number } {
    const { timeline, population, figures, deliveries, scenario } = this
    const kind = population.kindOf(webhook)
    const isFirst = claimed.attempts + claimed.rescues === 0
    const waitMs = timeline.nowMs - deliveries.dueMs[delivery]!
    const answering = answerOf(kind, this.#receivers, scenario.timeoutMs)
    figures.sentInSecond += 1
    if (kind === 'healthy' && isFirst) figures.waitsInSecond.add(waitMs)
    if (figures.isCounting) {
      figures.sent[kind] += 1
      figures.slotMs[kind] += answering.ms
      figures.tries[webhook]! += 1
      if (isFirst)
        figures.waits[kind][sizeClass(population.sizeOf(population.tenantOf(webhook)))]!.add(waitMs)
    }
    if (kind === 'healthy' && claimed.rescues > 0) this.loss.sentAgainMs = timeline.nowMs - this.loss.atMs
    return answering
  }

  judge({ claimed }: Held, answer: Answer | SendError): Outcome {
    return judge(
      answer,
      { attempts: claimed.attempts, maxAttempts: claimed.max_attempts },
      {
        now: new Date(this.timeline.nowMs),
        retrySeconds: this.scenario.retrySeconds,
        random: this.#random.next,
      },
    )
  }

  /** One that has lapsed opens anew; one that is open is open. */
  openBreaker({ webhook }: Held): void {
    const now = new Date(this.timeline.nowMs)
    const breaker = this.breakers.get(webhook)
    if (breaker && breaker.endsAt > now) return
    this.breakers.set(webhook, opened(now))
    this.figures.add({ opened: 1 })
  }

  probed({ webhook }: Held, answer: Answer | SendError): void {
    const breaker = this.breakers.get(webhook)
    if (!breaker) return
    const after = probed(breaker, healthOf(answer), new Date(this.timeline.nowMs))
    if (after === 'closed') this.breakers.delete(webhook)
    else this.breakers.set(webhook, after)
  }

  giveBack(held: readonly Held[]): void {
    for (const { delivery } of held) this.queue.add(delivery)
  }

  record(_worker: SimulatedWorker, results: readonly Result[]): void {
    let retried = 0
    let failed = 0
    for (const { held, outcome } of results) {
      const { delivery } = held
      this.deliveries.attempts[delivery]! += 1
      if (outcome.kind === 'retry') {
        retried += 1
        this.deliveries.dueMs[delivery] = outcome.retryAt.getTime()
        this.schedule.add(delivery)
        continue
      }
      if (outcome.kind === 'failed') failed += 1
      this.ended += 1
      this.deliveries.remove(delivery)
    }
    const delivered = results.length - retried - failed
    this.figures.add({ recordings: 1, recorded: results.length, delivered, retried, failed })
  }

  renewed(): void {
    this.figures.add({ renewals: 1 })
  }

  rescue(): void {
    for (const worker of this.workers) {
      if (worker.isAlive || worker.leaseUntilMs >= this.timeline.nowMs || worker.held.size === 0) continue
      this.#takeOver(worker)
    }
  }

  /** Unfinished, wherever they stand: all that was published and has not ended. */
  get unfinished(): number {
    const held = this.workers.reduce((sum, worker) => sum + worker.held.size, 0)
    return this.queue.length + this.schedule.length + held
  }

  #roomOf(webhook: number, now: Date): number {
    const breaker = this.breakers.get(webhook)
    return breaker ? room(breaker, now) : Infinity
  }

  /** What `interrupt` of `src/deliver/rescue.ts` does: its place again, or within some seconds if it was cut off before. */
  #takeOver({ held }: SimulatedWorker): void {
    const { deliveries, timeline } = this
    for (const { delivery } of held) {
      const before = deliveries.rescues[delivery]!
      deliveries.rescues[delivery] = before + 1
      if (before + 2 >= maxRescues) throw new Error('a last chance is sent alone, which is no part of a run')
      if (before === 0) {
        this.queue.add(delivery)
      } else {
        deliveries.dueMs[delivery] = timeline.nowMs + this.#random.next() * 1_000 * before
        this.schedule.add(delivery)
      }
    }
    this.loss.takenOverMs = timeline.nowMs - this.loss.atMs
    this.figures.add({ rescued: held.size })
    held.clear()
    this.#notify()
  }

  #publish(): boolean {
    const { timeline, population, scenario } = this
    const mean = (scenario.population.deliveriesPerDay / 86_400_000) * tickMs
    const count = this.#random.poisson(mean)
    for (let left = count; left > 0; left -= 1)
      this.queue.add(this.deliveries.add(population.choose(this.#random), timeline.nowMs))
    const burst = Math.min(this.#burstLeft, (burstPerSecond / 1_000) * tickMs)
    this.#burstLeft -= burst
    for (let left = burst; left > 0; left -= 1)
      this.queue.add(this.deliveries.add(population.webhookOf(0, this.#random), timeline.nowMs))
    this.published += count + burst
    this.figures.add({ published: count + burst })
    if (count + burst > 0) this.#notify()
    return true
  }

  /** All hear it, and nobody always first. */
  #notify(): void {
    this.figures.add({ notifications: 1 })
    const first = this.#random.below(this.workers.length)
    this.timeline.soon(() => {
      for (let place = 0; place < this.workers.length; place += 1) {
        const worker = this.workers[(first + place) % this.workers.length]!
        if (worker.isAlive) worker.wake()
      }
    })
  }

  #lose(): void {
    for (const worker of this.workers.slice(0, this.scenario.loss.workers)) {
      this.loss.held += worker.held.size
      worker.die()
    }
  }

  #endSecond(): boolean {
    const alive = this.workers.filter(({ isAlive }) => isAlive)
    this.figures.endSecond({
      minute: this.timeline.nowMs / 60_000,
      queued: this.queue.length,
      queuedWebhooks: this.queue.webhooks,
      scheduled: this.schedule.length,
      busySlots: alive.reduce((sum, { load }) => sum + load.sending, 0),
      workers: alive.length,
      breakers: this.breakers.size,
    })
    return true
  }

  /**
   * What failed in the hours before: a run begins with as many deliveries waiting for each of their tries as there are when
   * endpoints have been dead for a day. Of those that wait for longer than the run only what comes up in it.
   */
  #fillSchedule(): void {
    const { population, scenario } = this
    for (let webhook = 0; webhook < population.webhooks; webhook += 1) {
      const kind = population.kindOf(webhook)
      if (kind === 'healthy' || kind === 'slow') continue
      const perMs = population.rateOf(webhook) / 86_400_000
      scenario.retrySeconds.forEach((seconds, place) => {
        const delayMs = Math.min(seconds * 1_050, this.#endMs)
        for (let left = this.#random.poisson(perMs * delayMs); left > 0; left -= 1) {
          const delivery = this.deliveries.add(webhook, this.#random.next() * delayMs, place + 1)
          this.schedule.add(delivery)
          this.published += 1
        }
      })
    }
  }

  #planLater(minute: number, act: () => void): void {
    if (this.timeline.nowMs >= minute * 60_000) act()
    else
      this.timeline.after(Math.min(minute * 60_000 - this.timeline.nowMs, 60_000), () =>
        this.#planLater(minute, act),
      )
  }

  #claimed(delivery: number): ClaimedDelivery {
    return {
      webhook_id: this.#names[this.deliveries.webhook[delivery]!]!,
      payload,
      attempts: this.deliveries.attempts[delivery]!,
      max_attempts: this.scenario.retrySeconds.length + 1,
      rescues: this.deliveries.rescues[delivery]!,
      max_rescues: maxRescues,
      max_in_flight: null,
      ordered: false,
    } as ClaimedDelivery
  }
}
