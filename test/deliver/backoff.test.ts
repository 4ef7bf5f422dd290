import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRetryAfter, retryDelaySeconds } from '../../src/deliver/backoff.ts'

const schedule = [60, 300, 900, 3_600, 14_400]
const noJitter = (): number => 0

describe('retryDelaySeconds', () => {
  it('follows the schedule from the first failure to the last', () => {
    const delays = [1, 2, 3, 4, 5].map((made) => delay(made, 6))
    expect(delays).toEqual(schedule)
  })

  it('begins anew after a manual retry, which gives a full schedule more', () => {
    const delays = [7, 8, 9, 10, 11].map((made) => delay(made, 12))
    expect(delays).toEqual(schedule)
  })

  it.each([
    ['a longer schedule than the row has tries left', 5, 6, [1, 2, 3, 4, 5, 6, 7], 7],
    ['a shorter schedule: its first delay until the rest fits', 1, 6, [10, 20], 10],
    ['a shorter schedule: its last delay at the end', 5, 6, [10, 20], 20],
    ['no schedule at all', 1, 6, [], 0],
  ])('stays inside after the schedule was changed: %s', (_, made, maxAttempts, changed, expected) => {
    expect(delay(made, maxAttempts, changed)).toBe(expected)
  })

  it('adds between nothing and a tenth, whatever the numbers', () => {
    const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(fc.nat(1_000), fc.nat(1_000), anyRandom, (attemptsMade, maxAttempts, random) => {
        const base = delay(attemptsMade, maxAttempts)
        const seconds = retryDelaySeconds({ attemptsMade, maxAttempts }, schedule, () => random)
        expect(schedule).toContain(base)
        expect(seconds).toBeGreaterThanOrEqual(base)
        expect(seconds).toBeLessThan(base * 1.1 + 1e-9)
      }),
    )
  })

  it('never shortens from one failure to the next', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 50 }), fc.integer({ min: 1, max: 48 }), (maxAttempts, made) => {
        fc.pre(made + 1 < maxAttempts)
        expect(delay(made + 1, maxAttempts)).toBeGreaterThanOrEqual(delay(made, maxAttempts))
      }),
    )
  })
})

describe('parseRetryAfter', () => {
  const now = new Date('2026-11-24T12:00:00.000Z')
  const daySeconds = 86_400

  it.each([
    ['120', 120],
    [' 120 ', 120],
    ['0', 0],
    ['1.5', 1.5],
    ['-5', 0],
    ['-1e18', 0],
    ['86400', daySeconds],
    ['86401', daySeconds],
    ['1e18', daySeconds],
    ['9'.repeat(400), daySeconds],
    ['Tue, 24 Nov 2026 12:10:00 GMT', 600],
    ['Tuesday, 24-Nov-26 12:10:00 GMT', 600],
    ['Tue Nov 24 12:10:00 2026', 600],
    ['Tue, 24 Nov 2026 11:00:00 GMT', 0],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['Fri, 31 Dec 9999 23:59:59 GMT', daySeconds],
  ])('reads %s', (value, seconds) => {
    expect(parseRetryAfter(value, now)).toEqual(new Date(now.getTime() + seconds * 1_000))
  })

  it.each([
    '',
    'NaN',
    'Infinity',
    '0x10',
    'soon',
    '12 apples',
    'Tue',
    'Tue, 99 Foo 2026',
    '2026-11-24T13:00:00Z',
  ])('takes %j for no moment', (value) => {
    expect(parseRetryAfter(value, now)).toBeUndefined()
  })

  it('gives a valid moment of the next 24 hours or none, whatever is written', () => {
    const numberLike = fc.double().map(String)
    const dateLike = fc.date({ noInvalidDate: false }).map((date) => date.toUTCString())
    fc.assert(
      fc.property(fc.oneof(fc.string(), numberLike, dateLike), (value) => {
        const moment = parseRetryAfter(value, now)
        if (!moment) return
        expect(moment.getTime()).toBeGreaterThanOrEqual(now.getTime())
        expect(moment.getTime()).toBeLessThanOrEqual(now.getTime() + daySeconds * 1_000)
      }),
      { numRuns: 1_000 },
    )
  })
})

function delay(attemptsMade: number, maxAttempts: number, delays: readonly number[] = schedule): number {
  return retryDelaySeconds({ attemptsMade, maxAttempts }, delays, noJitter)
}
