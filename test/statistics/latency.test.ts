import fc from 'fast-check'
import { expect, test } from 'vitest'
import { merge, percentiles, slotBoundsMs } from '../../src/statistics/latency.ts'

/** As `width_bucket` in SQL. */
function slotOf(ms: number): number {
  return slotBoundsMs.filter((bound) => bound <= ms).length
}

test('percentiles of nothing are null', () => {
  expect(percentiles({ slots: [], counts: [] })).toEqual({ p50_ms: null, p95_ms: null, p99_ms: null })
})

test('a percentile lies in the slot of the attempt that has that rank', () => {
  const durations = fc.array(fc.integer({ min: 0, max: 16_000 }), { minLength: 1, maxLength: 200 })
  fc.assert(
    fc.property(durations, (all) => {
      const { p50_ms, p95_ms, p99_ms } = percentiles(
        merge(all.map((ms) => ({ slots: [slotOf(ms)], counts: [1] }))),
      )
      const sorted = all.toSorted((one, other) => one - other)
      for (const [told, share] of [
        [p50_ms, 0.5],
        [p95_ms, 0.95],
        [p99_ms, 0.99],
      ] as const) {
        const slot = slotOf(sorted[Math.ceil(share * sorted.length) - 1]!)
        expect(told).toBeGreaterThanOrEqual(slotBoundsMs[slot - 1] ?? 0)
        expect(told).toBeLessThanOrEqual(slotBoundsMs[slot]!)
      }
    }),
  )
})

test('the slots are sorted, and none is wider than a quarter beyond 10 ms', () => {
  expect(slotBoundsMs).toEqual(slotBoundsMs.toSorted((one, other) => one - other))
  const ratios = slotBoundsMs.slice(1).map((bound, index) => bound / slotBoundsMs[index]!)
  expect(Math.max(...ratios.slice(slotOf(10)))).toBeLessThan(1.25)
})

test('merging adds up what is in the same slot', () => {
  const merged = merge([
    { slots: [3, 5], counts: [1, 2] },
    { slots: [5, 9], counts: [4, 8] },
  ])
  expect(merged).toEqual({ slots: [3, 5, 9], counts: [1, 6, 8] })
})
