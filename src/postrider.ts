import type { Pool } from 'pg'
import type { AddressPolicy } from './address.ts'
import { usualPolicy } from './contract/policy.ts'
import type { WebhookDraft } from './contract/webhooks.ts'
import { DatabaseClock } from './database/clock.ts'
import { Database, type Queryable } from './database/database.ts'
import { migrate, migrationStatus } from './database/migrate.ts'
import type { PageRequest } from './database/page.ts'
import { isContended, isTransient, retrying } from './database/transient.ts'
import { Notifier } from './database/wake.ts'
import type { ClaimedDelivery } from './deliver/claim.ts'
import type { Ending } from './deliver/deliver.ts'
import * as deliveries from './deliver/deliveries.ts'
import { failOverdue } from './deliver/inactive.ts'
import { createReplay, type ReplayRequest, stepReplay } from './deliver/replay.ts'
import { requeueLost, rescueExpired } from './deliver/rescue.ts'
import { Sender } from './deliver/send.ts'
import { sendTest, type TestEvent, type TestResult, type TestTarget } from './deliver/test-send.ts'
import { Worker } from './deliver/worker.ts'
import { newId } from './ids.ts'
import { inOrder, type Lifecycle } from './lifecycle.ts'
import { type Logger, silentLogger } from './log.ts'
import { Metrics } from './metrics.ts'
import { type EventFilter, getEvent, listEvents } from './publish/events.ts'
import { type NewEvent, type Publication, publish, publishJson, publishMany } from './publish/publish.ts'
import { ApiKeys } from './registry/api-keys.ts'
import { Applications } from './registry/applications.ts'
import { Projects } from './registry/projects.ts'
import { requireKeys, sealPlainSecrets } from './registry/seal-plain.ts'
import { Cipher, type EncryptionKey } from './registry/secrets.ts'
import { ownHeaders, signingSecrets, Webhooks } from './registry/webhooks.ts'
import { expire } from './retain/expire.ts'
import { type Chore, createUpkeep } from './retain/upkeep.ts'

/** Seconds between the tries of a delivery: six in all. */
const retrySeconds: readonly number[] = usualPolicy.retry_seconds
const scheduleLength = retrySeconds.length + 1
const scheduleSeconds = retrySeconds.reduce((sum, seconds) => sum + seconds, 0)
const secondsPerDay = 86_400

export type PostriderOptions = ({ connectionString: string } | { pool: Pool }) & {
  /** What encrypts the secrets of webhooks: newest first, the first encrypts, all of them decrypt. */
  encryptionKeys?: readonly EncryptionKey[] | undefined
  /** Webhook URLs may be http, not only https. False by default. */
  allowHttp?: boolean | undefined
  /** CIDRs of private ranges that deliveries may go to. None by default. */
  allowPrivate?: readonly string[] | undefined
  /**
   * Deliveries that `start()` sends at once, 64 by default. A webhook gets 8 of them unless its policy says otherwise,
   * and more while others leave slots idle and it answers well.
   */
  concurrency?: number | undefined
  /** How long a delivery stays claimed without a sign of life. 15 by default, 5 to 300. */
  leaseSeconds?: number | undefined
  /** Deadline of one attempt, from connecting to the end of the answer. 10,000 by default, 1,000 to 15,000. */
  timeoutMs?: number | undefined
  /** How long finished deliveries are kept. 30 by default. */
  retentionDays?: number | undefined
  /** How often a worker that nobody wakes looks for due deliveries. 500 by default. */
  pollMs?: number | undefined
  /** Silent by default. A pino logger fits. */
  logger?: Logger | undefined
}

/** A transaction of the caller's: anything with `query(text, values)`, such as a `pg` client between BEGIN and COMMIT. */
export interface PublishOptions {
  transaction?: Queryable | undefined
}

/**
 * Webhooks on PostgreSQL, in this process. Publishing and everything one asks of it works at once; `start()` adds the
 * worker that sends deliveries, and the upkeep. Any number of processes may do either on one database.
 *
 *     const postrider = new Postrider({ pool, encryptionKeys })
 *     await postrider.migrate()
 *     await postrider.start()
 *     await postrider.publish({ projectId, type: 'config.deployed', data: { variant: 'blue' } })
 */
export class Postrider {
  readonly projects: Projects
  readonly applications: Applications
  readonly apiKeys: ApiKeys
  readonly webhooks: Webhooks
  readonly metrics: Metrics
  readonly #options: PostriderOptions
  readonly #database: Database
  readonly #engineDatabase: Database
  readonly #clock = new DatabaseClock()
  readonly #logger: Logger
  readonly #cipher: Cipher
  readonly #notifier: Notifier
  readonly #sender: Sender
  readonly #worker: Worker
  readonly #connection: Lifecycle
  readonly #lifecycle: Lifecycle
  readonly #timeoutMs: number
  readonly #retentionDays: number

  constructor(options: PostriderOptions) {
    this.#options = options
    const policy: AddressPolicy = {
      allowHttp: options.allowHttp ?? false,
      allowPrivate: [...(options.allowPrivate ?? [])],
    }
    const concurrency = options.concurrency ?? 64
    this.#logger = options.logger ?? silentLogger
    this.#timeoutMs = options.timeoutMs ?? 10_000
    this.#retentionDays = options.retentionDays ?? 30
    this.#database = openDatabase(options, this.#logger)
    // Of its own: whatever holds up the callers does not hold up the deliveries.
    this.#engineDatabase = openDatabase(options, this.#logger)
    this.#cipher = new Cipher(options.encryptionKeys ?? [])
    this.#notifier = new Notifier(this.#database)
    this.#sender = new Sender({ policy })
    this.#worker = new Worker({
      database: this.#engineDatabase,
      clock: this.#clock,
      credentials: {
        signingSecrets: (delivery, now) => signingSecrets(delivery, this.#cipher, now),
        ownHeaders: (delivery) => ownHeaders(delivery, this.#cipher),
      },
      sender: this.#sender,
      logger: this.#logger,
      concurrency,
      maxInFlight: Math.min(concurrency, usualPolicy.max_in_flight),
      leaseSeconds: options.leaseSeconds ?? 15,
      timeoutMs: this.#timeoutMs,
      retrySeconds,
      pollMs: options.pollMs ?? 500,
      // The longest deadline of an attempt, and a little for writing its result.
      drainMs: 15_500,
      onEnding: (delivery, ending) => this.#measure(delivery, ending),
      onRescue: (count) => this.metrics.rescued.inc(count),
    })
    this.metrics = new Metrics(this.#database, () => this.#worker.inFlight)
    this.projects = new Projects({ database: this.#database })
    this.applications = new Applications({ database: this.#database })
    this.apiKeys = new ApiKeys({ database: this.#database })
    this.webhooks = new Webhooks({
      database: this.#database,
      cipher: this.#cipher,
      policy,
      clock: this.#clock,
      defaultPolicy: {
        retry_seconds: [...retrySeconds],
        timeout_ms: this.#timeoutMs,
        max_in_flight: Math.min(concurrency, usualPolicy.max_in_flight),
      },
      onReactivate: async (transaction, webhookId) => {
        await failOverdue(transaction, { now: this.#clock.now(), waitSeconds: scheduleSeconds, webhookId })
        this.#notifier.notify()
      },
    })
    this.#connection = inOrder([{ start: () => this.#prepare(), stop: async () => {} }, this.#keepTime()])
    this.#lifecycle = inOrder([
      this.#connection,
      this.#worker,
      createUpkeep({
        database: this.#engineDatabase,
        clock: this.#clock,
        logger: this.#logger,
        chores: this.#chores(),
      }),
    ])
  }

  /** Brings the database's schema up to date. Safe from any number of processes at once. */
  async migrate(): Promise<void> {
    const log = (message: string): void => this.#logger.info({}, message)
    if ('pool' in this.#options) {
      await migrate(this.#database, { direction: 'up', log })
      return
    }
    // On a connection of its own, where a statement may take as long as it needs.
    const database = new Database({ connectionString: this.#options.connectionString, maxConnections: 1 })
    try {
      await migrate(database, { direction: 'up', log })
    } finally {
      await database.close()
    }
  }

  /**
   * Checks that the encryption keys are those of this database, encrypts what is still plain, and keeps the database's
   * time. For a process that serves the API alone; `start()` does it too.
   */
  connect(): Promise<void> {
    return this.#connection.start()
  }

  /** Sends deliveries from here on. The schema must be up to date. */
  start(): Promise<void> {
    return this.#lifecycle.start()
  }

  /** Takes nothing new, lets what is in flight finish within 20 s, and closes what this object opened. */
  async stop(): Promise<void> {
    await this.#lifecycle.stop()
    await this.#connection.stop()
    this.#notifier.stop()
    await this.#sender.close()
    await this.#engineDatabase.close()
    await this.#database.close()
  }

  /**
   * Publishes one event: every webhook that matches gets a delivery. With `transaction` all of it happens in the
   * caller's transaction, and only if that commits.
   *
   * @throws {PostriderError} `validation_failed`, `event_conflict` (the id with other content), `too_large`, `not_found`
   */
  async publish(event: NewEvent, { transaction }: PublishOptions = {}): Promise<Publication> {
    if (transaction) return publish(transaction, event)
    const identified = withId(event)
    const [publication] = await this.#publishing(
      async () => [await publish(this.#database, identified)],
      isTransient,
    )
    return publication!
  }

  /** Publishes up to 1,000 events of one project, all or none; the answers stand in the order given. */
  publishMany(events: readonly NewEvent[], { transaction }: PublishOptions = {}): Promise<Publication[]> {
    if (transaction) return publishMany(transaction, events)
    const identified = events.map(withId)
    return this.#publishing(() => publishMany(this.#database, identified), isTransient)
  }

  readonly events = {
    /** Publishes a JSON array of events with the fields of the HTTP call; the text reaches PostgreSQL as it is. */
    publishJson: (projectId: string, eventsJson: string): Promise<Publication[]> =>
      this.#publishing(() => publishJson(this.#database, projectId, eventsJson), isContended),
    list: (projectId: string, filter: EventFilter = {}, page: PageRequest = {}) =>
      listEvents(this.#database, projectId, filter, page),
    /** With its `payload` as JSON text and its newest deliveries. */
    get: async (projectId: string, id: string) => {
      const event = await getEvent(this.#database, projectId, id)
      const { rows } = await deliveries.listDeliveries(
        this.#database,
        projectId,
        { event_id: id },
        { limit: 100 },
      )
      return { ...event, deliveries: rows }
    },
  }

  readonly deliveries = {
    list: (projectId: string, filter: deliveries.DeliveryFilter = {}, page: PageRequest = {}) =>
      deliveries.listDeliveries(this.#database, projectId, filter, page),
    get: (projectId: string, id: string, webhookId?: string) =>
      deliveries.getDelivery(this.#database, { projectId, id, webhookId }),
    attempts: (projectId: string, id: string, webhookId?: string) =>
      deliveries.listAttempts(this.#database, { projectId, id, webhookId }),
    /** Sends a finished delivery again, or a waiting one now. */
    retry: async (projectId: string, id: string, webhookId?: string) => {
      const retried = await deliveries.retryDelivery(
        this.#database,
        { projectId, id, webhookId },
        { now: this.#clock.now(), scheduleLength },
      )
      this.#notifier.notify()
      return retried
    },
    cancel: (projectId: string, id: string, webhookId?: string) =>
      deliveries.cancelDelivery(this.#database, { projectId, id, webhookId }),
  }

  readonly replays = {
    /** Sends many finished deliveries of a webhook again, in the background. */
    create: (projectId: string, webhookId: string, request: ReplayRequest) =>
      createReplay(this.#database, { projectId, webhookId }, request),
  }

  readonly webhookTests = {
    /** Sends a test event to a stored webhook now, also when it is inactive. */
    send: async (projectId: string, webhookId: string, event: TestEvent = {}) =>
      this.#sendTest(await this.webhooks.target(projectId, webhookId), event),
    /** The same to one that is not stored. */
    sendDraft: async (projectId: string, draft: WebhookDraft, event: TestEvent = {}) =>
      this.#sendTest(this.webhooks.draftTarget(projectId, draft), event),
  }

  readonly maintenance = {
    /** Deletes finished deliveries older than `days`, with their attempts and events; answers how many deliveries. */
    cleanup: async (days: number): Promise<number> => (await this.#expire(days)).deliveries,
    /** Takes over deliveries whose worker is gone, and finds any that nobody holds; answers how many. */
    retryStuck: async (): Promise<number> => {
      await this.#clock.synchronize(this.#database)
      const rescued = await rescueExpired(this.#database, this.#clock.now())
      const requeued = await requeueLost(this.#database)
      if (rescued.length + requeued > 0) this.#notifier.notify()
      return rescued.length + requeued
    },
  }

  /** Whether the database answers, and has every migration that this code knows. */
  async ready(): Promise<{ database: boolean; migrated: boolean }> {
    try {
      const { pending } = await migrationStatus(this.#database)
      return { database: true, migrated: pending.length === 0 }
    } catch (error) {
      this.#logger.warn({ error }, 'not ready')
      return { database: false, migrated: false }
    }
  }

  /** Publishing again is safe after any transient error where the events have ids, else only after a sure rollback. */
  async #publishing(
    run: () => Promise<Publication[]>,
    when: (error: unknown) => boolean,
  ): Promise<Publication[]> {
    const publications = await retrying(run, { tries: 5, when })
    for (const { id, deliveries: matched, duplicate } of publications) {
      this.#logger.info({ event_id: id, deliveries: matched, duplicate }, 'published')
      this.metrics.published.inc({ result: duplicate ? 'duplicate' : 'new' })
    }
    this.#notifier.notify()
    return publications
  }

  #sendTest(target: TestTarget, event: TestEvent): Promise<TestResult> {
    return sendTest(this.#database, target, event, { sender: this.#sender, clock: this.#clock })
  }

  #expire(days: number, signal?: AbortSignal): ReturnType<typeof expire> {
    const cutoff = new Date(this.#clock.now().getTime() - days * secondsPerDay * 1_000)
    return expire(this.#database, cutoff, signal)
  }

  async #prepare(): Promise<void> {
    await this.#clock.synchronize(this.#database)
    await requireKeys(this.#database, this.#cipher)
    const sealed = await sealPlainSecrets(this.#database, this.#cipher)
    if (sealed > 0)
      this.#logger.info({ webhooks: sealed }, 'secrets that were stored in the clear are encrypted now')
  }

  #keepTime(): Lifecycle {
    let timer: NodeJS.Timeout
    return {
      start: async () => {
        timer = setInterval(() => void this.#clock.synchronize(this.#engineDatabase).catch(() => {}), 10_000)
      },
      stop: async () => clearInterval(timer),
    }
  }

  #chores(): Chore[] {
    return [
      {
        name: 'replay',
        everySeconds: 1,
        run: async (signal) => {
          const step = { now: this.#clock.now(), scheduleLength }
          while (!signal.aborted && (await stepReplay(this.#database, step))) this.#notifier.notify()
        },
      },
      {
        name: 'fail overdue deliveries of inactive webhooks',
        everySeconds: 60,
        run: async () => {
          const failed = await failOverdue(this.#database, {
            now: this.#clock.now(),
            waitSeconds: scheduleSeconds,
          })
          if (failed > 0)
            this.#logger.info({ deliveries: failed }, 'deliveries of inactive webhooks waited too long')
        },
      },
      {
        name: 'requeue lost deliveries',
        everySeconds: 3_600,
        run: async () => {
          const requeued = await requeueLost(this.#database)
          if (requeued > 0)
            this.#logger.error({ deliveries: requeued }, 'unfinished deliveries that nobody held')
        },
      },
      {
        name: 'expire',
        everySeconds: secondsPerDay,
        run: async (signal) => {
          const expired = await this.#expire(this.#retentionDays, signal)
          this.#logger.info({ ...expired, retention_days: this.#retentionDays }, 'history expired')
        },
      },
    ]
  }

  #measure(_delivery: ClaimedDelivery, ending: Ending): void {
    this.metrics.attempts.inc({ outcome: typeof ending === 'string' ? ending : ending.outcome.kind })
    if (typeof ending !== 'string') this.metrics.attemptSeconds.observe(ending.durationMs / 1_000)
  }
}

/** An id made before the first try is the same for all of them: a lost answer to a commit makes no second event. */
function withId(event: NewEvent): NewEvent {
  return { ...event, id: event.id ?? newId() }
}

function openDatabase(options: PostriderOptions, logger: Logger): Database {
  if ('pool' in options) return new Database({ pool: options.pool })
  return new Database({
    connectionString: options.connectionString,
    // A network that swallows what is sent gives no error: without this a worker would wait for its claim for ever.
    queryTimeoutMs: 10_000,
    lockTimeoutMs: 5_000,
    onError: (error) => logger.warn({ error }, 'a database connection was lost'),
  })
}
