import { collectDefaultMetrics, Counter, Histogram, Registry } from '@prometheus-io/client'
import type { Queryable } from './database/database.ts'
import type { ClaimedDelivery } from './deliver/claim.ts'
import type { Ending } from './deliver/deliver.ts'
import { addGauge, type MetricsBy, type PoolCounts, tellPools, tellWaiting, tenantLabels } from './gauges.ts'

export type { MetricsBy }

export interface MetricsOptions {
  database: Queryable
  /** The connections of this process, by what they are for. */
  pools: Readonly<Record<string, PoolCounts>>
  worker: { readonly inFlight: number; readonly held: number }
  by?: MetricsBy | undefined
}

const outcomes = ['delivered', 'retry', 'failed', 'gone', 'interrupted', 'superseded'] as const
/** In seconds: of an attempt, of a statement. */
const attemptBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15]
const statementBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
/** Deliveries, of one statement. */
const batchBuckets = [1, 2, 5, 10, 20, 50, 100, 200, 500]

/** What Prometheus is told; docs/observe.md has the list. No label grows with the number of tenants unless it is asked for. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #tenantLabels: ReturnType<typeof tenantLabels>
  readonly #attempts: Counter<string>

  readonly published = new Counter({
    name: 'postrider_events_published_total',
    help: 'Events published through this process, but for those in transactions of an application: new, or duplicate, a repeated id.',
    labelNames: ['result'],
    registers: [this.#registry],
  })

  readonly #filtered = new Counter({
    name: 'postrider_deliveries_filtered_total',
    help: 'Deliveries that this process did not send since the filter of their webhook kept them back.',
    registers: [this.#registry],
  })

  readonly rescued = new Counter({
    name: 'postrider_deliveries_rescued_total',
    help: 'Deliveries that this process took back from workers that died or lost the database.',
    registers: [this.#registry],
  })

  readonly #attemptSeconds = this.#histogram(
    'postrider_attempt_duration_seconds',
    'How long attempts took, from connecting to the end of the answer.',
    attemptBuckets,
  )

  readonly #claimSize = this.#histogram(
    'postrider_claim_deliveries',
    'Deliveries of one claim of this process, where it found any.',
    batchBuckets,
  )

  readonly #claimSeconds = this.#histogram(
    'postrider_claim_duration_seconds',
    'How long claims of this process took, those too that found nothing.',
    statementBuckets,
  )

  readonly #recordSize = this.#histogram(
    'postrider_record_results',
    'Results that this process wrote with one statement.',
    batchBuckets,
  )

  readonly #recordSeconds = this.#histogram(
    'postrider_record_duration_seconds',
    'How long it took to write a batch of results, waiting for a database that is away included.',
    statementBuckets,
  )

  constructor({ database, pools, worker, by }: MetricsOptions) {
    const registry = this.#registry
    this.#tenantLabels = tenantLabels(by)
    this.#attempts = new Counter<string>({
      name: 'postrider_attempts_total',
      help: `Attempts of this process by outcome: ${outcomes.join(', ')}.`,
      labelNames: ['outcome', ...this.#tenantLabels],
      registers: [registry],
    })
    // A series that begins with its first failure has no rate at that moment.
    for (const result of ['new', 'duplicate']) this.published.inc({ result }, 0)
    if (by === undefined) for (const outcome of outcomes) this.#attempts.inc({ outcome }, 0)
    addGauge(
      registry,
      {
        name: 'postrider_deliveries_in_flight',
        help: 'Deliveries that this process is sending now.',
      },
      () => [[worker.inFlight]],
    )
    addGauge(
      registry,
      {
        name: 'postrider_deliveries_held',
        help: 'Deliveries that this process has claimed and not recorded yet: in flight, claimed ahead, or being written.',
      },
      () => [[worker.held]],
    )
    tellPools(registry, pools)
    tellWaiting(registry, database, by)
  }

  /** One attempt of this process has ended, or was kept back. */
  ended(delivery: ClaimedDelivery, ending: Ending): void {
    if (ending === 'filtered') {
      this.#filtered.inc()
      return
    }
    const labels: Record<string, string> = {
      outcome: typeof ending === 'string' ? ending : ending.outcome.kind,
    }
    for (const label of this.#tenantLabels) labels[label] = delivery[label]
    this.#attempts.inc(labels)
    if (typeof ending !== 'string') this.#attemptSeconds.observe(ending.durationMs / 1_000)
  }

  claimed(deliveries: number, durationMs: number): void {
    this.#claimSeconds.observe(durationMs / 1_000)
    if (deliveries > 0) this.#claimSize.observe(deliveries)
  }

  recorded(results: number, durationMs: number): void {
    this.#recordSeconds.observe(durationMs / 1_000)
    this.#recordSize.observe(results)
  }

  /** Processor, memory, event loop and garbage collection of the whole process: for a process that is ours alone, once. */
  tellProcess(): void {
    // The library's own 10 ms take 0.8 % of a core in a process that does nothing, these 0.4.
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 50 })
  }

  /** What there is to be told: names, kinds and labels. */
  list(): { name: string; type: string; labels: readonly string[] }[] {
    return (this.#registry.getMetricsAsArray() as unknown as RegisteredMetric[]).map(
      ({ name, type, labelNames }) => ({ name, type, labels: labelNames }),
    )
  }

  /** The exposition, in the text format of Prometheus. */
  async text(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() }
  }

  #histogram(name: string, help: string, buckets: readonly number[]): Histogram {
    return new Histogram({ name, help, buckets: [...buckets], registers: [this.#registry] })
  }
}

/** What the types of the library leave out. */
interface RegisteredMetric {
  name: string
  type: string
  labelNames: string[]
}
