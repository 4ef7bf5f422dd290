import type { Pool } from 'pg'
import type { AddressPolicy } from './address.ts'
import { usualPolicy } from './contract/policy.ts'
import { DatabaseClock } from './database/clock.ts'
import { Database, type Transactable } from './database/database.ts'
import { migrate, migrationStatus } from './database/migrate.ts'
import { Replica } from './database/replica.ts'
import type { Actor, Scope } from './database/scope.ts'
import { untilMigrated } from './database/until-migrated.ts'
import { requireTenantRole } from './database/tenant-role.ts'
import { Notifier } from './database/wake.ts'
import { announceFailing, disableFailing } from './deliver/failing.ts'
import { failOverdue } from './deliver/inactive.ts'
import { stepJob } from './deliver/job-steps.ts'
import { LostDeliveries, requeueLost } from './deliver/lost.ts'
import { stepReplay } from './deliver/replay.ts'
import { rescueExpired } from './deliver/rescue.ts'
import { Sender } from './deliver/send.ts'
import { Worker } from './deliver/worker.ts'
import type { DefinedEvents } from './event-types/define.ts'
import { inOrder, type Lifecycle } from './lifecycle.ts'
import { type Logger, silentLogger } from './log.ts'
import { Metrics, type MetricsBy } from './metrics.ts'
import { noteHighBacklogs } from './operational/backlog.ts'
import { tellSignals } from './operational/tell.ts'
import { Operations } from './operations.ts'
import { checkOptions } from './options.ts'
import type { Publication } from './publish/publish.ts'
import type { AnyEvents, EventInput } from './publish/typed-event.ts'
import type { AnyTransaction } from './publish/transaction.ts'
import { Publisher } from './publisher.ts'
import { noteAction } from './registry/audit-log.ts'
import { BacklogLimits } from './registry/backlog-limits.ts'
import { ownHeaders, signingSecrets } from './registry/credentials.ts'
import { EventSchemas } from './registry/event-schemas.ts'
import { Links } from './registry/links.ts'
import { Logins } from './registry/logins.ts'
import { sealPlainSecrets } from './registry/reencrypt.ts'
import { requireKeys } from './registry/required-keys.ts'
import { Cipher, type EncryptionKey } from './registry/secrets.ts'
import { Deletions } from './retain/deletions.ts'
import { expire, usualCutoff } from './retain/expire.ts'
import { makePartitions } from './retain/make-partitions.ts'
import { Pace } from './retain/pace.ts'
import { Passes } from './retain/passes.ts'
import { expireByRules } from './retain/retention.ts'
import { readRules } from './retain/rules.ts'
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
  /**
   * How many deliveries of one project may wait before publishing outside of a caller's transaction is refused, where the
   * project does not say otherwise. 0 by default: no limit.
   */
  backlogLimit?: number | undefined
  /** A webhook becomes inactive when every attempt has failed for so long. 5 by default, up to 365; 0 for never. */
  disableFailingDays?: number | undefined
  /** When so many deliveries of a project wait, its operational webhooks are told. 10,000 by default, up to 100,000; 0 for never. */
  backlogHigh?: number | undefined
  /** The same database past a pooler such as PgBouncer, through which no NOTIFY gets: for LISTEN alone. None by default. */
  directUrl?: string | null | undefined
  /**
   * A streaming replica, whose lists, attempts, search and statistics may be up to 5 s old. While it is away or further
   * behind, and for what the same caller has just changed, the database itself is asked. None by default.
   */
  replicaUrl?: string | null | undefined
  /** How often a worker that nobody wakes looks for due deliveries. 500 by default, 10 to 60,000. */
  pollMs?: number | undefined
  /** Silent by default. A pino logger fits. */
  logger?: Logger | undefined
  /** Adds labels to metrics that grow with the number of projects, or of webhooks. None by default. */
  metricsBy?: MetricsBy | null | undefined
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
  /**
   * Deletes finished deliveries older than `days`, with their attempts and events; answers how many deliveries. What projects
   * and event types say otherwise holds.
   */
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
  readonly #directDatabase: Database | undefined
  readonly #replica: Replica | undefined
  readonly #clock = new DatabaseClock()
  readonly #logger: Logger
  readonly #cipher: Cipher
  readonly #schemas: EventSchemas
  readonly #notifier: Notifier
  readonly #publisher: Publisher
  readonly #sender: Sender
  readonly #worker: Worker
  readonly #connection: Lifecycle
  readonly #lifecycle: Lifecycle
  readonly #operationsOn: (database: Transactable, scope: Scope, userId?: string) => Operations
  readonly #timeoutMs: number
  readonly #retentionDays: number
  readonly #disableFailingDays: number

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
    this.#disableFailingDays = options.disableFailingDays ?? 5
    this.#database = openDatabase(options, this.#logger)
    // Of its own: whatever holds up the callers does not hold up the deliveries.
    this.#engineDatabase = openDatabase(options, this.#logger)
    this.#directDatabase = options.directUrl
      ? new Database({ connectionString: options.directUrl, maxConnections: 1 })
      : undefined
    this.#replica = options.replicaUrl
      ? new Replica({ primary: this.#database, connectionString: options.replicaUrl, logger: this.#logger })
      : undefined
    this.#cipher = new Cipher(options.encryptionKeys ?? [])
    this.#schemas = new EventSchemas(this.#database)
    this.#notifier = new Notifier(this.#database)
    this.#sender = new Sender({ policy, proxy: options.proxy ?? undefined })
    this.#worker = new Worker({
      database: this.#engineDatabase,
      directDatabase: this.#directDatabase,
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
      onEnding: (delivery, ending) => this.metrics.ended(delivery, ending),
      onRescue: (count) => this.metrics.rescued.inc(count),
      onClaim: (count, durationMs) => this.metrics.claimed(count, durationMs),
      onRecord: (count, durationMs) => this.metrics.recorded(count, durationMs),
    })
    this.metrics = new Metrics({
      database: this.#database,
      pools: {
        ...('pool' in options
          ? { application: options.pool }
          : { calls: this.#database.pool, engine: this.#engineDatabase.pool }),
        ...(this.#replica && { replica: this.#replica.pool }),
      },
      worker: this.#worker,
      by: options.metricsBy ?? undefined,
    })
    this.#publisher = new Publisher({
      database: this.#database,
      schemas: this.#schemas,
      limits: new BacklogLimits(this.#database, options.backlogLimit ?? 0),
      notifier: this.#notifier,
      logger: this.#logger,
      metrics: this.metrics,
    })
    this.#operationsOn = (database, scope, userId) =>
      new Operations({
        database: this.#replica?.changingFor(scope, database) ?? database,
        history: this.#replica?.readingFor(scope, database),
        clock: this.#clock,
        cipher: this.#cipher,
        notifier: this.#notifier,
        sender: this.#sender,
        policy,
        userId,
        schemas: this.#schemas,
        disableFailingDays: this.#disableFailingDays,
        defaultPolicy: {
          retry_seconds: retrySeconds,
          timeout_ms: this.#timeoutMs,
          max_in_flight: Math.min(concurrency, usualPolicy.max_in_flight),
        },
        publishJson: (projectId, eventsJson, request) =>
          this.#noting(
            this.#publisher.publishJson(projectId, eventsJson, { ...request, reader: database }),
            scope,
          ),
      })
    const operations = this.#operationsOn(this.#database, {})
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
    await this.#directDatabase?.close()
    await this.#replica?.close()
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
  publish(event: EventInput<Events>, { transaction }: PublishOptions = {}): Promise<Publication> {
    return this.#noting(this.#publisher.publish(event, transaction))
  }

  /** Publishes up to 1,000 events of one project, all or none; the answers stand in the order given. */
  publishMany(
    events: readonly EventInput<Events>[],
    { transaction }: PublishOptions = {},
  ): Promise<Publication[]> {
    return this.#noting(this.#publisher.publishMany(events, transaction))
  }

  /**
   * What may be asked of one project, where the database itself shows nothing of any other: every statement runs under
   * row-level security. `actor` is whom the audit log names; `userId`, of `users`, who is said to have made a webhook.
   */
  inProject(projectId: string, actor?: Actor, userId?: string): Operations {
    const scope = { projectId, actor }
    return this.#operationsOn(this.#database.scopedTo(scope), scope, userId)
  }

  /** The same as without, with the name of who does it in the audit log. */
  actingAs(actor: Actor): Operations & { maintenance: Maintenance } {
    const database = this.#database.scopedTo({ actor })
    return Object.assign(this.#operationsOn(database, { actor }), {
      maintenance: this.#maintenanceOn(database),
    })
  }

  /** What this caller publishes it finds at once, from a replica or not. */
  #noting<Result>(publishing: Promise<Result>, scope: Scope = {}): Promise<Result> {
    return this.#replica ? publishing.finally(() => this.#replica?.noteChange(scope)) : publishing
  }

  #maintenanceOn(database: Transactable): Maintenance {
    return {
      cleanup: async (days) => {
        const { deliveries, events } = await this.#cleanUp(days)
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

  /** Rules of projects hold: `days` is for those that say nothing. */
  async #cleanUp(days: number): ReturnType<typeof expire> {
    const now = this.#clock.now()
    const usual = await expire(this.#database, new Date(now.getTime() - days * secondsPerDay * 1_000))
    const ruled = await expireByRules(this.#database, { now, days, pace: new Pace() })
    return { deliveries: usual.deliveries + ruled.deliveries, events: usual.events + ruled.events }
  }

  async #prepare(): Promise<void> {
    await untilMigrated(this.#database, { logger: this.#logger })
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

  async #disableFailing(): Promise<void> {
    const rules = { now: this.#clock.now(), days: this.#disableFailingDays }
    for (const failing of await announceFailing(this.#engineDatabase, rules))
      this.#logger.warn({ ...failing }, 'every attempt of a webhook has failed for days')
    for (const failing of await disableFailing(this.#engineDatabase, rules))
      this.#logger.warn({ ...failing }, 'a webhook became inactive: every attempt has failed for days')
  }

  #chores(): Chore[] {
    const roller = new AttemptRoller(this.#engineDatabase)
    const lost = new LostDeliveries(this.#engineDatabase)
    const retaining = { database: this.#engineDatabase, clock: this.#clock, logger: this.#logger }
    const passes = new Passes({ ...retaining, days: this.#retentionDays })
    const deletions = new Deletions(retaining)
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
        run: async () => {
          const now = this.#clock.now()
          await sampleBacklog(this.#engineDatabase, now)
          const threshold = this.#options.backlogHigh ?? 10_000
          await noteHighBacklogs(this.#engineDatabase, { now, threshold })
        },
      },
      {
        name: 'disable failing webhooks',
        everySeconds: 60,
        run: () => this.#disableFailing(),
      },
      {
        name: 'tell operational webhooks',
        everySeconds: 2,
        run: (signal) =>
          forAWhile(signal, async () => {
            const told = await tellSignals(this.#engineDatabase)
            if (told) this.#notifier.notify()
            return told
          }),
      },
      {
        name: 'expire statistics',
        everySeconds: 3_600,
        run: () => expireStatistics(this.#engineDatabase, this.#clock.now()),
      },
      {
        name: 'fail overdue deliveries of inactive webhooks and dead endpoints',
        everySeconds: 60,
        run: async () => {
          const failed = await failOverdue(this.#database, {
            now: this.#clock.now(),
            waitSeconds: scheduleSeconds,
          })
          if (failed > 0)
            this.#logger.info(
              { deliveries: failed },
              'deliveries of inactive or dead webhooks waited too long',
            )
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
        name: 'make partitions',
        everySeconds: 3_600,
        run: async (signal) => {
          const { longestDays } = await readRules(this.#database, this.#retentionDays)
          const layout = { now: this.#clock.now(), keptDays: longestDays }
          const made = await makePartitions(this.#database, layout, signal)
          if (made > 0) this.#logger.info({ partitions: made }, 'partitions of the next days made')
        },
      },
      {
        name: 'delete what is left of deleted projects and webhooks',
        everySeconds: 5,
        run: (signal) => forAWhile(signal, () => deletions.step()),
      },
      {
        name: 'expire by the rules of projects',
        everySeconds: 10,
        run: (signal) => forAWhile(signal, () => passes.step()),
      },
      {
        name: 'expire',
        everySeconds: secondsPerDay,
        run: async (signal) => {
          const cutoff = await usualCutoff(this.#database, this.#clock.now(), this.#retentionDays)
          const expired = await expire(this.#database, cutoff, signal)
          this.#logger.info({ ...expired, retention_days: this.#retentionDays }, 'history expired')
        },
      },
    ]
  }
}

/** Steps of a work while there are more, but not for so long that the other chores wait: the rest is done at the next turn. */
async function forAWhile(signal: AbortSignal, step: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 2_000
  while (!signal.aborted && performance.now() < endMs && (await step()));
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
