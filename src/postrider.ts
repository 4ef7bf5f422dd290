import type { Pool } from 'pg'
import type { Transaction } from './adapters/transaction.ts'
import type { AddressPolicy } from './address.ts'
import { usualPolicy } from './contract/policy.ts'
import { DatabaseClock } from './database/clock.ts'
import { Database, type Transactable } from './database/database.ts'
import { migrate, migrationStatus } from './database/migrate.ts'
import type { Actor } from './database/scope.ts'
import { requireTenantRole } from './database/tenant-role.ts'
import { isContended, isTransient, retrying } from './database/transient.ts'
import { Notifier } from './database/wake.ts'
import type { Ending } from './deliver/deliver.ts'
import { failOverdue } from './deliver/inactive.ts'
import { stepJob } from './deliver/job-steps.ts'
import { LostDeliveries, requeueLost } from './deliver/lost.ts'
import { stepReplay } from './deliver/replay.ts'
import { rescueExpired } from './deliver/rescue.ts'
import { Sender } from './deliver/send.ts'
import { Worker } from './deliver/worker.ts'
import type { DefinedEvents } from './event-types/define.ts'
import { newId } from './ids.ts'
import { inOrder, type Lifecycle } from './lifecycle.ts'
import { type Logger, silentLogger } from './log.ts'
import { Metrics } from './metrics.ts'
import { Operations } from './operations.ts'
import { checkOptions } from './options.ts'
import {
  type NewEvent,
  type Publication,
  publish,
  type Publishing,
  publishJson,
  publishMany,
} from './publish/publish.ts'
import type { AnyEvents, EventInput } from './publish/typed-event.ts'
import { eventsToCheck, eventToCheck, textToCheck } from './publish/to-check.ts'
import { type AnyTransaction, transactionOf } from './publish/transaction.ts'
import { noteAction } from './registry/audit-log.ts'
import { ownHeaders, signingSecrets } from './registry/credentials.ts'
import { EventSchemas, type EventsToCheck } from './registry/event-schemas.ts'
import { Links } from './registry/links.ts'
import { Logins } from './registry/logins.ts'
import { readerIn } from './registry/schema-reader.ts'
import { sealPlainSecrets } from './registry/reencrypt.ts'
import { requireKeys } from './registry/required-keys.ts'
import { Cipher, type EncryptionKey } from './registry/secrets.ts'
import { expire } from './retain/expire.ts'
import { type Chore, createUpkeep } from './retain/upkeep.ts'
import { sampleBacklog } from './statistics/backlog.ts'
import { expireStatistics, fold } from './statistics/fold.ts'
import { AttemptRoller, rollEvents } from './statistics/roll.ts'

/** Seconds between the tries of a delivery: six in all. */
const retrySeconds: readonly number[] = usualPolicy.retry_seconds
const scheduleLength = retrySeconds.length + 1
const scheduleSeconds = retrySeconds.reduce((sum, seconds) => sum + seconds, 0)
const secondsPerDay = 86_400

export type PostriderOptions<Events extends object = AnyEvents> = (
  | { connectionString: string }
  | { pool: Pool }
) & {
  /**
   * Event types as code, `defineEvents({ … })`: publishing then knows the data of each type. What is checked when it runs is
   * the registry of the project, to which `eventTypes.sync()` brings them.
   */
  events?: DefinedEvents<Events> | undefined
  /** What encrypts the secrets of webhooks: newest first, the first encrypts, all of them decrypt. */
  encryptionKeys?: readonly EncryptionKey[] | undefined
  /** Webhook URLs may be http, not only https. False by default. */
  allowHttp?: boolean | undefined
  /** CIDRs of private ranges that deliveries may go to. None by default. */
  allowPrivate?: readonly string[] | undefined
  /** `allowPrivate` opens link-local and cloud metadata addresses, too. False by default. */
  allowLinkLocal?: boolean | undefined
  /** Ports that deliveries may go to: `web`, `444`, `8000-8100`. `['web']` by default: 80, 443 and most from 1024. */
  allowPorts?: readonly string[] | undefined
  /** Ports that they may not go to, whatever `allowPorts` says. None by default. */
  denyPorts?: readonly string[] | undefined
  /** An http or https URL of an egress proxy, which then decides which addresses names may lead to. None by default. */
  proxy?: string | null | undefined
  /**
   * Deliveries that `start()` sends at once, 64 by default. A webhook gets 8 of them unless its policy says otherwise,
   * and more while others leave slots idle and it answers well.
   */
  concurrency?: number | undefined
  /** How long a delivery stays claimed without a sign of life. 15 by default, 5 to 300. */
  leaseSeconds?: number | undefined
  /** Deadline of one attempt, from connecting to the end of the answer. 10,000 by default, 1,000 to 15,000. */
  timeoutMs?: number | undefined
  /** How long finished deliveries are kept. 30 by default, 1 to 3,650. */
  retentionDays?: number | undefined
  /** How often a worker that nobody wakes looks for due deliveries. 500 by default, 10 to 60,000. */
  pollMs?: number | undefined
  /** Silent by default. A pino logger fits. */
  logger?: Logger | undefined
}

export interface PublishOptions {
  /**
   * A transaction of the caller's, as its library gives it: a `pg` client between BEGIN and COMMIT, the `sql` of postgres.js'
   * `begin()`, the `tx` or `trx` of Drizzle, Kysely, Knex and Prisma, the manager or `QueryRunner` of TypeORM; or anything
   * with a `query(text, values)` that answers `{ rows }`. It carries a NOTIFY, which `PREPARE TRANSACTION` does not take.
   */
  transaction?: AnyTransaction | undefined
}

export interface Maintenance {
  /** Deletes finished deliveries older than `days`, with their attempts and events; answers how many deliveries. */
  cleanup(days: number): Promise<number>
  /** Takes over deliveries whose worker is gone, and finds any that nobody holds; answers how many. */
  retryStuck(): Promise<number>
}

/**
 * Webhooks on PostgreSQL, in this process. Publishing and everything one asks of it works at once; `start()` adds the
 * worker that sends deliveries, and the upkeep. Any number of processes may do either on one database.
 *
 *     const postrider = new Postrider({ pool, encryptionKeys })
 *     await postrider.migrate()
 *     await postrider.start()
 *     await postrider.publish({ projectId, type: 'config.deployed', data: { variant: 'blue' } })
 *
 * `new Postrider({ pool, events })` or `new Postrider<Events>({ pool })` publishes nothing but these events.
 */
export class Postrider<Events extends object = AnyEvents> {
  readonly projects: Operations['projects']
  readonly applications: Operations['applications']
  readonly apiKeys: Operations['apiKeys']
  readonly eventTypes: Operations['eventTypes']
  readonly webhooks: Operations['webhooks']
  readonly events: Operations['events']
  readonly deliveries: Operations['deliveries']
  readonly shaping: Operations['shaping']
  readonly replays: Operations['replays']
  readonly jobs: Operations['jobs']
  readonly statistics: Operations['statistics']
  readonly webhookTests: Operations['webhookTests']
  readonly auditLog: Operations['auditLog']
  readonly members: Operations['members']
  readonly invitations: Operations['invitations']
  readonly users: Operations['users']
  readonly sessions: Operations['sessions']
  readonly logins: Logins
  readonly links: Links
  readonly maintenance: Maintenance
  readonly metrics: Metrics
  readonly #options: PostriderOptions<Events>
  readonly #database: Database
  readonly #engineDatabase: Database
  readonly #clock = new DatabaseClock()
  readonly #logger: Logger
  readonly #cipher: Cipher
  readonly #schemas: EventSchemas
  readonly #notifier: Notifier
  readonly #sender: Sender
  readonly #worker: Worker
  readonly #connection: Lifecycle
  readonly #lifecycle: Lifecycle
  readonly #operationsOn: (database: Transactable, userId?: string) => Operations
  readonly #timeoutMs: number
  readonly #retentionDays: number

  /** @throws {TypeError | RangeError} an option is wrong */
  constructor(options: PostriderOptions<Events>) {
    checkOptions(options)
    this.#options = options
    const policy: AddressPolicy = {
      allowHttp: options.allowHttp ?? false,
      allowPrivate: [...(options.allowPrivate ?? [])],
      allowLinkLocal: options.allowLinkLocal,
      allowPorts: options.allowPorts && [...options.allowPorts],
      denyPorts: options.denyPorts && [...options.denyPorts],
    }
    const concurrency = options.concurrency ?? 64
    this.#logger = options.logger ?? silentLogger
    this.#timeoutMs = options.timeoutMs ?? 10_000
    this.#retentionDays = options.retentionDays ?? 30
    this.#database = openDatabase(options, this.#logger)
    // Of its own: whatever holds up the callers does not hold up the deliveries.
    this.#engineDatabase = openDatabase(options, this.#logger)
    this.#cipher = new Cipher(options.encryptionKeys ?? [])
    this.#schemas = new EventSchemas(this.#database)
    this.#notifier = new Notifier(this.#database)
    this.#sender = new Sender({ policy, proxy: options.proxy ?? undefined })
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
      onEnding: (_delivery, ending) => this.#measure(ending),
      onRescue: (count) => this.metrics.rescued.inc(count),
    })
    this.metrics = new Metrics(this.#database, () => this.#worker.inFlight)
    this.#operationsOn = (database, userId) =>
      new Operations({
        database,
        clock: this.#clock,
        cipher: this.#cipher,
        notifier: this.#notifier,
        sender: this.#sender,
        policy,
        userId,
        schemas: this.#schemas,
        defaultPolicy: {
          retry_seconds: retrySeconds,
          timeout_ms: this.#timeoutMs,
          max_in_flight: Math.min(concurrency, usualPolicy.max_in_flight),
        },
        publishJson: (projectId, eventsJson) =>
          this.#publishing(
            (channel) =>
              this.#schemas.publishing(
                textToCheck(projectId, eventsJson),
                (revision) => publishJson(this.#database, { projectId, eventsJson }, { channel, revision }),
                { reader: database, isCommitted: true },
              ),
            isContended,
          ),
      })
    const operations = this.#operationsOn(this.#database)
    this.projects = operations.projects
    this.applications = operations.applications
    this.apiKeys = operations.apiKeys
    this.eventTypes = operations.eventTypes
    this.webhooks = operations.webhooks
    this.events = operations.events
    this.deliveries = operations.deliveries
    this.shaping = operations.shaping
    this.replays = operations.replays
    this.jobs = operations.jobs
    this.statistics = operations.statistics
    this.webhookTests = operations.webhookTests
    this.auditLog = operations.auditLog
    this.members = operations.members
    this.invitations = operations.invitations
    this.users = operations.users
    this.sessions = operations.sessions
    const login = { database: this.#database, clock: this.#clock, sessions: this.sessions }
    this.logins = new Logins(login)
    this.links = new Links(login)
    this.maintenance = this.#maintenanceOn(this.#database)
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
    await this.apiKeys.writeUses()
    await this.#sender.close()
    await this.#engineDatabase.close()
    await this.#database.close()
  }

  /**
   * Publishes one event: every webhook that matches gets a delivery. With `transaction` all of it happens in the
   * caller's transaction, and only if that commits; an error fails that transaction, as any of PostgreSQL's does.
   * Data that does not fit the schema of its type is refused before that, and fails no transaction. What SQL publishes is
   * not checked: PostgreSQL knows no JSON Schema.
   *
   * @throws {PostriderError} `validation_failed`, `event_conflict` (the id with other content), `too_large`, `not_found`,
   *   `conflict` (the transaction had failed before)
   */
  async publish(event: EventInput<Events>, { transaction }: PublishOptions = {}): Promise<Publication> {
    if (transaction !== undefined)
      return this.#publishingIn(transaction, eventToCheck(event), (given, options) =>
        publish(given, event, options),
      )
    const identified = withId(event)
    const [publication] = await this.#publishing(
      (channel) =>
        this.#schemas.publishing(
          eventToCheck(identified),
          async (revision) => [await publish(this.#database, identified, { channel, revision })],
          { reader: this.#database, isCommitted: true },
        ),
      isTransient,
    )
    return publication!
  }

  /** Publishes up to 1,000 events of one project, all or none; the answers stand in the order given. */
  publishMany(
    events: readonly EventInput<Events>[],
    { transaction }: PublishOptions = {},
  ): Promise<Publication[]> {
    if (transaction !== undefined)
      return this.#publishingIn(transaction, eventsToCheck(events), (given, options) =>
        publishMany(given, events, options),
      )
    const identified = events.map(withId)
    return this.#publishing(
      (channel) =>
        this.#schemas.publishing(
          eventsToCheck(identified),
          (revision) => publishMany(this.#database, identified, { channel, revision }),
          { reader: this.#database, isCommitted: true },
        ),
      isTransient,
    )
  }

  /**
   * What may be asked of one project, where the database itself shows nothing of any other: every statement runs under
   * row-level security. `actor` is whom the audit log names; `userId`, of `users`, who is said to have made a webhook.
   */
  inProject(projectId: string, actor?: Actor, userId?: string): Operations {
    return this.#operationsOn(this.#database.scopedTo({ projectId, actor }), userId)
  }

  /** The same as without, with the name of who does it in the audit log. */
  actingAs(actor: Actor): Operations & { maintenance: Maintenance } {
    const database = this.#database.scopedTo({ actor })
    return Object.assign(this.#operationsOn(database), { maintenance: this.#maintenanceOn(database) })
  }

  #maintenanceOn(database: Transactable): Maintenance {
    return {
      cleanup: async (days) => {
        const { deliveries, events } = await this.#expire(days)
        await noteAction(database, { action: 'history.cleaned_up', after: { days, deliveries, events } })
        return deliveries
      },
      retryStuck: async () => {
        await this.#clock.synchronize(this.#database)
        const rescued = await rescueExpired(this.#database, this.#clock.now())
        const requeued = await requeueLost(this.#database)
        if (rescued.length + requeued > 0) this.#notifier.notify()
        return rescued.length + requeued
      },
    }
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
    run: (channel: string | null) => Promise<Publication[]>,
    when: (error: unknown) => boolean,
  ): Promise<Publication[]> {
    const channel = this.#notifier.turn()
    const publications = await retrying(() => run(channel), { tries: 5, when })
    for (const { id, deliveries, duplicate } of publications) {
      this.#logger.info({ event_id: id, deliveries, duplicate }, 'published')
      this.metrics.published.inc({ result: duplicate ? 'duplicate' : 'new' })
    }
    if (channel === null) this.#notifier.notify()
    return publications
  }

  #publishingIn<Result>(
    transaction: AnyTransaction,
    events: EventsToCheck,
    run: (transaction: Transaction, options: Publishing) => Promise<Result>,
  ): Promise<Result> {
    return this.#waking(async (channel) => {
      const given = transactionOf(transaction)
      return this.#schemas.publishing(events, (revision) => run(given, { channel, revision }), {
        reader: readerIn(given, this.#database),
        isCommitted: false,
      })
    })
  }

  /** Workers hear with the commit of what a caller's transaction published; if others were told just now, soon after this. */
  async #waking<Result>(run: (channel: string | null) => Promise<Result>): Promise<Result> {
    const channel = this.#notifier.turn()
    const result = await run(channel)
    if (channel === null) this.#notifier.notify()
    return result
  }

  #expire(days: number, signal?: AbortSignal): ReturnType<typeof expire> {
    const cutoff = new Date(this.#clock.now().getTime() - days * secondsPerDay * 1_000)
    return expire(this.#database, cutoff, signal)
  }

  async #prepare(): Promise<void> {
    await this.#clock.synchronize(this.#database)
    await requireTenantRole(this.#database)
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
    const roller = new AttemptRoller(this.#engineDatabase)
    const lost = new LostDeliveries(this.#engineDatabase)
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
        name: 'jobs',
        everySeconds: 1,
        run: (signal) =>
          forAWhile(signal, async () => {
            const stepped = await stepJob(this.#database, { now: this.#clock.now(), scheduleLength })
            if (stepped) this.#notifier.notify()
            return stepped
          }),
      },
      {
        name: 'count attempts and events',
        everySeconds: 15,
        run: async (signal) => {
          await forAWhile(signal, () => roller.step(this.#clock.now()))
          await forAWhile(signal, () => rollEvents(this.#engineDatabase, this.#clock.now()))
          await forAWhile(signal, () => fold(this.#engineDatabase))
        },
      },
      {
        name: 'sample the backlog',
        everySeconds: 60,
        run: () => sampleBacklog(this.#engineDatabase, this.#clock.now()),
      },
      {
        name: 'expire statistics',
        everySeconds: 3_600,
        run: () => expireStatistics(this.#engineDatabase, this.#clock.now()),
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
        everySeconds: 15,
        run: async (signal) => {
          const requeued = await lost.lookOn(signal)
          if (requeued > 0)
            this.#logger.error({ deliveries: requeued }, 'unfinished deliveries that nobody held')
        },
      },
      {
        name: 'forget sessions that ran out',
        everySeconds: 3_600,
        run: async () => void (await this.sessions.forgetEnded()),
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

  #measure(ending: Ending): void {
    if (ending === 'filtered') {
      this.metrics.filtered.inc()
      return
    }
    this.metrics.attempts.inc({ outcome: typeof ending === 'string' ? ending : ending.outcome.kind })
    if (typeof ending !== 'string') this.metrics.attemptSeconds.observe(ending.durationMs / 1_000)
  }
}

/** Steps of a work while there are more, but not for so long that the other chores wait: the rest is done at the next turn. */
async function forAWhile(signal: AbortSignal, step: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 2_000
  while (!signal.aborted && performance.now() < endMs && (await step()));
}

/** An id made before the first try is the same for all of them: a lost answer to a commit makes no second event. */
function withId(event: NewEvent): NewEvent {
  return { ...event, id: event.id ?? newId() }
}

function openDatabase(options: { connectionString: string } | { pool: Pool }, logger: Logger): Database {
  if ('pool' in options) return new Database({ pool: options.pool })
  return new Database({
    connectionString: options.connectionString,
    // A network that swallows what is sent gives no error: without this a worker would wait for its claim for ever.
    queryTimeoutMs: 10_000,
    lockTimeoutMs: 5_000,
    onError: (error) => logger.warn({ error }, 'a database connection was lost'),
  })
}
