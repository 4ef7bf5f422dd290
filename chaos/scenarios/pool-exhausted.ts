import { Client } from 'pg'
import { observerName, type Postgres, terminateOthers } from '../postgres.ts'
import type { Scenario } from '../scenario.ts'
import { seconds } from '../seconds.ts'
import { Stage } from '../stage.ts'
import { delay } from '../wait.ts'

const sizes = {
  long: { events: 12_000, perSecond: 200, answerMs: 50, takenMs: 20_000, callers: 60 },
  short: { events: 600, perSecond: 60, answerMs: 100, takenMs: 3_000, callers: 30 },
}
const maxConnections = 50
/** The API's own pool waits 5 s for a connection before it gives up. */
const lockedMs = 6_500
const refusedWithinMs = { long: 6_000, short: 8_000 }

/**
 * First a stranger takes every connection that the server has, theirs included. Then all of the API's own connections
 * wait for a lock while more callers come.
 */
export const poolExhausted: Scenario = {
  name: 'pool-exhausted',
  fault: 'every connection of the server taken; every connection of the API waiting for a lock',
  async run(form) {
    const { events, perSecond, answerMs, takenMs, callers } = sizes[form]
    await using stage = await Stage.set({
      form,
      database: { max_connections: String(maxConnections) },
      receiver: { delayMs: answerMs },
    })
    await stage.startWorkers(2)
    const { publisher, receiver, postgres } = stage
    const published = publisher.publish({ events, perSecond })
    await receiver.received(events / 10)

    const fromMs = Date.now()
    const stranger = new Stranger(stage)
    await stranger.takeAllFor(takenMs)
    const toMs = Date.now()

    const calls: Promise<void>[] = []
    await postgres.whileLocked('postrider.events', async () => {
      for (let caller = 0; caller < callers; caller += 1) calls.push(publisher.publishOnce(caller))
      await delay(lockedMs)
    })
    await Promise.all([published, ...calls])
    const outages = [{ fromMs, toMs }]
    const verdict = await stage.verdict({ faults: outages, outages })

    const { refusals } = publisher
    const slowestMs = Math.max(...refusals.map(({ afterMs }) => afterMs), 0)
    const strangers = refusals.filter(({ status }) => status !== 503)
    if (strangers.length > 0) {
      verdict.violations.push(
        `the API answered ${strangers[0]!.status} instead of 503 (${strangers.length} times)`,
      )
    }
    if (slowestMs > refusedWithinMs[form])
      verdict.violations.push(`the API took ${seconds(slowestMs)} to refuse`)
    Object.assign(verdict.figures.own, {
      'taken for': seconds(takenMs),
      'connections taken': String(stranger.taken),
      '503 after at most': seconds(slowestMs),
    })
    return verdict
  },
}

/** Connects until the server refuses, throws everyone else out, and takes what that sets free. */
class Stranger {
  taken = 0
  readonly #postgres: Postgres

  constructor({ postgres }: Stage) {
    this.#postgres = postgres
  }

  async takeAllFor(ms: number): Promise<void> {
    const clients: Client[] = []
    const endMs = performance.now() + ms
    while (performance.now() < endMs) {
      clients.push(...(await this.#takeFree()))
      await terminateOthers(this.#postgres)
      await delay(100)
    }
    this.taken = clients.length
    await Promise.all(clients.map((client) => client.end()))
  }

  async #takeFree(): Promise<Client[]> {
    const clients: Client[] = []
    for (;;) {
      const client = new Client({ connectionString: this.#postgres.url, application_name: observerName })
      client.on('error', () => {})
      try {
        await client.connect()
      } catch {
        return clients
      }
      clients.push(client)
    }
  }
}
