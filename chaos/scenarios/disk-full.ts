import { execFileSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Scenario } from '../scenario.ts'
import { seconds } from '../seconds.ts'
import { Stage } from '../stage.ts'
import { delay } from '../wait.ts'

const sizes = {
  long: { events: 8_000, perSecond: 100, answerMs: 1_000, fullMs: 25_000 },
  short: { events: 500, perSecond: 60, answerMs: 1_000, fullMs: 3_000 },
}
const diskMegabytes = 160
/** So that publishing soon needs more room than there is. */
const dataOf = (index: number): object => ({ index, filling: 'x'.repeat(2_000) })

/** The disk of the server fills up, and then there is room again. A server that went down over it is started again. */
export const diskFull: Scenario = {
  name: 'disk-full',
  fault: 'disk of the server full',
  async run(form) {
    const { events, perSecond, answerMs, fullMs } = sizes[form]
    await using stage = await Stage.set({
      form,
      diskMegabytes,
      database: { max_wal_size: '48MB', min_wal_size: '32MB' },
      receiver: { delayMs: answerMs },
    })
    if (!stage) return { skipped: 'only root may mount a small disk' }
    await stage.startWorkers(2)
    const { publisher, receiver, postgres } = stage
    const published = publisher.publish({ events, perSecond, data: dataOf })
    await receiver.received(events / 10)

    const fromMs = Date.now()
    const filler = join(stage.cleanup.directory, 'disk', 'filler')
    fill(filler)
    await delay(fullMs)
    await rm(filler)
    const stoodIt = await postgres.isRunning()
    if (!stoodIt) await postgres.start()
    const toMs = Date.now()
    await published
    const outages = [{ fromMs, toMs }]
    const verdict = await stage.verdict({ faults: outages, outages })
    const statuses = Map.groupBy(publisher.refusals, ({ status }) => status)
    verdict.figures.own['full for'] = seconds(fullMs)
    verdict.figures.own['server'] = stoodIt ? 'stood it' : 'went down, was started again'
    verdict.figures.own['calls refused'] =
      [...statuses].map(([status, calls]) => `${calls.length} with ${status}`).join(', ') || '0'
    return verdict
  },
}

/** Writes until there is no room left. */
function fill(path: string): void {
  try {
    execFileSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=64k'], { stdio: 'ignore' })
  } catch {
    // It always ends with the disk full.
  }
}
