import { expect, test } from 'vitest'
import { resolveBars, resolveBuckets, unitOf } from '../../src/statistics/range.ts'

const now = new Date('2026-11-24T10:07:30.000Z')
const hoursAgo = (hours: number) => new Date(now.getTime() - hours * 3_600_000)

test.each([
  [1, 60, 60, '2026-11-24T09:07:00.000Z'],
  [24, 1_800, 60, '2026-11-23T10:00:00.000Z'],
  [7 * 24, 10_800, 3_600, '2026-11-17T09:00:00.000Z'],
  [30 * 24, 43_200, 3_600, '2026-10-25T00:00:00.000Z'],
  [200 * 24, 86_400, 86_400, '2026-05-08T00:00:00.000Z'],
])('a range of %i hours has buckets of %i s out of rows of %i s', (hours, bucketSeconds, unit, since) => {
  const range = resolveBuckets({ since: hoursAgo(hours) }, now)
  expect(range).toEqual({ since: new Date(since), until: now, bucketSeconds })
  expect(unitOf(range)).toBe(unit)
})

test('a bucket that is no longer kept becomes one that is', () => {
  expect(
    resolveBuckets({ since: hoursAgo(49), until: hoursAgo(48.5), bucket: '1m' }, now).bucketSeconds,
  ).toBe(3_600)
  expect(
    resolveBuckets({ since: hoursAgo(40 * 24), until: hoursAgo(39 * 24), bucket: '1h' }, now).bucketSeconds,
  ).toBe(86_400)
})

test('an empty range and one of too many buckets are refused', () => {
  expect(() => resolveBuckets({ since: now, until: now }, now)).toThrow('until must be later than since')
  expect(() => resolveBuckets({ since: hoursAgo(30), bucket: '1m' }, now)).toThrow('bucket makes more than')
  expect(() => resolveBuckets({ since: new Date(0) }, now)).toThrow('since makes more than')
})

test.each([
  [1, 180],
  [24, 3_600],
  [7 * 24, 25_200],
  [30 * 24, 108_000],
])('24 bars over %i hours are of %i s each and end with the range', (hours, barSeconds) => {
  const { since, until, bucketSeconds } = resolveBars({ since: hoursAgo(hours) }, now)
  expect(bucketSeconds).toBe(barSeconds)
  const endMs = since.getTime() + 24 * barSeconds * 1_000
  expect(endMs).toBeGreaterThanOrEqual(until.getTime())
  expect(endMs - until.getTime()).toBeLessThan(barSeconds === 180 ? 60_000 : 3_600_000)
})
