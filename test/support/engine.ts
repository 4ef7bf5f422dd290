import { once, EventEmitter } from 'node:events'
import type { Clock } from '../../src/clock.ts'
import type { Database } from '../../src/database/database.ts'
import type { ClaimedDelivery } from '../../src/deliver/claim.ts'
import type { Credentials, Ending } from '../../src/deliver/deliver.ts'
import { Sender } from '../../src/deliver/send.ts'
import { Worker, type WorkerOptions } from '../../src/deliver/worker.ts'
import { silentLogger } from '../../src/log.ts'

export const retrySeconds = [60, 300, 900, 3_600, 14_400]

/** Secrets in the clear, as the seed's helpers write them. */
export const plainCredentials: Credentials = {
  signingSecrets: ({ secret, previous_secret }) => [secret, ...(previous_secret ? [previous_secret] : [])],
  ownHeaders: ({ headers }) => headers ?? {},
}

/** A worker with a test's clock, allowed to send to this machine; `endings` tells each attempt as it ends. */
export class TestWorker extends Worker {
  readonly endings: { delivery: ClaimedDelivery; ending: Ending }[]
  readonly #events: EventEmitter
  readonly #sender: Sender

  constructor(options: { database: Database; clock: Clock } & Partial<WorkerOptions>) {
    const endings: { delivery: ClaimedDelivery; ending: Ending }[] = []
    const events = new EventEmitter()
    const sender = new Sender({ policy: { allowHttp: true, allowPrivate: ['127.0.0.0/8'] } })
    super({
      credentials: plainCredentials,
      sender,
      logger: silentLogger,
      concurrency: 16,
      maxInFlight: 8,
      leaseSeconds: 15,
      timeoutMs: 2_000,
      retrySeconds,
      // Nothing here waits for a poll: tests wake the worker.
      pollMs: 60_000,
      drainMs: 5_000,
      onEnding: (delivery, ending) => {
        endings.push({ delivery, ending })
        events.emit('ending')
      },
      ...options,
    })
    this.endings = endings
    this.#events = events
    this.#sender = sender
  }

  /** Until `count` attempts have ended in all. */
  async ended(count: number): Promise<void> {
    while (this.endings.length < count) await once(this.#events, 'ending')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    await this.#sender.close()
  }
}

/** The row of a delivery as it is stored, all columns. */
export async function storedDelivery(database: Database, id: string): Promise<Record<string, unknown>> {
  const { rows } = await database.query(`SELECT * FROM postrider.webhook_deliveries WHERE id = $1::uuid`, [
    id,
  ])
  return rows[0]!
}

/** The only delivery of an event. */
export async function deliveryOf(database: Database, eventId: string): Promise<string> {
  const { rows } = await database.query<{ id: string }>(
    `SELECT id FROM postrider.webhook_deliveries WHERE event_id = $1::uuid`,
    [eventId],
  )
  return rows[0]!.id
}

export async function storedAttempts(
  database: Database,
  deliveryId: string,
): Promise<Record<string, unknown>[]> {
  const { rows } = await database.query(
    `SELECT * FROM postrider.webhook_delivery_attempts WHERE delivery_id = $1::uuid ORDER BY attempt`,
    [deliveryId],
  )
  return rows
}
