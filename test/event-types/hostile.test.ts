import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { checkSchema } from '../../src/event-types/check.ts'
import { compileSchema } from '../../src/event-types/compile.ts'
import { metered, TooMuchWork } from '../../src/event-types/meter.ts'
import { LinearPattern } from '../../src/event-types/pattern.ts'
import { endlessChecks, evilPatterns } from '../corpora/schemas.ts'

/** Schemas that pass every rule and would take for ever, or all memory, if nobody counted. */

describe('the work on data comes to its end, and the data is refused, with', () => {
  test.each(Object.entries(endlessChecks))('%s', (_name, [schema, data]) => {
    expect(checkSchema(schema)).toEqual([])
    const check = compileSchema(schema)
    expect(check.misfits(data, JSON.stringify(data).length)).toEqual([
      { path: 'data', message: 'takes too long to be checked against the schema of its type' },
    ])
    // What stopped it does not stay: the next data is checked as if nothing had been.
    expect(compileSchema({ type: 'string' }).misfits('a', 3)).toEqual([])
  })
})

test.each(evilPatterns)('%s is looked for in time that grows with the text alone', (pattern, text, found) => {
  expect(metered(text.length, () => new LinearPattern(pattern).test(text))).toBe(found)
})

test('a pattern that costs more than the data may cost stops the check', () => {
  const pattern = new LinearPattern('^[a-z]+$')
  expect(() => metered(0, () => pattern.test('a'.repeat(1_000_000)))).toThrow(TooMuchWork)
  expect(metered(1_000, () => pattern.test('abc'))).toBe(true)
})

test('schemas that are gone leave nothing behind', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heapAfter = (schemas: number): number => {
    for (let count = 0; count < schemas; count += 1) {
      const check = compileSchema({
        title: `${count} ${'x'.repeat(20_000)}`,
        properties: { [`property${Math.random()}`]: { pattern: `^${Math.random()}[a-z]{50}$` } },
      })
      check.misfits({ a: 'b' }, 9)
    }
    collect()
    return process.memoryUsage().heapUsed
  }
  heapAfter(50)
  const before = heapAfter(10)
  expect(heapAfter(300) - before).toBeLessThan(10_000_000)
})
