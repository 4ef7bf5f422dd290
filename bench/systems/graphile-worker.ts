import { Logger, makeWorkerUtils, run, runMigrations, type Task } from 'graphile-worker'
import { Pool } from 'pg'
import { AttemptRecorder, createAttempts } from './attempts.ts'
import { type Job, jobsOf } from './jobs.ts'
import { Poster } from './post.ts'
import { concurrency, type RunningWorker, type System, type Tuning, type WorkerSetup } from './system.ts'

export const graphileWorkerTuning =
  'concurrentJobs 64, localQueue.size 500, completeJobBatchDelay and failJobBatchDelay 25 ms, a pool of 10 connections; ' +
  'with “a queue for each endpoint” jobs carry the endpoint as their queue_name, and those of one name run one by one.'

/**
 * graphile-worker with the batching that its documentation advises for throughput
 * (https://worker.graphile.org/docs/performance): a local queue, so that jobs are fetched in batches, and completions
 * in batches. Its jobs are deleted when they are done: it keeps no history.
 */
export function graphileWorker(tuning: Partial<Tuning> = {}): System {
  const isolates = tuning.for === 'isolation'
  return {
    name: 'graphile-worker',
    module: 'graphile-worker',
    tuning: { for: 'throughput', recordsAttempts: false, ...tuning },

    async install(connectionString) {
      await runMigrations({ connectionString, logger })
      await createAttempts(connectionString, 'bigint')
    },

    async subscribe(_connectionString, endpoints) {
      return async ({ connectionString, connections }) => {
        const pool = new Pool({ connectionString, max: connections })
        pool.on('error', () => {})
        pool.on('connect', (client) => client.on('error', () => {}))
        const utils = await makeWorkerUtils({ pgPool: pool, logger })
        const specOf = ({ url }: Job): { queueName?: string } => (isolates ? { queueName: url } : {})
        return {
          async publish(message) {
            for (const job of jobsOf(message, endpoints)) await utils.addJob('send', job, specOf(job))
          },
          async publishMany(messages) {
            const jobs = messages.flatMap((message) => jobsOf(message, endpoints))
            await utils.addJobs(jobs.map((job) => ({ identifier: 'send', payload: job, ...specOf(job) })))
          },
          async close() {
            await utils.release()
            await pool.end()
          },
        }
      }
    },
  }
}

export async function startWorker({ connectionString, tuning }: WorkerSetup): Promise<RunningWorker> {
  const poster = new Poster(concurrency)
  const recorder = tuning.recordsAttempts ? new AttemptRecorder(connectionString, 'bigint') : undefined
  const send: Task = async (payload, { job }) => {
    const { url, event } = payload as Job
    const startedAt = new Date()
    const answer = await poster.post(url, event.id, JSON.stringify(event))
    await recorder?.record({ deliveryId: job.id, attempt: job.attempts, startedAt, answer })
  }
  const runner = await run({
    logger,
    noHandleSignals: true,
    taskList: { send },
    preset: {
      worker: {
        connectionString,
        concurrentJobs: concurrency,
        maxPoolSize: 10,
        // Of 65 and 500 the one that needs less CPU (0.75 times); its authors measure with 500 too.
        localQueue: { size: 500 },
        // Of 0, 5 and 25 ms the one that needs least CPU (0.9 times), and what its documentation starts from.
        completeJobBatchDelay: 25,
        failJobBatchDelay: 25,
      },
    },
  })
  return {
    async stop() {
      await runner.stop()
      await recorder?.close()
      await poster.close()
    },
  }
}

const logger = new Logger(() => () => {})
