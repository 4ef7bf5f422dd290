import { describe, expect, test } from 'vitest'
import { readTraceparent, traceIdOf } from '../src/traceparent.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const parentId = 'b7ad6b7169203331'
const whole = `00-${traceId}-${parentId}-01`

describe('a traceparent', () => {
  test.each([
    ['is passed on as it came', whole, whole],
    ['that is not sampled, too', `00-${traceId}-${parentId}-00`, `00-${traceId}-${parentId}-00`],
    ['with a flag that is not known', `00-${traceId}-${parentId}-ff`, `00-${traceId}-${parentId}-ff`],
    ['of a later version is read as far as it is known', `01-${traceId}-${parentId}-03-more`, whole],
    ['of a later version without more', `cc-${traceId}-${parentId}-02`, `00-${traceId}-${parentId}-00`],
  ])('%s', (_what, given, passedOn) => {
    expect(readTraceparent(given)).toBe(passedOn)
    expect(traceIdOf(passedOn)).toBe(traceId)
  })

  test.each([
    ['nothing', null],
    ['an empty text', ''],
    ['words', 'trace me'],
    ['one that is too short', whole.slice(0, -1)],
    ['one of version 00 with more', `${whole}-more`],
    ['version ff', `ff-${traceId}-${parentId}-01`],
    ['capital letters', whole.toUpperCase()],
    ['an id of a trace that is none', `00-${'0'.repeat(32)}-${parentId}-01`],
    ['an id of a parent that is none', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['two of them, as a header that came twice', `${whole}, ${whole}`],
    ['a line break behind it', `${whole}\n`],
    ['a header behind it', `01-${traceId}-${parentId}-01-\r\nx-evil: 1`],
    ['white space around it', ` ${whole}`],
  ])('is not %s', (_what, given) => {
    expect(readTraceparent(given)).toBeUndefined()
  })
})
