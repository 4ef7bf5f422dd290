import { randomUUID } from 'node:crypto'
import { storedDeliveries } from '../evidence.ts'
import type { PostriderProcess } from '../processes.ts'
import type { Span } from '../recovery.ts'
import type { Scenario } from '../scenario.ts'
import { Stage } from '../stage.ts'
import { until } from '../wait.ts'

const sizes = {
  long: { before: 500, events: 9_000, perSecond: 100, answerMs: 50 },
  short: { before: 100, events: 600, perSecond: 20, answerMs: 50 },
}
const rescues = 5

/**
 * One event kills whatever worker begins to send it, and somebody starts the worker again each time. It fails after
 * five such deaths; all others are delivered, those too that are due at the same moment.
 */
export const poison: Scenario = {
  name: 'poison',
  fault: 'a payload that kills its worker',
  async run(form) {
    const { before, events, perSecond, answerMs } = sizes[form]
    await using stage = await Stage.set({ form, receiver: { delayMs: answerMs } })
    const { publisher, postgres } = stage
    const marker = `poison ${randomUUID()}`
    const poisoned = before / 2
    const data = (index: number): unknown => (index === poisoned ? marker : index)
    const backlog = await publisher.publish({ events: before, perSecond: before * 20, data })
    const poisonId = backlog[poisoned]!

    const workers = new Workers(stage, marker)
    await workers.start(2)
    const poisonStatus = async (): Promise<string | undefined> =>
      (await storedDeliveries(postgres)).find(({ event_id }) => event_id === poisonId)?.status
    await Promise.all([
      publisher.publish({ events, perSecond }),
      until(async () => (await poisonStatus()) === 'failed', {
        timeoutMs: (stage.leaseSeconds + 5) * (rescues + 1) * 1_000,
        everyMs: 500,
        wanted: 'the delivery that kills to fail',
      }),
    ])
    const verdict = await stage.verdict({ faults: workers.deaths, failed: new Set([poisonId]) })
    workers.rest()
    const rows = await storedDeliveries(postgres)
    const { last_error } = rows.find(({ event_id }) => event_id === poisonId)!
    if (last_error !== 'worker crashed') verdict.violations.push(`it failed with "${last_error}"`)
    const killed = workers.deaths.length
    if (killed > rescues) verdict.violations.push(`it killed ${killed} workers`)
    verdict.figures.own['workers killed'] = String(killed)
    return verdict
  },
}

/** Whoever dies is replaced. */
class Workers {
  readonly deaths: Span[] = []
  readonly #stage: Stage
  readonly #marker: string
  #resting = false

  constructor(stage: Stage, marker: string) {
    this.#stage = stage
    this.#marker = marker
  }

  async start(count: number): Promise<void> {
    for (let started = 0; started < count; started += 1) void this.#replaceWhenDead(await this.#start())
  }

  rest(): void {
    this.#resting = true
  }

  async #replaceWhenDead(worker: PostriderProcess): Promise<void> {
    await worker.mayEnd()
    if (this.#resting) return
    this.deaths.push({ fromMs: Date.now(), toMs: Date.now() })
    void this.#replaceWhenDead(await this.#start())
  }

  #start(): Promise<PostriderProcess> {
    return this.#stage.startWorker({ preload: ['poison.ts'], settings: { CHAOS_POISON: this.#marker } })
  }
}
