import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { rescueExpired } from '../../src/deliver/rescue.ts'
import type { Answer, SendError, Sender } from '../../src/deliver/send.ts'
import { publishMany } from '../../src/publish/publish.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { TestWorker } from '../support/engine.ts'
import { FaultyDatabase } from '../support/faulty-database.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

/**
 * Some payloads kill the worker that sends them, among many that do not. The workers are real, their deaths are not: from
 * one moment on nothing that they send or ask arrives.
 */

const { database } = await createTestDatabase()
const innocents = 200
const mostRescues = 5

interface Chances {
  killers: number
  concurrency: number
  /** Turns of the event loop from a send to its answer, or to the death that it brings. */
  turns: () => number
}

interface Row {
  id: string
  data: number
  status: string
  rescues: number
  last_error: string | null
}

/** One life after the other, until every delivery has ended or there were too many. */
class World {
  readonly clock = new MovedClock()
  readonly sends: string[] = []
  deaths = 0
  readonly #chances: Chances

  constructor(chances: Chances) {
    this.#chances = chances
  }

  async live(): Promise<void> {
    const { killers, concurrency } = this.#chances
    while ((await this.#unfinished()) > 0 && this.deaths <= killers * mostRescues) {
      const mortal = new FaultyDatabase(database)
      const life = { isOver: false }
      const die = (): void => {
        if (!life.isOver) this.deaths += 1
        life.isOver = true
        mortal.fault = () => 'before'
      }
      const send = this.#sendUntil(() => life.isOver, die)
      const worker = new TestWorker({
        database: mortal,
        clock: this.clock,
        concurrency,
        maxInFlight: concurrency,
        drainMs: 0,
        sender: { send } as unknown as Sender,
      })
      await worker.start()
      while (!life.isOver && (await this.#unfinished()) > 0) {
        // What waits for a moment of its own need not wait in real time.
        this.clock.advance(0.1)
        worker.wake()
      }
      const stopped = worker.stop()
      this.clock.advance(16)
      // A claim that is just being carried out holds the row.
      while ((await database.query('SELECT FROM postrider.workers')).rows.length > 0)
        await rescueExpired(database, this.clock.now())
      // What it still has to say comes too late.
      mortal.fault = () => undefined
      await stopped
    }
  }

  #sendUntil(isDead: () => boolean, die: () => void): Sender['send'] {
    return async (request, { signal }): Promise<Answer | SendError> => {
      this.sends.push(`${request.headers['postrider-delivery']} ${request.headers['postrider-attempt']}`)
      const { data } = JSON.parse(request.body) as { data: number }
      for (let left = this.#chances.turns(); left > 0; left -= 1) await turn()
      if (data < this.#chances.killers) die()
      if (isDead()) {
        if (!signal?.aborted) await new Promise((resolve) => signal?.addEventListener('abort', resolve))
        return { kind: 'error', class: 'aborted', error: 'the worker is dead', durationMs: 1 }
      }
      return { kind: 'answer', status: 200, headers: {}, body: '', bodyTruncated: false, durationMs: 1 }
    }
  }

  async #unfinished(): Promise<number> {
    const { rows } = await database.query<{ count: number }>(
      `SELECT COUNT(*)::integer AS count
       FROM postrider.deliveries
       WHERE status IN ('pending', 'delivering')`,
    )
    return rows[0]!.count
  }
}

async function publishAmong({ killers }: Chances): Promise<void> {
  await database.query('DELETE FROM postrider.projects')
  await database.query('DELETE FROM postrider.workers')
  const projectId = await insertProject(database)
  for (const path of ['a', 'b'])
    await insertWebhook(database, { projectId, url: `https://example.com/${path}`, eventTypes: [path] })
  const events = Array.from({ length: innocents + killers }, (_, data) => ({
    projectId,
    type: data % 2 === 0 ? 'a' : 'b',
    data,
  }))
  events.sort(() => Math.random() - 0.5)
  await publishMany(database, events)
}

async function storedRows(): Promise<Row[]> {
  const { rows } = await database.query<Row>(
    `SELECT id, (payload ->> 'data')::integer AS data, status, rescues, last_error
     FROM postrider.webhook_deliveries`,
  )
  return rows
}

const upTo = (most: number) => (): number => Math.floor(Math.random() * most)
const worlds = [1, 16, 64].flatMap((concurrency) => [
  { killers: 1, concurrency, turns: () => 0 },
  { killers: 1, concurrency, turns: upTo(50) },
  { killers: 3, concurrency, turns: upTo(20) },
])

describe('payloads that kill their worker', () => {
  it.each(worlds)('fail, and nothing else: $killers, $concurrency at once', async (chances) => {
    await publishAmong(chances)
    const world = new World(chances)
    await world.live()
    const rows = await storedRows()
    const killers = rows.filter(({ data }) => data < chances.killers)
    const others = rows.filter(({ data }) => data >= chances.killers)
    expect(others.filter(({ status }) => status !== 'delivered')).toEqual([])
    expect(killers).toHaveLength(chances.killers)
    for (const killer of killers) {
      expect(killer).toMatchObject({ status: 'failed', rescues: mostRescues, last_error: 'worker crashed' })
    }
    if (chances.killers === 1) expect(world.deaths).toBe(mostRescues)
    else expect(world.deaths).toBeLessThanOrEqual(chances.killers * mostRescues)
    // No try is made under the number of another.
    expect(new Set(world.sends).size).toBe(world.sends.length)
  })
})
