import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import type { Answer, SendError } from '../../src/deliver/answer.ts'
import {
  closesAfter,
  failuresAfter,
  type Health,
  healthOf,
  opened,
  type OpenBreaker,
  opensAfter,
  probed,
  probing,
  room,
} from '../../src/deliver/breaker.ts'
import type { FailureClass } from '../../src/deliver/failure.ts'

const start = new Date('2026-11-24T09:00:00.000Z')
const at = (seconds: number) => new Date(start.getTime() + seconds * 1_000)

describe('what an attempt says of its endpoint', () => {
  test.each<[number, Health]>([
    [200, 'up'],
    [204, 'up'],
    [302, 'up'],
    [400, 'up'],
    [404, 'up'],
    [410, 'up'],
    [429, 'down'],
    [500, 'down'],
    [503, 'down'],
    [599, 'down'],
  ])('%i: %s', (status, health) => {
    expect(healthOf({ kind: 'answer', status } as Answer)).toBe(health)
  })

  test.each<[FailureClass, Health]>([
    ['timeout', 'down'],
    ['refused', 'down'],
    ['network', 'down'],
    ['dns', 'down'],
    ['tls', 'down'],
    ['protocol', 'down'],
    ['proxy', 'down'],
    ['blocked', 'unknown'],
    ['request', 'unknown'],
    ['aborted', 'unknown'],
  ])('%s: %s', (failure, health) => {
    expect(healthOf({ kind: 'error', class: failure } as SendError)).toBe(health)
  })
})

describe('a closed breaker', () => {
  it('opens after so many in a row, and starts anew with one that went well', () => {
    let failures = 0
    for (const health of Array.from<Health>({ length: opensAfter - 1 }).fill('down'))
      failures = failuresAfter(failures, health)
    expect(failures).toBeLessThan(opensAfter)
    expect(failuresAfter(failures, 'unknown')).toBe(failures)
    expect(failuresAfter(failures, 'up')).toBe(0)
    expect(failuresAfter(failures, 'down')).toBe(opensAfter)
  })
})

describe('a breaker that is not closed', () => {
  it('lets one probe out after 10 s, then after 20, 40, and each minute', () => {
    let breaker = opened(start)
    const times: number[] = []
    for (let seconds = 0; seconds <= 280; seconds += 1) {
      if (room(breaker, at(seconds)) === 0) continue
      expect(room(breaker, at(seconds))).toBe(1)
      times.push(seconds)
      breaker = probing(breaker, at(seconds))
      breaker = still(probed(breaker, 'down', at(seconds)))
    }
    expect(times).toEqual([10, 30, 70, 130, 190, 250])
  })

  it('lets two out at once after a good probe, then four, and closes after three', () => {
    let breaker = probing(opened(start), at(10))
    breaker = still(probed(breaker, 'up', at(11)))
    expect(room(breaker, at(11))).toBe(2)
    breaker = probing(breaker, at(11))
    expect(room(breaker, at(11))).toBe(0)
    breaker = still(probed(breaker, 'up', at(12)))
    expect(room(breaker, at(12))).toBe(4)
    expect(probed(breaker, 'up', at(13))).toBe('closed')
  })

  it('is left alone for 10 s again when a probe goes wrong after a good one', () => {
    let breaker = still(probed(probing(opened(start), at(10)), 'up', at(10)))
    breaker = still(probed(breaker, 'down', at(11)))
    expect(room(breaker, at(20))).toBe(0)
    expect(room(breaker, at(21))).toBe(1)
  })

  it('says nothing more when nobody has confirmed it for five minutes', () => {
    const breaker = opened(start)
    expect(room(breaker, at(299))).toBe(1)
    expect(room(breaker, at(300))).toBe(Infinity)
  })

  it('lets no more than three out in any minute to an endpoint that is dead, whenever they come back', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 20, maxLength: 60 }),
        (tookSeconds) => {
          let breaker = opened(start)
          const sent: number[] = []
          const answers: number[] = []
          let seconds = 0
          for (const took of tookSeconds) {
            while (room(breaker, at(seconds)) === 0) {
              seconds += 1
              while (answers.length > 0 && answers[0]! <= seconds)
                breaker = still(probed(breaker, 'down', at(answers.shift()!)))
            }
            for (let count = 0; count < room(breaker, at(seconds)); count += 1) sent.push(seconds)
            breaker = probing(breaker, at(seconds))
            answers.push(seconds + took)
            answers.sort((one, other) => one - other)
          }
          for (const from of sent)
            expect(sent.filter((time) => time >= from && time < from + 60).length).toBeLessThanOrEqual(3)
        },
      ),
    )
  })

  it('closes by good probes alone, and never while they go wrong', () => {
    const step = fc.tuple(fc.constantFrom<Health>('up', 'down', 'unknown'), fc.integer({ min: 0, max: 120 }))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let breaker: OpenBreaker | 'closed' = opened(start)
        let seconds = 0
        let good = 0
        for (const [health, passed] of steps) {
          seconds += passed
          breaker = probed(probing(breaker, at(seconds)), health, at(seconds))
          if (health === 'up') good += 1
          if (health === 'down') good = 0
          expect(breaker === 'closed').toBe(good >= closesAfter)
          if (breaker === 'closed') return
          expect(breaker.goodProbes).toBe(good)
          expect(breaker.probeAt.getTime()).toBeLessThanOrEqual(at(seconds + 60).getTime())
        }
      }),
    )
  })
})

function still(breaker: OpenBreaker | 'closed'): OpenBreaker {
  if (breaker === 'closed') throw new Error('it closed')
  return breaker
}
