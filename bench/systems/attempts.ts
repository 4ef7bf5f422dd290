import { Pool } from 'pg'
import type { Answer } from './post.ts'

/** How the peers keep a history of attempts: a table like Postrider's, written in batches. */

/** `deliveryId` is the type of the queue's own job ids. */
export async function createAttempts(connectionString: string, deliveryId: 'uuid' | 'bigint'): Promise<void> {
  const pool = new Pool({ connectionString, max: 1 })
  await pool.query(
    `CREATE TABLE attempts (
       id uuid PRIMARY KEY DEFAULT uuidv7(),
       delivery_id ${deliveryId} NOT NULL,
       attempt integer NOT NULL,
       started_at timestamptz NOT NULL,
       duration_ms integer,
       request_headers jsonb NOT NULL,
       response_status integer,
       response_headers jsonb,
       response_body text,
       error text,
       outcome text NOT NULL
     );
     CREATE UNIQUE INDEX attempts_delivery ON attempts (delivery_id, attempt)`,
  )
  await pool.end()
}

export interface AttemptRow {
  deliveryId: string
  attempt: number
  startedAt: Date
  answer: Answer
}

/** Writes attempts in batches: while one statement runs the next batch gathers, as Postrider's recorder does. */
export class AttemptRecorder {
  readonly #pool: Pool
  readonly #deliveryId: 'uuid' | 'bigint'
  #waiting: { row: AttemptRow; done: () => void; failed: (error: unknown) => void }[] = []
  #writing = false

  constructor(connectionString: string, deliveryId: 'uuid' | 'bigint') {
    this.#pool = new Pool({ connectionString, max: 1 })
    this.#deliveryId = deliveryId
  }

  /** Resolves once the row is committed. */
  record(row: AttemptRow): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ row, done, failed })
      if (!this.#writing) void this.#write()
    })
  }

  close(): Promise<void> {
    return this.#pool.end()
  }

  async #write(): Promise<void> {
    this.#writing = true
    await new Promise(setImmediate)
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, 500)
      try {
        await this.#insert(batch.map(({ row }) => row))
        for (const { done } of batch) done()
      } catch (error) {
        for (const { failed } of batch) failed(error)
      }
    }
    this.#writing = false
  }

  async #insert(rows: readonly AttemptRow[]): Promise<void> {
    await this.#pool.query({
      name: 'insert attempts',
      text: `INSERT INTO attempts (
               delivery_id, attempt, started_at, duration_ms, request_headers, response_status, response_headers,
               response_body, outcome
             )
             SELECT delivery_id, attempt, started_at, duration_ms, request_headers::jsonb, response_status,
                    response_headers::jsonb, response_body, 'delivered'
             FROM unnest(
               $1::${this.#deliveryId}[], $2::integer[], $3::timestamptz[], $4::integer[], $5::text[], $6::integer[],
               $7::text[], $8::text[]
             ) AS attempt (
               delivery_id, attempt, started_at, duration_ms, request_headers, response_status, response_headers,
               response_body
             )`,
      values: [
        rows.map(({ deliveryId }) => deliveryId),
        rows.map(({ attempt }) => attempt),
        rows.map(({ startedAt }) => startedAt),
        rows.map(({ answer }) => answer.durationMs),
        rows.map(({ answer }) => JSON.stringify(answer.requestHeaders)),
        rows.map(({ answer }) => answer.status),
        rows.map(({ answer }) => JSON.stringify(answer.headers)),
        rows.map(({ answer }) => answer.body),
      ],
    })
  }
}
