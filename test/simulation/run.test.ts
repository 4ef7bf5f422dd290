import { describe, expect, it } from 'vitest'
import { readCosts } from '../../simulation/costs.ts'
import { sizes } from '../../simulation/figures.ts'
import { perSecond, report, settledAfterSeconds, triesPerMinute } from '../../simulation/report.ts'
import { Run } from '../../simulation/run.ts'
import { type Scenario, short } from '../../simulation/scenario.ts'

const run = new Run(short)
run.run()
const { figures, loss } = run

describe('a short run', () => {
  it('loses nothing: what was published has ended, or stands in one place', () => {
    expect(run.deliveries.count).toBe(run.unfinished)
    expect(run.published).toBe(run.ended + run.unfinished)
    expect(run.ended).toBeGreaterThan(4_000)
  })

  it('gives a delivery no more tries than its schedule has', () => {
    const most = short.retrySeconds.length + 1
    const { webhook, attempts } = run.deliveries
    expect(Math.max(...attempts)).toBe(most)
    expect(webhook.every((each) => each >= 0 && each < short.population.webhooks)).toBe(true)
    expect(figures.work.failed).toBeGreaterThan(0)
  })

  it('takes over what lost workers held within a lease and a look, and sends it again at once', () => {
    const leaseMs = short.leaseSeconds * 1_000
    expect(loss.held).toBeGreaterThan(0)
    expect(loss.takenOverMs).toBeGreaterThanOrEqual((leaseMs * 2) / 3)
    expect(loss.takenOverMs).toBeLessThanOrEqual(leaseMs + 1_000)
    expect(loss.sentAgainMs).toBeLessThan(loss.takenOverMs + 2_000)
    expect(settledAfterSeconds(run, short.loss.atMinute)).toBeLessThan(20)
  })

  it('lets small tenants wait no longer than large ones, also while the largest publishes a burst', () => {
    const busy = figures.waits.healthy.filter(({ count }) => count > 100)
    expect(busy.length).toBeGreaterThan(1)
    const [smallest, largest] = [busy[0]!, busy.at(-1)!]
    expect(smallest.percentile(0.99)).toBeLessThanOrEqual(2 * largest.percentile(0.99))
    expect(smallest.percentile(0.5)).toBeLessThan(50)
  })

  it('tries a dead endpoint a bounded number of times a minute, however much is published to it', () => {
    for (const kind of ['refusing', 'silent'] as const) {
      const { mean, max } = triesPerMinute(run, kind)
      expect(mean).toBeGreaterThan(0)
      expect(max).toBeLessThan(60)
    }
  })

  it('uses no more slots than there are, and none for workers that are gone', () => {
    for (const second of figures.seconds) {
      expect(second.busySlots).toBeLessThanOrEqual(second.workers * short.concurrency)
    }
    expect(figures.seconds.at(-1)!.workers).toBe(short.workers - short.loss.workers)
  })

  it('counts rows and bytes of each table from the measured cost of each step', () => {
    const costs = readCosts()
    const tables = perSecond(run, costs)
    const published = figures.work.published / ((short.minutes - short.warmUpMinutes) * 60)
    const { delivery, statement } = costs.steps.publish
    const eventRows = delivery['events']!.rows + statement['events']!.rows
    expect(tables.get('events')!.rows).toBeCloseTo(published * eventRows, 6)
    expect(tables.get('webhook_delivery_attempts')!.walBytes).toBeGreaterThan(0)
    expect(report(run, costs)).toContain('| webhook_delivery_attempts |')
  })
})

it('the same seed is the same run, another one is another', () => {
  const tiny: Scenario = { ...short, minutes: 0.75, warmUpMinutes: 0 }
  const of = (seed: number): unknown => {
    const run = new Run({ ...tiny, seed })
    run.run()
    return { ...run.figures.work, seconds: run.figures.seconds, loss: run.loss }
  }
  expect(of(1)).toEqual(of(1))
  expect(of(2)).not.toEqual(of(1))
})

it('tenants are counted by size, each in one class', () => {
  expect(figures.waits.healthy).toHaveLength(sizes.length)
})
