import { type Cleanup, prepareCleanup } from './cleanup.ts'
import { storedAttempts, storedDeliveries, storedEvents, unfinished } from './evidence.ts'
import { Postgres } from './postgres.ts'
import { adminKey, PostriderProcess, type ProcessOptions } from './processes.ts'
import { DatabaseProxy } from './proxy.ts'
import { Publisher } from './publisher.ts'
import { type Behaviour, Receiver } from './receiver.ts'
import { type Form, leaseSecondsOf, forgivenSecondsOf } from './scenario.ts'
import { type Expected, judge, type Verdict } from './verdict.ts'
import { until } from './wait.ts'

export interface StageOptions {
  form: Form
  /** Of the server, over its own. */
  database?: Record<string, string>
  /** Puts the server on a disk of its own of this size; the scenario is skipped where there can be none. */
  diskMegabytes?: number
  receiver?: Partial<Behaviour>
  /** Other than the form's. */
  leaseSeconds?: number | undefined
}

interface DeliveryPage {
  deliveries: { id: string; scheduled_at: string }[]
  next_cursor: string | null
}

interface StageParts {
  form: Form
  leaseSeconds: number
  cleanup: Cleanup
  postgres: Postgres
  receiver: Receiver
  /** Ends in reverse what was started. */
  ending: AsyncDisposableStack
}

type WorkerOptions = Partial<Omit<ProcessOptions, 'databaseUrl'>> & { through?: DatabaseProxy }

/** Deliveries that one worker sends at the same time. */
const slots = 64

/** An answer is recorded this soon, on a machine that does other things too. */
const recordedWithinMs = 1_000

/** Each event goes to one webhook, and all webhooks together fill every slot. */
const webhooks = 8

/** A whole installation: server, API, workers, a receiver and a publisher. Everything ends with it. */
export class Stage implements AsyncDisposable {
  readonly form: Form
  readonly leaseSeconds: number
  readonly cleanup: Cleanup
  readonly postgres: Postgres
  readonly receiver: Receiver
  readonly processes: PostriderProcess[] = []
  readonly #ending: AsyncDisposableStack
  #api: PostriderProcess | undefined
  #publisher: Publisher | undefined

  private constructor(parts: StageParts) {
    this.form = parts.form
    this.leaseSeconds = parts.leaseSeconds
    this.cleanup = parts.cleanup
    this.postgres = parts.postgres
    this.receiver = parts.receiver
    this.#ending = parts.ending
  }

  /** Undefined where the machine does not let us have the disk that was asked for. */
  static async set(options: StageOptions & { diskMegabytes: number }): Promise<Stage | undefined>
  static async set(options: StageOptions): Promise<Stage>
  static async set(options: StageOptions): Promise<Stage | undefined> {
    const { form, leaseSeconds = leaseSecondsOf[form], database, diskMegabytes } = options
    await using ending = new AsyncDisposableStack()
    const cleanup = await prepareCleanup()
    ending.defer(() => cleanup.close())
    const disk = diskMegabytes === undefined ? cleanup.directory : cleanup.mountDisk('disk', diskMegabytes)
    if (disk === undefined) return undefined
    // A killed process leaves its writes to the kernel: only the machine's own end needs fsync.
    const settings = { ...(form === 'short' && { fsync: 'off' }), ...database }
    const postgres = await Postgres.start(disk, cleanup, settings)
    ending.defer(() => postgres.close())
    const target = await Receiver.start(options.receiver)
    ending.defer(() => target.close())
    const stage = new Stage({
      form,
      leaseSeconds,
      cleanup,
      postgres,
      receiver: target,
      ending: ending.move(),
    })
    try {
      await stage.startApi()
      await stage.#createWebhooks()
      return stage
    } catch (error) {
      await stage[Symbol.asyncDispose]()
      throw error
    }
  }

  get api(): PostriderProcess {
    return this.#api!
  }

  get publisher(): Publisher {
    return this.#publisher!
  }

  /** A new API that callers are led to from now on; answers the one before. */
  async startApi(): Promise<PostriderProcess | undefined> {
    const before = this.#api
    this.#api = await this.#start('api', {})
    return before
  }

  startWorker(options: WorkerOptions = {}): Promise<PostriderProcess> {
    return this.#start('worker', options)
  }

  startWorkers(count: number): Promise<PostriderProcess[]> {
    return Promise.all(Array.from({ length: count }, () => this.startWorker()))
  }

  /** A network of its own to the database, for a worker. */
  async startProxy(): Promise<DatabaseProxy> {
    const proxy = await DatabaseProxy.start(this.postgres.port)
    this.#ending.defer(() => proxy.close())
    return proxy
  }

  /** Until every delivery has ended, but for so many; false when that took longer than `timeoutSeconds`. */
  async settled(timeoutSeconds: number, but = 0): Promise<boolean> {
    // A server that is just coming up knows no better than that it is not so yet.
    const count = (): Promise<number> => unfinished(this.postgres).catch(() => Infinity)
    const isSettled = async (): Promise<boolean> => (await count()) <= but
    const patience = { timeoutMs: timeoutSeconds * 1_000, everyMs: 250, wanted: 'all deliveries to end' }
    return until(isSettled, patience).then(
      () => true,
      () => false,
    )
  }

  /** Sends what waits for its next try now, as a person can. */
  async retryWaiting(): Promise<void> {
    for (let cursor: string | null = ''; cursor !== null;) {
      const from: string = cursor && `&cursor=${cursor}`
      const { body } = await this.publisher.call(`/deliveries?status=pending&limit=100${from}`)
      const { deliveries, next_cursor } = body as DeliveryPage
      // What is due is on its way: it may be delivered by now, and a retry would send it again.
      const soon = Date.now() + 5_000
      const waiting = deliveries.filter(({ scheduled_at }) => Date.parse(scheduled_at) > soon)
      await Promise.all(
        waiting.map(({ id }) => this.publisher.call(`/deliveries/${id}/retry`, { method: 'POST' })),
      )
      cursor = next_cursor
    }
  }

  /** Waits for all deliveries to end, and judges what happened. What has not ended in time shows up as a violation. */
  async verdict(
    expected: Omit<Expected, 'recoverySeconds' | 'flightMs'>,
    { settleSeconds = this.leaseSeconds * 3 + 15 }: { settleSeconds?: number } = {},
  ): Promise<Verdict> {
    await this.settled(settleSeconds)
    const deaths = this.processes.flatMap(({ unexpectedEnd }) => unexpectedEnd ?? [])
    const evidence = {
      accepted: this.publisher.accepted,
      stored: await storedEvents(this.postgres),
      requests: await this.receiver.requests(),
      deliveries: await storedDeliveries(this.postgres),
      attempts: await storedAttempts(this.postgres),
    }
    const verdict = judge(evidence, {
      flightMs: this.receiver.delayMs + recordedWithinMs,
      recoverySeconds: this.leaseSeconds + forgivenSecondsOf[this.form],
      ...expected,
    })
    return { ...verdict, violations: [...deaths, ...verdict.violations] }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#publisher?.stop()
    await Promise.all(this.processes.map((process) => process.kill()))
    await this.#ending.disposeAsync()
  }

  async #start(
    part: 'api' | 'worker',
    { through, settings, ...options }: WorkerOptions,
  ): Promise<PostriderProcess> {
    const { url } = this.postgres
    const process = await PostriderProcess.start(
      part,
      {
        databaseUrl: through ? through.through(url) : url,
        settings: {
          POSTRIDER_LEASE_SECONDS: String(this.leaseSeconds),
          POSTRIDER_CONCURRENCY: String(slots),
          ...settings,
        },
        ...options,
      },
      this.cleanup,
    )
    this.processes.push(process)
    return process
  }

  async #createWebhooks(): Promise<void> {
    const { id: projectId } = await this.#create('/api/projects', { name: 'chaos' })
    const types = Array.from({ length: webhooks }, (_, number) => `load.${number}`)
    for (const type of types) {
      await this.#create(`/api/projects/${projectId}/webhooks`, {
        name: type,
        url: `${this.receiver.url}/${type}`,
        event_types: [type],
      })
    }
    this.#publisher = new Publisher(
      { apiUrl: () => this.api.url, projectId: projectId!, key: adminKey, types },
      this.postgres,
    )
  }

  async #create(path: string, body: object): Promise<Record<string, string>> {
    const response = await fetch(`${this.api.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (response.status !== 201) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as Record<string, string>
  }
}
