import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client'
import type { Queryable } from './database/database.ts'

/** A backlog longer than this is told as this long: counting on would read the whole queue at every scrape. */
const backlogCountedTo = 100_000
/** One look at the backlog serves every scrape of this long. */
const backlogAgeMs = 5_000

interface Backlog {
  pending: number
  oldestDueSeconds: number
}

/** What Prometheus is told. No label grows with the number of tenants. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #database: Queryable
  #backlog: { value: Promise<Backlog>; readAtMs: number } | undefined

  readonly published = new Counter({
    name: 'postrider_events_published_total',
    help: 'Events published through this process, by result: new, or a repeated id.',
    labelNames: ['result'],
    registers: [this.#registry],
  })

  readonly attempts = new Counter({
    name: 'postrider_attempts_total',
    help: 'Attempts of this process by outcome: delivered, retry, failed, gone, interrupted, superseded.',
    labelNames: ['outcome'],
    registers: [this.#registry],
  })

  readonly attemptSeconds = new Histogram({
    name: 'postrider_attempt_duration_seconds',
    help: 'How long attempts took, from connecting to the end of the answer.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15],
    registers: [this.#registry],
  })

  readonly filtered = new Counter({
    name: 'postrider_deliveries_filtered_total',
    help: 'Deliveries that this process did not send since the filter of their webhook kept them back.',
    registers: [this.#registry],
  })

  readonly rescued = new Counter({
    name: 'postrider_deliveries_rescued_total',
    help: 'Deliveries taken back from workers that died or lost the database.',
    registers: [this.#registry],
  })

  constructor(database: Queryable, inFlight: () => number) {
    this.#database = database
    this.#gauge('postrider_deliveries_in_flight', 'Deliveries that this process is sending now.', inFlight)
    this.#gauge(
      'postrider_backlog_deliveries',
      `Pending deliveries of the whole database, counted up to ${backlogCountedTo}.`,
      async () => (await this.#readBacklog()).pending,
    )
    this.#gauge(
      'postrider_oldest_due_seconds',
      'How long the oldest due delivery of an active webhook has been waiting to be sent.',
      async () => (await this.#readBacklog()).oldestDueSeconds,
    )
  }

  /** The exposition, in the text format of Prometheus. */
  async text(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() }
  }

  #gauge(name: string, help: string, read: () => number | Promise<number>): Gauge {
    return new Gauge({
      name,
      help,
      registers: [this.#registry],
      async collect() {
        this.set(await read())
      },
    })
  }

  #readBacklog(): Promise<Backlog> {
    const nowMs = performance.now()
    if (!this.#backlog || nowMs - this.#backlog.readAtMs > backlogAgeMs) {
      this.#backlog = { value: readBacklog(this.#database), readAtMs: nowMs }
    }
    // The numbers are unknown while the database is away; the rest of the metrics are not.
    return this.#backlog.value.catch(() => ({ pending: NaN, oldestDueSeconds: NaN }))
  }
}

/** What waits, and for how many seconds the delivery that has been due the longest; counted no further than needed. */
export async function readBacklog(queryable: Queryable): Promise<Backlog> {
  const { rows } = await queryable.query<{ pending: number; oldest: number }>(
    `WITH RECURSIVE queues AS (
       (
         SELECT queued.webhook_id, queued.scheduled_at
         FROM postrider.delivery_queue AS queued
         ORDER BY queued.webhook_id, queued.scheduled_at
         LIMIT 1
       )
       UNION ALL
       SELECT next.webhook_id, next.scheduled_at
       FROM queues
       CROSS JOIN LATERAL (
         SELECT queued.webhook_id, queued.scheduled_at
         FROM postrider.delivery_queue AS queued
         WHERE queued.webhook_id > queues.webhook_id
         ORDER BY queued.webhook_id, queued.scheduled_at
         LIMIT 1
       ) AS next
     )
     SELECT
       (
         SELECT COUNT(*)::integer
         FROM (
           SELECT FROM postrider.delivery_queue
           UNION ALL
           SELECT FROM postrider.delivery_schedule
           UNION ALL
           SELECT FROM postrider.delivery_line_waiting
           LIMIT ${backlogCountedTo}
         ) AS counted
       ) AS pending,
       COALESCE((
         SELECT EXTRACT(EPOCH FROM clock_timestamp() - MIN(queues.scheduled_at))::double precision
         FROM queues
         JOIN postrider.webhooks AS webhook
           ON webhook.id = queues.webhook_id
           AND webhook.is_active
       ), 0) AS oldest`,
  )
  const { pending, oldest } = rows[0]!
  return { pending, oldestDueSeconds: oldest }
}
