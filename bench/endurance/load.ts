import { Database } from '../../src/database/database.ts'
import { type Bench, type Ground, messagesTo, prepare, type Prepared } from '../ground.ts'
import type { Workers } from '../processes/workers.ts'
import { percentile } from '../statistics.ts'
import { publishSteadily, waits } from '../steady.ts'
import { postrider } from '../systems/postrider.ts'
import type { Endpoint, Publisher } from '../systems/system.ts'
import type { Period } from './report.ts'
import { readTables, readTotals } from './sample.ts'

/** Events at an even pace for one worker of Postrider, part by part. */
export class SteadyLoad {
  readonly #bench: Bench
  readonly #perSecond: number
  readonly #prepared: Prepared
  readonly #endpoints: readonly Endpoint[]
  readonly #workers: Workers
  readonly #publisher: Publisher
  readonly #database: Database

  private constructor(
    bench: Bench,
    {
      perSecond,
      endpoints,
      ...parts
    }: {
      perSecond: number
      endpoints: readonly Endpoint[]
      prepared: Prepared
      workers: Workers
      publisher: Publisher
      database: Database
    },
  ) {
    this.#bench = bench
    this.#perSecond = perSecond
    this.#endpoints = endpoints
    this.#prepared = parts.prepared
    this.#workers = parts.workers
    this.#publisher = parts.publisher
    this.#database = parts.database
  }

  static async start(bench: Bench, { perSecond }: { perSecond: number }): Promise<SteadyLoad> {
    const ground = mixedGround(bench)
    const prepared = await prepare(bench, postrider, ground)
    const { connectionString } = prepared.database
    const database = new Database({ connectionString, maxConnections: 1 })
    await database.query('CREATE EXTENSION pg_stat_statements')
    const workers = await prepared.loadWorkers()
    const publisher = await prepared.openPublisher(4)
    await workers.start()
    return new SteadyLoad(bench, {
      perSecond,
      endpoints: ground.endpoints,
      prepared,
      workers,
      publisher,
      database,
    })
  }

  get connectionString(): string {
    return this.#prepared.database.connectionString
  }

  /** Publishes for so long, waits until all that is not tried again has arrived, and says what it took. */
  async run(name: string, minutes: number): Promise<Period> {
    const { receiver, postgres } = this.#bench
    const messages = messagesTo(this.#endpoints, Math.ceil(minutes * 60 * this.#perSecond))
    const plain = messages.filter(({ topic }) => topic.startsWith('plain'))
    await receiver.reset({ remember: true })
    const before = await readTotals(this.#database)
    const cpuBefore = { postgres: postgres.cpuUs, worker: this.#workers.cpuUs }
    const published = await publishSteadily(this.#publisher, messages, { perSecond: this.#perSecond })
    await receiver.reach('w', plain.length)
    const waited = waits(plain, published, await receiver.arrivals())
    const after = await readTotals(this.#database)
    const count = messages.length
    return {
      name,
      claims: after.claim.calls - before.claim.calls,
      claimUs: perRow(before.claim, after.claim),
      claimMs: (after.claim.ms - before.claim.ms) / Math.max(after.claim.calls - before.claim.calls, 1),
      recordUs: ((after.record.ms - before.record.ms) * 1_000) / count,
      publishUs: ((after.publish.ms - before.publish.ms) * 1_000) / count,
      letOutUs: ((after.letOut.ms - before.letOut.ms) * 1_000) / count,
      postgresCpuUs: (postgres.cpuUs - cpuBefore.postgres) / count,
      workerCpuUs: (this.#workers.cpuUs - cpuBefore.worker) / count,
      p50Ms: percentile(waited, 50),
      p99Ms: percentile(waited, 99),
      tables: await readTables(this.#database),
    }
  }

  async stop(): Promise<void> {
    await this.#publisher.close()
    await this.#workers.stop()
    await this.#database.close()
    await this.#prepared[Symbol.asyncDispose]()
  }
}

/** Those that found nothing count, too: they are what it takes to find something. */
function perRow(before: { ms: number; rows: number }, after: { ms: number; rows: number }): number {
  return ((after.ms - before.ms) * 1_000) / Math.max(after.rows - before.rows, 1)
}

/** Something of everything that has a hot table. */
function mixedGround({ receiver }: Bench): Ground {
  const endpoint = (topic: string, path: string, policy?: Endpoint['policy']): Endpoint => ({
    tenant: 'shop',
    topic,
    url: `${receiver.origin}/${path}`,
    ...(policy && { policy }),
  })
  return {
    name: 'mixed_policies',
    endpoints: [
      ...Array.from({ length: 16 }, (_, number) => endpoint(`plain.${number}`, `w/${number}`)),
      endpoint('flaky.0', 'flaky/0', { retry_seconds: [2, 60] }),
      endpoint('flaky.1', 'flaky/1', { retry_seconds: [2, 60] }),
      endpoint('ordered.0', 'ordered/0', { ordered: true }),
      endpoint('rated.0', 'rated/0', { rate_per_second: 1_000 }),
    ],
  }
}
