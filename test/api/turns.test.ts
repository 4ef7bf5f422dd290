import { afterEach, expect, test, vi } from 'vitest'
import { Turns } from '../../src/api/turns.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** Work that goes on until it is told to end. */
function work(begun: string[], name: string): { work: () => Promise<string>; end: () => void } {
  const { promise, resolve } = Promise.withResolvers<string>()
  return {
    work: () => {
      begun.push(name)
      return promise
    },
    end: () => resolve(name),
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

test('six calls of a project run at once, the seventh when one of them ended, and others beside them', async () => {
  const turns = new Turns()
  const begun: string[] = []
  const works = Array.from({ length: 8 }, (_, index) => work(begun, String(index)))
  const taken = works.map((each) => turns.take('one', each.work))
  const other = work(begun, 'other')
  const otherTaken = turns.take('other', other.work)
  expect(begun).toEqual(['0', '1', '2', '3', '4', '5', 'other'])
  works[3]!.end()
  await settled()
  expect(begun.slice(7)).toEqual(['6'])
  for (const each of [...works, other]) each.end()
  expect(await Promise.all(taken)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
  expect(await otherTaken).toBe('other')
})

test('a call that fails gives its place on, and one whose turn does not come is refused', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const turns = new Turns()
  const begun: string[] = []
  const works = Array.from({ length: 6 }, (_, index) => work(begun, String(index)))
  const taken = works.map((each) => turns.take('one', each.work))
  const late = () => turns.take('one', () => work(begun, 'late').work()).catch((error: unknown) => error)
  const lateForAll = late()
  await vi.advanceTimersByTimeAsync(5_000)
  // Nothing was answered all the time: it is not the project that asks for too much.
  expect(await lateForAll).toMatchObject({ code: 'unavailable', retryAfterSeconds: 1 })
  works.push(work(begun, 'instead'))
  const instead = turns.take('one', works[6]!.work)
  const lateBehindOthers = late()
  await vi.advanceTimersByTimeAsync(1_000)
  works[5]!.end()
  await vi.advanceTimersByTimeAsync(4_000)
  expect(await lateBehindOthers).toMatchObject({ code: 'rate_limited', retryAfterSeconds: 1 })
  expect(begun).not.toContain('late')
  const failing = turns
    .take('one', () => Promise.reject(new Error('failed')))
    .catch((error: Error) => error.message)
  const after = turns.take('one', () => Promise.resolve('after'))
  works[0]!.end()
  expect(await failing).toBe('failed')
  expect(await after).toBe('after')
  for (const each of works) each.end()
  await Promise.all([...taken, instead])
})
