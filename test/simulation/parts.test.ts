import { expect, it } from 'vitest'
import { Deliveries, none } from '../../simulation/deliveries.ts'
import { Histogram } from '../../simulation/histogram.ts'
import { Numbers } from '../../simulation/numbers.ts'
import { Population } from '../../simulation/population.ts'
import { Random } from '../../simulation/random.ts'
import { Schedule } from '../../simulation/schedule.ts'
import { Timeline } from '../../simulation/timeline.ts'

it('a set of numbers finds the next larger one as a sorted list does', () => {
  const random = new Random(3)
  for (const end of [1, 31, 32, 33, 1_024, 1_025, 40_000]) {
    const numbers = new Numbers(end)
    const list = new Set<number>()
    for (let step = 0; step < 300; step += 1) {
      const number = random.below(end)
      if (random.next() < 0.6) {
        numbers.add(number)
        list.add(number)
      } else {
        numbers.remove(number)
        list.delete(number)
      }
      const from = random.below(end + 1) - 1
      const larger = [...list].filter((each) => each > from)
      expect(numbers.after(from)).toBe(larger.length === 0 ? none : Math.min(...larger))
    }
  }
})

it('things happen at their time, and those of one moment in the order in which they were planned', () => {
  const timeline = new Timeline()
  const happened: string[] = []
  timeline.after(20, () => happened.push(`b ${timeline.nowMs}`))
  timeline.after(10, () => {
    timeline.soon(() => happened.push(`soon ${timeline.nowMs}`))
    happened.push(`a ${timeline.nowMs}`)
    timeline.after(10, () => happened.push(`c ${timeline.nowMs}`))
  })
  timeline.after(0, () => happened.push(`at once ${timeline.nowMs}`))
  timeline.runUntil(15)
  expect(happened).toEqual(['at once 1', 'a 10', 'soon 10'])
  timeline.runUntil(30)
  expect(happened).toEqual(['at once 1', 'a 10', 'soon 10', 'b 20', 'c 20'])
  expect(() => timeline.after(100_000, () => {})).toThrow(RangeError)
})

it('the schedule lets out what is due, each once, and nothing before its time', () => {
  const random = new Random(5)
  const deliveries = new Deliveries(8)
  const schedule = new Schedule(deliveries, 60_000)
  for (let place = 0; place < 500; place += 1) schedule.add(deliveries.add(0, random.next() * 80_000))
  const out = new Map<number, number>()
  for (let nowMs = 0; nowMs <= 60_000; nowMs += 130) {
    schedule.letOut(nowMs, (delivery) => {
      expect(out.has(delivery)).toBe(false)
      out.set(delivery, nowMs)
    })
  }
  for (let delivery = 0; delivery < 500; delivery += 1) {
    const due = deliveries.dueMs[delivery]!
    const at = out.get(delivery)
    if (due > 60_000) expect(at).toBeUndefined()
    else if (due < 59_000) expect(at! - due).toBeLessThan(300)
    if (at !== undefined) expect(at).toBeGreaterThanOrEqual(due)
  }
  expect(schedule.length).toBe(500 - out.size)
})

it('percentiles are right to a few percent', () => {
  const histogram = new Histogram()
  for (let ms = 1; ms <= 10_000; ms += 1) histogram.add(ms)
  expect(histogram.percentile(0.5) / 5_000).toBeCloseTo(1, 1)
  expect(histogram.percentile(0.99) / 9_900).toBeCloseTo(1, 1)
  expect(histogram.percentile(1)).toBeLessThanOrEqual(10_000)
  expect(new Histogram().percentile(0.99)).toBe(0)
})

it('tenants have their share of what is published, each webhook belongs to one, and as many are sick as are wanted', () => {
  const random = new Random(9)
  const shares = { slow: 0.02, refusing: 0.03, silent: 0.05 }
  const population = new Population(
    { tenants: 50, webhooks: 20_000, shares, deliveriesPerDay: 1_000_000 },
    random,
  )
  const chosen = new Map<number, number>()
  for (let count = 0; count < 100_000; count += 1) {
    const tenant = population.tenantOf(population.choose(random))
    chosen.set(tenant, (chosen.get(tenant) ?? 0) + 1)
  }
  for (const tenant of [0, 1, 10])
    expect(chosen.get(tenant)! / 100_000 / (population.sizeOf(tenant) / 1_000_000)).toBeCloseTo(1, 0)
  const kinds = Array.from({ length: 20_000 }, (_, webhook) => population.kindOf(webhook))
  expect(kinds.filter((kind) => kind === 'silent').length / 20_000).toBeCloseTo(0.05, 1.5)
  const rates = Array.from({ length: 20_000 }, (_, webhook) => population.rateOf(webhook))
  expect(rates.reduce((sum, rate) => sum + rate, 0)).toBeCloseTo(1_000_000, 3)
})

it('chance has the mean that it is to have', () => {
  const random = new Random(1)
  for (const mean of [0.3, 5, 80]) {
    let sum = 0
    for (let count = 0; count < 20_000; count += 1) sum += random.poisson(mean)
    expect(sum / 20_000 / mean).toBeCloseTo(1, 1)
  }
})
