import { newId } from '../../src/ids.ts'
import { envelope, eventData } from './payload.ts'
import { Poster } from './post.ts'
import { concurrency, type RunningWorker, type WorkerSetup } from './system.ts'

/** No database: how fast the same signed POST goes out, to the URL in place of a connection string, until it is stopped. */
export function rawSetup(url: string): WorkerSetup {
  return { module: 'raw', connectionString: url, tuning: { for: 'throughput', recordsAttempts: false } }
}

export async function startWorker({ connectionString: url }: WorkerSetup): Promise<RunningWorker> {
  const poster = new Poster(concurrency)
  const event = envelope({ id: newId(), tenant: newId(), topic: 'order.paid', data: eventData(1) })
  const body = JSON.stringify(event)
  const stopping = new AbortController()
  const senders = Array.from({ length: concurrency }, async () => {
    while (!stopping.signal.aborted) await poster.post(url, newId(), body)
  })
  return {
    async stop() {
      stopping.abort()
      await Promise.all(senders)
      await poster.close()
    },
  }
}
