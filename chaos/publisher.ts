import { randomUUID } from 'node:crypto'
import type { Postgres } from './postgres.ts'
import { delay } from './wait.ts'

export interface Load {
  events: number
  perSecond: number
  /** Their `data`, by their number; the number itself without it. */
  data?: (index: number) => unknown
}

/** What the API answered instead of 202. */
export interface Refusal {
  /** 0 when there was no answer at all. */
  status: number
  afterMs: number
}

const perBatchMs = 50
const maxBatch = 1_000
/** Every so manieth batch is published in SQL, in a transaction of its own. */
const sqlEvery = 5
const answerWithinMs = 10_000
const pauseMs = 250

/**
 * Publishes at a steady pace, most of it through the API and some in SQL. Each event keeps its id until it was accepted,
 * as a publisher does who wants it to exist once: what counts is what was answered 202, or committed.
 */
export class Publisher {
  readonly accepted = new Set<string>()
  readonly refusals: Refusal[] = []
  readonly #target: { apiUrl: () => string; projectId: string; key: string; types: readonly string[] }
  readonly #postgres: Postgres
  #batches = 0
  #stopped = false

  constructor(
    target: { apiUrl: () => string; projectId: string; key: string; types: readonly string[] },
    postgres: Postgres,
  ) {
    this.#target = target
    this.#postgres = postgres
  }

  /** Resolves once all are accepted. */
  async publish({ events, perSecond, data = (index) => index }: Load): Promise<string[]> {
    const size = Math.min(Math.max(Math.round((perSecond * perBatchMs) / 1_000), 1), maxBatch)
    const startedMs = performance.now()
    const ids: string[] = []
    for (let first = 0; first < events && !this.#stopped; first += size) {
      await delay(Math.max(startedMs + (first / perSecond) * 1_000 - performance.now(), 0))
      const batch = Array.from({ length: Math.min(size, events - first) }, (_, place) => ({
        id: randomUUID(),
        type: this.#target.types[(first + place) % this.#target.types.length]!,
        data: data(first + place),
      }))
      ids.push(...batch.map(({ id }) => id))
      await this.#publishUntilAccepted(batch)
    }
    return ids
  }

  stop(): void {
    this.#stopped = true
  }

  /** One event in one call, whatever it is answered. */
  async publishOnce(data: unknown): Promise<void> {
    const event = { id: randomUUID(), type: this.#target.types[0]!, data }
    if (await this.#isAccepted([event])) this.accepted.add(event.id)
  }

  /** One call to the API, whatever it answers. */
  async call(
    path: string,
    init: RequestInit = {},
  ): Promise<{ status: number; afterMs: number; body: unknown }> {
    const startedMs = performance.now()
    const { apiUrl, projectId, key } = this.#target
    try {
      const response = await fetch(`${apiUrl()}/api/projects/${projectId}${path}`, {
        ...init,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        signal: AbortSignal.timeout(answerWithinMs),
      })
      const body: unknown = await response.json()
      return { status: response.status, afterMs: performance.now() - startedMs, body }
    } catch (error) {
      return { status: 0, afterMs: performance.now() - startedMs, body: error }
    }
  }

  async #publishUntilAccepted(batch: readonly { id: string }[]): Promise<void> {
    this.#batches += 1
    const throughSql = this.#batches % sqlEvery === 0
    while (!this.#stopped) {
      if (throughSql ? await this.#commits(batch) : await this.#isAccepted(batch)) {
        for (const { id } of batch) this.accepted.add(id)
        return
      }
      await delay(pauseMs)
    }
  }

  async #isAccepted(batch: readonly object[]): Promise<boolean> {
    const body = JSON.stringify({ events: batch })
    const { status, afterMs } = await this.call('/events/batch', { method: 'POST', body })
    if (status !== 202) this.refusals.push({ status, afterMs })
    return status === 202
  }

  async #commits(batch: readonly object[]): Promise<boolean> {
    try {
      await this.#postgres.query('SELECT FROM postrider.publish_many($1::uuid, $2::jsonb)', [
        this.#target.projectId,
        JSON.stringify(batch),
      ])
      return true
    } catch {
      return false
    }
  }
}
