import type { Transaction } from './adapters/transaction.ts'
import type { Database } from './database/database.ts'
import { isContended, isTransient, retrying } from './database/transient.ts'
import type { Notifier } from './database/wake.ts'
import { newId } from './ids.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'
import {
  type NewEvent,
  type Publication,
  publish,
  type Publishing,
  publishJson,
  publishMany,
} from './publish/publish.ts'
import { type Published, publishInSpan } from './publish/span.ts'
import { eventsToCheck, eventToCheck, textToCheck } from './publish/to-check.ts'
import { type AnyTransaction, transactionOf } from './publish/transaction.ts'
import type { BacklogLimits } from './registry/backlog-limits.ts'
import type { EventSchemas, EventsToCheck } from './registry/event-schemas.ts'
import { readerIn } from './registry/schema-reader.ts'
import { traceIdOf } from './traceparent.ts'
import { registeredTracer } from './tracing.ts'

export interface PublisherOptions {
  database: Database
  schemas: EventSchemas
  limits: BacklogLimits
  notifier: Notifier
  logger: Logger
  metrics: Metrics
}

/** What came with a request beside its events. */
export interface PublishRequest {
  /** The parent of the trace that the request belongs to, as `readTraceparent` reads it. */
  traceparent?: string | undefined
  /** The type of each event, where they are known. */
  types?: readonly string[] | undefined
}

/**
 * All that stands around the one statement that publishes: schemas, limits, tries, waking the workers, the trace and the log.
 * What is published in a caller's transaction is held to no limit: it belongs to what the application just did, which is not
 * to fail because receivers are slow.
 */
export class Publisher {
  readonly #options: PublisherOptions

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  async publish(event: NewEvent, transaction?: AnyTransaction): Promise<Publication> {
    const published = { projectId: event.projectId, types: [event.type] }
    if (transaction !== undefined)
      return this.#publishIn(transaction, { ...published, events: eventToCheck(event) }, (given, options) =>
        publish(given, event, options),
      )
    const identified = withId(event)
    const [publication] = await this.#publish(
      { ...published, events: eventToCheck(identified), when: isTransient },
      async (options) => [await publish(this.#options.database, identified, options)],
    )
    return publication!
  }

  publishMany(events: readonly NewEvent[], transaction?: AnyTransaction): Promise<Publication[]> {
    const published = { projectId: events[0]?.projectId ?? '', types: events.map(({ type }) => type) }
    if (transaction !== undefined)
      return this.#publishIn(transaction, { ...published, events: eventsToCheck(events) }, (given, options) =>
        publishMany(given, events, options),
      )
    const identified = events.map(withId)
    return this.#publish({ ...published, events: eventsToCheck(identified), when: isTransient }, (options) =>
      publishMany(this.#options.database, identified, options),
    )
  }

  /** `reader`: what the schemas are read by. */
  publishJson(
    projectId: string,
    eventsJson: string,
    { reader, types, traceparent }: PublishRequest & { reader: Transaction },
  ): Promise<Publication[]> {
    const events = textToCheck(projectId, eventsJson)
    return this.#publish({ projectId, types, traceparent, events, reader, when: isContended }, (options) =>
      publishJson(this.#options.database, { projectId, eventsJson }, options),
    )
  }

  /** Publishing again is safe after any transient error where the events have ids, else only after a sure rollback. */
  async #publish(
    { events, reader = this.#options.database, when, ...published }: Published & Checked,
    run: (options: Publishing) => Promise<Publication[]>,
  ): Promise<Publication[]> {
    const { schemas, limits, notifier } = this.#options
    const channel = notifier.turn()
    const startedMs = performance.now()
    const publications = await this.#traced(published, async (traceparent) => {
      const done = await retrying(
        async () => {
          await limits.check(published.projectId)
          return schemas.publishing(events, (revision) => run({ channel, revision, traceparent }), {
            reader,
            isCommitted: true,
          })
        },
        { tries: 5, when },
      )
      limits.published(published.projectId, done)
      this.#tell(done, published, { traceparent, durationMs: performance.now() - startedMs })
      return done
    })
    if (channel === null) notifier.notify()
    return publications
  }

  /** Workers hear with the commit of what a caller's transaction published; if others were told just now, soon after this. */
  async #publishIn<Result>(
    transaction: AnyTransaction,
    { events, ...published }: Published & Pick<Checked, 'events'>,
    run: (transaction: Transaction, options: Publishing) => Promise<Result>,
  ): Promise<Result> {
    const { database, schemas, notifier } = this.#options
    const channel = notifier.turn()
    const given = transactionOf(transaction)
    const result = await this.#traced(published, (traceparent) =>
      schemas.publishing(events, (revision) => run(given, { channel, revision, traceparent }), {
        reader: readerIn(given, database),
        isCommitted: false,
      }),
    )
    if (channel === null) notifier.notify()
    return result
  }

  #traced<Result>(
    published: Published,
    publishing: (traceparent: string | undefined) => Promise<Result>,
  ): Promise<Result> {
    const tracer = registeredTracer()
    return tracer ? publishInSpan(tracer, published, publishing) : publishing(published.traceparent)
  }

  #tell(
    publications: readonly Publication[],
    { projectId, types }: Published,
    { traceparent, durationMs }: { traceparent: string | undefined; durationMs: number },
  ): void {
    const { logger, metrics } = this.#options
    for (const [index, { id, deliveries, duplicate }] of publications.entries()) {
      const line = {
        event_id: id,
        project_id: projectId,
        event_type: types?.[index],
        deliveries,
        duplicate,
        duration_ms: Math.round(durationMs * 10) / 10,
        ...(traceparent && { trace_id: traceIdOf(traceparent) }),
      }
      logger.info(line, 'published')
      metrics.published.inc({ result: duplicate ? 'duplicate' : 'new' })
    }
  }
}

interface Checked {
  events: EventsToCheck
  reader?: Transaction
  when: (error: unknown) => boolean
}

/** An id made before the first try is the same for all of them: a lost answer to a commit makes no second event. */
function withId(event: NewEvent): NewEvent {
  return { ...event, id: event.id ?? newId() }
}
