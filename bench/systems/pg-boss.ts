import { PgBoss, type WorkOptions } from 'pg-boss'
import { AttemptRecorder, createAttempts } from './attempts.ts'
import { type Job, jobsOf } from './jobs.ts'
import { Poster } from './post.ts'
import { concurrency, type RunningWorker, type System, type Tuning, type WorkerSetup } from './system.ts'

const queue = 'send'

export const pgBossTuning =
  'localConcurrency 2, batchSize 250 over 64 connections, burstWhenBatchFull, perJobResults; for latency LISTEN and ' +
  'NOTIFY; with “8 in flight for each endpoint” localConcurrency 64, batchSize 1, burstWhenReadyExceeds 1, and jobs ' +
  'grouped by endpoint with localGroupConcurrency 8. Publishers run without supervision and scheduling.'

/** pg-boss, fetching and completing in batches (https://pgboss.io/api/workers). A completed job stays, for 7 days. */
export function pgBoss(tuning: Partial<Tuning> = {}): System {
  const isolates = tuning.for === 'isolation'
  return {
    name: 'pg-boss',
    module: 'pg-boss',
    tuning: { for: 'throughput', recordsAttempts: false, ...tuning },

    async install(connectionString) {
      const boss = await open({ connectionString, supervise: false, schedule: false })
      await boss.createQueue(queue, { notify: tuning.for === 'latency' })
      await boss.stop()
      await createAttempts(connectionString, 'uuid')
    },

    async subscribe(_connectionString, endpoints) {
      return async ({ connectionString, connections }) => {
        const boss = await open({ connectionString, max: connections, supervise: false, schedule: false })
        const optionsOf = ({ url }: Job): { group?: { id: string } } =>
          isolates ? { group: { id: url } } : {}
        return {
          async publish(message) {
            for (const job of jobsOf(message, endpoints)) await boss.send(queue, job, optionsOf(job))
          },
          async publishMany(messages) {
            const jobs = messages.flatMap((message) => jobsOf(message, endpoints))
            await boss.insert(
              queue,
              jobs.map((job) => ({ data: job, ...optionsOf(job) })),
            )
          },
          close: () => boss.stop({ graceful: false }),
        }
      }
    },
  }
}

export async function startWorker({ connectionString, tuning }: WorkerSetup): Promise<RunningWorker> {
  const boss = await open({
    connectionString,
    useListenNotify: tuning.for === 'latency',
    // How soon a worker that takes one job at a time learns that there are more.
    ...(tuning.for === 'isolation' && {
      superviseIntervalSeconds: 1,
      monitorIntervalSeconds: 1,
      queueCacheIntervalSeconds: 1,
    }),
  })
  const poster = new Poster(concurrency)
  const recorder = tuning.recordsAttempts ? new AttemptRecorder(connectionString, 'uuid') : undefined
  await boss.work(
    queue,
    {
      ...(tuning.for === 'isolation' ? oneByOne : batches),
      pollingIntervalSeconds: 0.5,
      // Each job succeeds or fails by itself: else one endpoint's failure would send a whole batch again.
      perJobResults: true,
    },
    (jobs: { id: string; data: Job }[]) =>
      Promise.all(
        jobs.map(async ({ id, data: { url, event } }) => {
          const startedAt = new Date()
          try {
            const answer = await poster.post(url, event.id, JSON.stringify(event))
            await recorder?.record({ deliveryId: id, attempt: 1, startedAt, answer })
            return { id, status: 'completed' as const }
          } catch (error) {
            return { id, status: 'failed' as const, output: { message: String(error) } }
          }
        }),
      ),
  )
  return {
    async stop() {
      await boss.stop()
      await recorder?.close()
      await poster.close()
    },
  }
}

/** Two batches in turn over 64 connections. Of 4 x 16, 2 x 32, 2 x 64, 3 x 100 and 2 x 250 it needs the least CPU. */
const batches = { localConcurrency: 2, batchSize: 250, burstWhenBatchFull: true } satisfies WorkOptions

/** A batch ends with its slowest job: where endpoints are slow there is none. */
const oneByOne = {
  localConcurrency: concurrency,
  batchSize: 1,
  burstWhenReadyExceeds: 1,
  localGroupConcurrency: 8,
} satisfies WorkOptions

async function open(options: ConstructorParameters<typeof PgBoss>[0] & object): Promise<PgBoss> {
  const boss = new PgBoss(options)
  boss.on('error', () => {})
  await boss.start()
  return boss
}
